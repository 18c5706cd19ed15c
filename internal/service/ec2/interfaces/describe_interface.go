package interfaces

import (
	"context"
	"fmt"
	"net/netip"
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
	q := list.Question{IDs: in.NetworkInterfaceIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeNetworkInterfacesOutput, error) {
		names, err := groupNames(tx)
		if err != nil {
			return nil, err
		}
		all, err := views(tx)
		if err != nil {
			return nil, err
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		chosen, next, err := a.interfaceListing(names).Answer(all, q, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeNetworkInterfacesOutput{NetworkInterfaces: []types.NetworkInterface{}, NextToken: next}
		for _, v := range chosen {
			out.NetworkInterfaces = append(out.NetworkInterfaces, a.interfaceShape(v, request.TagType.To(tags[v.ID].Tags), names))
		}
		return out, nil
	})
}

// view is an interface with its elastic addresses.
type view struct {
	ec2.Interface
	elastic []ec2.ElasticAddress
}

func views(tx store.Tx) ([]view, error) {
	elastic := map[string][]ec2.ElasticAddress{}
	for e, err := range ec2.ElasticAddresses.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list elastic addresses: %w", err)
		}
		elastic[e.Interface] = append(elastic[e.Interface], *e)
	}
	all, err := ec2.Interfaces.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	out := make([]view, len(all))
	for n, i := range all {
		out[n] = view{i, elastic[i.ID]}
	}
	return out, nil
}

// addrs returns all private addresses of v, the primary one first.
func (v view) addrs() []netip.Addr { return append([]netip.Addr{v.Addr}, v.Secondary...) }

// association returns what addr has of a public address; nil when it has none.
func (a *API) association(v view, addr netip.Addr) *types.NetworkInterfaceAssociation {
	for _, e := range v.elastic {
		if e.PrivateAddr == addr {
			return &types.NetworkInterfaceAssociation{
				AllocationId: new(e.ID), AssociationId: new(e.AssociationID), IpOwnerId: &a.ns.Account,
				PublicIp: new(e.Addr.String()), PublicDnsName: new(a.publicName(e.Addr)),
			}
		}
	}
	if addr == v.Addr && v.PublicAddr.IsValid() {
		return &types.NetworkInterfaceAssociation{IpOwnerId: new("amazon"), PublicIp: new(v.PublicAddr.String()), PublicDnsName: new(a.publicName(v.PublicAddr))}
	}
	return nil
}

// publicName is the name that AWS gives a public address in the DNS.
func (a *API) publicName(addr netip.Addr) string {
	region := a.ns.Region + ".compute"
	if a.ns.Region == "us-east-1" {
		region = "compute-1"
	}
	return "ec2-" + strings.ReplaceAll(addr.String(), ".", "-") + "." + region + ".amazonaws.com"
}

// attachedBy is who attached v: the account, or the part of AWS that it belongs to.
func (a *API) attachedBy(v view) string {
	switch v.Type {
	case ec2.BalancerInterface:
		return "amazon-elb"
	case ec2.NatInterface, ec2.ServiceInterface:
		return "amazon-aws"
	}
	return a.ns.Account
}

