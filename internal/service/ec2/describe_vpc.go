package ec2

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// describe lists the table's resources that q asks for, each in its shape on
// the wire.
func describe[T, W any](ctx context.Context, db store.DB, t *store.Table[T], l listing[T], q question, shape func(T, []types.Tag) W) ([]W, *string, error) {
	type result struct {
		out  []W
		next *string
	}
	r, err := handler.View(ctx, db, func(tx store.Tx) (r result, err error) {
		all, err := t.List(tx, "")
		if err != nil {
			return r, fmt.Errorf("list %ss: %w", l.typ, err)
		}
		tags, err := allTags(tx)
		if err != nil {
			return r, err
		}
		chosen, next, err := l.answer(all, q, tags)
		if err != nil {
			return r, err
		}
		// None is an empty list, never no list: clients read it without asking.
		r.out, r.next = []W{}, next
		for _, v := range chosen {
			r.out = append(r.out, shape(v, tagType.To(tags[l.id(v)].Tags)))
		}
		return r, nil
	})
	return r.out, r.next, err
}

// DescribeVpcs lists VPCs.
func (a *API) DescribeVpcs(ctx context.Context, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	q := question{in.VpcIds, in.Filters, in.MaxResults, in.NextToken}
	vpcs, next, err := describe(ctx, a.db, Vpcs, a.vpcListing(), q, a.vpcShape)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVpcsOutput{Vpcs: vpcs, NextToken: next}, nil
}

func (a *API) vpcListing() listing[Vpc] {
	cidr := func(v Vpc) []string { return one(v.CIDR.String()) }
	isDefault := func(v Vpc) []string { return truth(v.Default) }
	return listing[Vpc]{kindVpc, func(v Vpc) string { return v.ID }, map[string]func(Vpc) []string{
		"cidr":                                        cidr,
		"cidr-block-association.cidr-block":           cidr,
		"cidr-block-association.association-id":       func(v Vpc) []string { return one(v.AssociationID) },
		"cidr-block-association.state":                always[Vpc]("associated"),
		"dhcp-options-id":                             func(v Vpc) []string { return one(v.DHCPOptionsID) },
		"ipv6-cidr-block-association.ipv6-cidr-block": nil,
		"ipv6-cidr-block-association.ipv6-pool":       nil,
		"ipv6-cidr-block-association.association-id":  nil,
		"ipv6-cidr-block-association.state":           nil,
		"is-default":                                  isDefault,
		"isDefault":                                   isDefault, // its old name, still in many scripts
		"owner-id":                                    always[Vpc](a.ns.Account),
		"state":                                       always[Vpc]("available"),
		"vpc-id":                                      func(v Vpc) []string { return one(v.ID) },
	}}
}

func (a *API) vpcShape(v Vpc, tags []types.Tag) types.Vpc {
	return types.Vpc{
		VpcId: &v.ID, OwnerId: &a.ns.Account, CidrBlock: new(v.CIDR.String()), DhcpOptionsId: &v.DHCPOptionsID,
		InstanceTenancy: types.TenancyDefault, IsDefault: &v.Default, State: types.VpcStateAvailable, Tags: tags,
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{
			AssociationId: &v.AssociationID, CidrBlock: new(v.CIDR.String()),
			CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated},
		}},
	}
}

// subnetView is a subnet with how many addresses are left in it.
type subnetView struct {
	Subnet
	free int
}

// DescribeSubnets lists subnets.
func (a *API) DescribeSubnets(ctx context.Context, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*ec2.DescribeSubnetsOutput, error) {
		all, err := subnetViews(tx)
		if err != nil {
			return nil, err
		}
		tags, err := allTags(tx)
		if err != nil {
			return nil, err
		}
		chosen, next, err := a.subnetListing().answer(all, question{in.SubnetIds, in.Filters, in.MaxResults, in.NextToken}, tags)
		if err != nil {
			return nil, err
		}
		out := &ec2.DescribeSubnetsOutput{Subnets: []types.Subnet{}, NextToken: next}
		for _, s := range chosen {
			out.Subnets = append(out.Subnets, a.subnetShape(s, tagType.To(tags[s.ID].Tags)))
		}
		return out, nil
	})
}

