package interfaces

import (
	"context"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// DescribeNetworkInterfaces lists interfaces.
func (a *API) DescribeNetworkInterfaces(ctx context.Context, in *sdk.DescribeNetworkInterfacesInput) (*sdk.DescribeNetworkInterfacesOutput, error) {
	// IncludeManagedResources asks for the interfaces of service providers as well.
	// There are none.
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	names, err := handler.View(ctx, a.db, groupNames)
	if err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.NetworkInterfaceIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	shape := func(i ec2.Interface, tags []types.Tag) types.NetworkInterface {
		return a.interfaceShape(i, tags, names)
	}
	interfaces, next, err := list.Describe(ctx, a.db, ec2.Interfaces, a.interfaceListing(names), q, shape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeNetworkInterfacesOutput{NetworkInterfaces: interfaces, NextToken: next}, nil
}

// groupNames returns the names of all groups, by id.
func groupNames(tx store.Tx) (map[string]string, error) {
	all, err := ec2.SecurityGroups.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list security groups: %w", err)
	}
	names := map[string]string{}
	for _, g := range all {
		names[g.ID] = g.Name
	}
	return names, nil
}

func (a *API) interfaceListing(names map[string]string) list.Of[ec2.Interface] {
	type see = func(ec2.Interface) []string
	addr := func(i ec2.Interface) []string { return list.One(i.Addr.String()) }
	return list.Of[ec2.Interface]{Kind: request.Interface, ID: func(i ec2.Interface) string { return i.ID }, Fields: map[string]see{
		"addresses.association.owner-id":   nil,
		"addresses.association.public-ip":  nil,
		"addresses.primary":                list.Always[ec2.Interface]("true"),
		"addresses.private-ip-address":     addr,
		"association.allocation-id":        nil,
		"association.association-id":       nil,
		"association.ip-owner-id":          nil,
		"association.public-dns-name":      nil,
		"association.public-ip":            nil,
		"attachment.attach-time":           func(i ec2.Interface) []string { return list.One(i.Created.Format("2006-01-02T15:04:05.000Z")) },
		"attachment.attachment-id":         func(i ec2.Interface) []string { return list.One(attachmentID(i)) },
		"attachment.delete-on-termination": list.Always[ec2.Interface]("true"),
		"attachment.device-index":          list.Always[ec2.Interface]("1"),
		"attachment.instance-id":           nil,
		"attachment.instance-owner-id":     list.Always[ec2.Interface](a.ns.Account),
		"attachment.status":                list.Always[ec2.Interface]("attached"),
		"availability-zone":                func(i ec2.Interface) []string { return list.One(i.AZ) },
		"availability-zone-id":             func(i ec2.Interface) []string { return list.One(i.AZID) },
		"description":                      func(i ec2.Interface) []string { return list.One(i.Description) },
		"group-id":                         func(i ec2.Interface) []string { return i.Groups },
		"group-name": func(i ec2.Interface) (out []string) {
			for _, g := range i.Groups {
				out = append(out, names[g])
			}
			return out
		},
		"interface-type":              func(i ec2.Interface) []string { return list.One(i.Type) },
		"ipv6-addresses.ipv6-address": nil,
		"mac-address":                 func(i ec2.Interface) []string { return list.One(i.MAC) },
		"network-interface-id":        func(i ec2.Interface) []string { return list.One(i.ID) },
		"operator.managed":            list.Always[ec2.Interface]("false"),
		"operator.principal":          nil,
		"owner-id":                    list.Always[ec2.Interface](a.ns.Account),
		"private-dns-name":            func(i ec2.Interface) []string { return list.One(a.privateName(i)) },
		"private-ip-address":          addr,
		"requester-id":                nil,
		"requester-managed":           func(i ec2.Interface) []string { return list.Truth(i.RequesterManaged) },
		"source-dest-check":           list.Always[ec2.Interface]("true"),
		"status":                      list.Always[ec2.Interface]("in-use"),
		"subnet-id":                   func(i ec2.Interface) []string { return list.One(i.SubnetID) },
		"vpc-id":                      func(i ec2.Interface) []string { return list.One(i.VpcID) },
	}}
}

func (a *API) interfaceShape(i ec2.Interface, tags []types.Tag, names map[string]string) types.NetworkInterface {
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

func attachmentID(i ec2.Interface) string {
	return "eni-attach-" + strings.TrimPrefix(i.ID, request.Interface.Prefix+"-")
}

// privateName is the name that AWS gives an address in the region's DNS.
func (a *API) privateName(i ec2.Interface) string {
	return "ip-" + strings.ReplaceAll(i.Addr.String(), ".", "-") + "." + a.ns.Region + ".compute.internal"
}