// status is in-use for what belongs to somebody.
func status(v view) types.NetworkInterfaceStatus {
	if v.OwnerKey == "" {
		return types.NetworkInterfaceStatusAvailable
	}
	return types.NetworkInterfaceStatusInUse
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

// held is a field of what is attached.
func held(field func(view) string) func(view) []string {
	return func(v view) []string {
		if v.OwnerKey == "" {
			return nil
		}
		return list.One(field(v))
	}
}

// public is a field of the public addresses.
func (a *API) public(field func(*types.NetworkInterfaceAssociation) *string) func(view) []string {
	return func(v view) (out []string) {
		for _, addr := range v.addrs() {
			if p := a.association(v, addr); p != nil && field(p) != nil {
				out = append(out, *field(p))
			}
		}
		return out
	}
}

func (a *API) interfaceListing(names map[string]string) list.Of[view] {
	type see = func(view) []string
	public := a.public
	owner := public(func(p *types.NetworkInterfaceAssociation) *string { return p.IpOwnerId })
	publicIP := public(func(p *types.NetworkInterfaceAssociation) *string { return p.PublicIp })
	return list.Of[view]{Kind: request.Interface, ID: func(v view) string { return v.ID }, Fields: map[string]see{
		"addresses.association.owner-id":  owner,
		"addresses.association.public-ip": publicIP,
		"addresses.primary":               func(v view) []string { return []string{"true", "false"}[:min(2, len(v.addrs()))] },
		"addresses.private-ip-address": func(v view) (out []string) {
			for _, addr := range v.addrs() {
				out = append(out, addr.String())
			}
			return out
		},
		"association.allocation-id":        public(func(p *types.NetworkInterfaceAssociation) *string { return p.AllocationId }),
		"association.association-id":       public(func(p *types.NetworkInterfaceAssociation) *string { return p.AssociationId }),
		"association.ip-owner-id":          owner,
		"association.public-dns-name":      public(func(p *types.NetworkInterfaceAssociation) *string { return p.PublicDnsName }),
		"association.public-ip":            publicIP,
		"attachment.attach-time":           held(func(v view) string { return v.Created.Format("2006-01-02T15:04:05.000Z") }),
		"attachment.attachment-id":         held(attachmentID),
		"attachment.delete-on-termination": held(func(view) string { return "true" }),
		"attachment.device-index":          held(func(view) string { return "1" }),
		"attachment.instance-id":           nil,
		"attachment.instance-owner-id":     held(a.attachedBy),
		"attachment.status":                held(func(view) string { return "attached" }),
		"availability-zone":                func(v view) []string { return list.One(v.AZ) },
		"availability-zone-id":             func(v view) []string { return list.One(v.AZID) },
		"description":                      func(v view) []string { return list.One(v.Description) },
		"group-id":                         func(v view) []string { return v.Groups },
		"group-name": func(v view) (out []string) {
			for _, g := range v.Groups {
				out = append(out, names[g])
			}
			return out
		},
		"interface-type":              func(v view) []string { return list.One(v.Type) },
		"ipv6-addresses.ipv6-address": nil,
		"mac-address":                 func(v view) []string { return list.One(v.MAC) },
		"network-interface-id":        func(v view) []string { return list.One(v.ID) },
		"operator.managed":            list.Always[view]("false"),
		"operator.principal":          nil,
		"owner-id":                    list.Always[view](a.ns.Account),
		"private-dns-name":            func(v view) []string { return list.One(a.privateName(v.Addr)) },
		"private-ip-address":          func(v view) []string { return list.One(v.Addr.String()) },
		"requester-id":                nil,
		"requester-managed":           func(v view) []string { return list.Truth(v.RequesterManaged) },
		"source-dest-check":           func(v view) []string { return list.Truth(!v.AnySource) },
		"status":                      func(v view) []string { return list.One(string(status(v))) },
		"subnet-id":                   func(v view) []string { return list.One(v.SubnetID) },
		"vpc-id":                      func(v view) []string { return list.One(v.VpcID) },
	}}
}

func (a *API) interfaceShape(v view, tags []types.Tag, names map[string]string) types.NetworkInterface {
	groups := []types.GroupIdentifier{}
	for _, g := range v.Groups {
		groups = append(groups, types.GroupIdentifier{GroupId: new(g), GroupName: new(names[g])})
	}
	out := types.NetworkInterface{
		NetworkInterfaceId: &v.ID, SubnetId: &v.SubnetID, VpcId: &v.VpcID, AvailabilityZone: &v.AZ, AvailabilityZoneId: &v.AZID,
		OwnerId: &a.ns.Account, Description: &v.Description, InterfaceType: types.NetworkInterfaceType(v.Type), MacAddress: &v.MAC,
		PrivateIpAddress: new(v.Addr.String()), PrivateDnsName: new(a.privateName(v.Addr)), Groups: groups, TagSet: tags, Association: a.association(v, v.Addr),
		RequesterManaged: &v.RequesterManaged, SourceDestCheck: new(!v.AnySource), Ipv6Addresses: []types.NetworkInterfaceIpv6Address{}, Status: status(v),
	}
	for _, addr := range v.addrs() {
		out.PrivateIpAddresses = append(out.PrivateIpAddresses, types.NetworkInterfacePrivateIpAddress{
			Primary: new(addr == v.Addr), PrivateIpAddress: new(addr.String()), PrivateDnsName: new(a.privateName(addr)), Association: a.association(v, addr),
		})
	}
	if v.OwnerKey != "" {
		out.Attachment = &types.NetworkInterfaceAttachment{
			AttachmentId: new(attachmentID(v)), AttachTime: &v.Created, DeleteOnTermination: new(true), DeviceIndex: new(int32(1)),
			InstanceOwnerId: new(a.attachedBy(v)), Status: types.AttachmentStatusAttached,
		}
	}
	return out
}

func attachmentID(v view) string {
	return "eni-attach-" + strings.TrimPrefix(v.ID, request.Interface.Prefix+"-")
}

// privateName is the name that AWS gives an address in the region's DNS.
func (a *API) privateName(addr netip.Addr) string {
	domain := a.ns.Region + ".compute.internal"
	if a.ns.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(addr.String(), ".", "-") + "." + domain
}