func subnetViews(tx store.Tx) ([]subnetView, error) {
	subnets, err := Subnets.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list subnets: %w", err)
	}
	var out []subnetView
	for _, s := range subnets {
		used := 0
		for _, err := range addresses.Scan(tx, s.ID+"/", "") {
			if err != nil {
				return nil, fmt.Errorf("count addresses of %s: %w", s.ID, err)
			}
			used++
		}
		out = append(out, subnetView{s, capacity(s.CIDR) - used})
	}
	return out, nil
}

func (a *API) subnetListing() listing[subnetView] {
	type see = func(subnetView) []string
	az := func(s subnetView) []string { return one(s.AZ) }
	azID := func(s subnetView) []string { return one(s.AZID) }
	cidr := func(s subnetView) []string { return one(s.CIDR.String()) }
	isDefault := func(s subnetView) []string { return truth(s.Default) }
	return listing[subnetView]{kindSubnet, func(s subnetView) string { return s.ID }, map[string]see{
		"availability-zone": az, "availabilityZone": az,
		"availability-zone-id": azID, "availabilityZoneId": azID,
		"available-ip-address-count": func(s subnetView) []string { return one(strconv.Itoa(s.free)) },
		"cidr-block":                 cidr, "cidr": cidr, "cidrBlock": cidr,
		"customer-owned-ipv4-pool": nil,
		"default-for-az":           isDefault, "defaultForAz": isDefault,
		"enable-dns64":                                     always[subnetView]("false"),
		"enable-lni-at-device-index":                       nil,
		"ipv6-cidr-block-association.ipv6-cidr-block":      nil,
		"ipv6-cidr-block-association.association-id":       nil,
		"ipv6-cidr-block-association.state":                nil,
		"ipv6-native":                                      always[subnetView]("false"),
		"map-customer-owned-ip-on-launch":                  always[subnetView]("false"),
		"map-public-ip-on-launch":                          always[subnetView]("true"),
		"outpost-arn":                                      nil,
		"owner-id":                                         always[subnetView](a.ns.Account),
		"private-dns-name-options-on-launch.hostname-type": always[subnetView]("ip-name"),
		"private-dns-name-options-on-launch.enable-resource-name-dns-a-record":    always[subnetView]("false"),
		"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": always[subnetView]("false"),
		"state":      always[subnetView]("available"),
		"subnet-arn": func(s subnetView) []string { return one(a.ns.ARN("ec2", "subnet/"+s.ID)) },
		"subnet-id":  func(s subnetView) []string { return one(s.ID) },
		"vpc-id":     func(s subnetView) []string { return one(s.VpcID) },
	}}
}

func (a *API) subnetShape(s subnetView, tags []types.Tag) types.Subnet {
	return types.Subnet{
		SubnetId: &s.ID, SubnetArn: new(a.ns.ARN("ec2", "subnet/"+s.ID)), VpcId: &s.VpcID, OwnerId: &a.ns.Account,
		AvailabilityZone: &s.AZ, AvailabilityZoneId: &s.AZID, CidrBlock: new(s.CIDR.String()),
		AvailableIpAddressCount: new(int32(s.free)), DefaultForAz: &s.Default, MapPublicIpOnLaunch: new(true),
		MapCustomerOwnedIpOnLaunch: new(false), AssignIpv6AddressOnCreation: new(false), EnableDns64: new(false), Ipv6Native: new(false),
		PrivateDnsNameOptionsOnLaunch: &types.PrivateDnsNameOptionsOnLaunch{
			HostnameType:                    types.HostnameTypeIpName,
			EnableResourceNameDnsARecord:    new(false),
			EnableResourceNameDnsAAAARecord: new(false),
		},
		State: types.SubnetStateAvailable, Tags: tags, Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{},
	}
}
