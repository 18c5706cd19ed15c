package ec2

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// DescribeNetworkInterfaces lists interfaces.
func (a *API) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
	// IncludeManagedResources asks for those of service providers as well: there
	// are none.
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	names, err := handler.View(ctx, a.db, groupNames)
	if err != nil {
		return nil, err
	}
	q := question{in.NetworkInterfaceIds, in.Filters, in.MaxResults, in.NextToken}
	shape := func(i Interface, tags []types.Tag) types.NetworkInterface { return a.interfaceShape(i, tags, names) }
	interfaces, next, err := describe(ctx, a.db, Interfaces, a.interfaceListing(names), q, shape)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: interfaces, NextToken: next}, nil
}

// groupNames returns the names of all groups, by id.
func groupNames(tx store.Tx) (map[string]string, error) {
	all, err := SecurityGroups.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list security groups: %w", err)
	}
	names := map[string]string{}
	for _, g := range all {
		names[g.ID] = g.Name
	}
	return names, nil
}

func (a *API) interfaceListing(names map[string]string) listing[Interface] {
	type see = func(Interface) []string
	addr := func(i Interface) []string { return one(i.Addr.String()) }
	return listing[Interface]{kindInterface, func(i Interface) string { return i.ID }, map[string]see{
		"addresses.association.owner-id":   nil,
		"addresses.association.public-ip":  nil,
		"addresses.primary":                always[Interface]("true"),
		"addresses.private-ip-address":     addr,
		"association.allocation-id":        nil,
		"association.association-id":       nil,
		"association.ip-owner-id":          nil,
		"association.public-dns-name":      nil,
		"association.public-ip":            nil,
		"attachment.attach-time":           func(i Interface) []string { return one(i.Created.Format("2006-01-02T15:04:05.000Z")) },
		"attachment.attachment-id":         func(i Interface) []string { return one(attachmentID(i)) },
		"attachment.delete-on-termination": always[Interface]("true"),
		"attachment.device-index":          always[Interface]("1"),
		"attachment.instance-id":           nil,
		"attachment.instance-owner-id":     always[Interface](a.ns.Account),
		"attachment.status":                always[Interface]("attached"),
		"availability-zone":                func(i Interface) []string { return one(i.AZ) },
		"availability-zone-id":             func(i Interface) []string { return one(i.AZID) },
		"description":                      func(i Interface) []string { return one(i.Description) },
		"group-id":                         func(i Interface) []string { return i.Groups },
		"group-name": func(i Interface) (out []string) {
			for _, g := range i.Groups {
				out = append(out, names[g])
			}
			return out
		},
		"interface-type":              func(i Interface) []string { return one(i.Type) },
		"ipv6-addresses.ipv6-address": nil,
		"mac-address":                 func(i Interface) []string { return one(i.MAC) },
		"network-interface-id":        func(i Interface) []string { return one(i.ID) },
		"operator.managed":            always[Interface]("false"),
		"operator.principal":          nil,
		"owner-id":                    always[Interface](a.ns.Account),
		"private-dns-name":            func(i Interface) []string { return one(a.privateName(i)) },
		"private-ip-address":          addr,
		"requester-id":                nil,
		"requester-managed":           func(i Interface) []string { return truth(i.RequesterManaged) },
		"source-dest-check":           always[Interface]("true"),
		"status":                      always[Interface]("in-use"),
		"subnet-id":                   func(i Interface) []string { return one(i.SubnetID) },
		"vpc-id":                      func(i Interface) []string { return one(i.VpcID) },
	}}
}

func (a *API) interfaceShape(i Interface, tags []types.Tag, names map[string]string) types.NetworkInterface {
	groups := []types.GroupIdentifier{}
	for _, g := range i.Groups {
		groups = append(groups, types.GroupIdentifier{GroupId: new(g), GroupName: new(names[g])})
	}
	addr, name := i.Addr.String(), a.privateName(i)
	return types.NetworkInterface{
		NetworkInterfaceId: &i.ID, SubnetId: &i.SubnetID, VpcId: &i.VpcID, AvailabilityZone: &i.AZ, AvailabilityZoneId: &i.AZID,
		OwnerId: &a.ns.Account, Description: &i.Description, InterfaceType: types.NetworkInterfaceType(i.Type), MacAddress: &i.MAC,
		PrivateIpAddress: &addr, PrivateDnsName: &name, Groups: groups, TagSet: tags,
		PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{{Primary: new(true), PrivateIpAddress: &addr, PrivateDnsName: &name}},
		RequesterManaged:   &i.RequesterManaged, SourceDestCheck: new(true), Ipv6Addresses: []types.NetworkInterfaceIpv6Address{}, Status: types.NetworkInterfaceStatusInUse,
		Attachment: &types.NetworkInterfaceAttachment{
			AttachmentId: new(attachmentID(i)), AttachTime: &i.Created, DeleteOnTermination: new(true), DeviceIndex: new(int32(1)),
			InstanceOwnerId: &a.ns.Account, Status: types.AttachmentStatusAttached,
		},
	}
}

func attachmentID(i Interface) string {
	return "eni-attach-" + strings.TrimPrefix(i.ID, kindInterface.prefix+"-")
}

// privateName is the name that AWS gives an address in the region's DNS.
func (a *API) privateName(i Interface) string {
	return "ip-" + strings.ReplaceAll(i.Addr.String(), ".", "-") + "." + a.ns.Region + ".compute.internal"
}
