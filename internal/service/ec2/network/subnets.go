package network

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// subnetView is a subnet with how many addresses are left in it.
type subnetView struct {
	ec2.Subnet
	free int
}

// DescribeSubnets lists subnets.
func (a *API) DescribeSubnets(ctx context.Context, in *sdk.DescribeSubnetsInput) (*sdk.DescribeSubnetsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeSubnetsOutput, error) {
		all, err := subnetViews(tx)
		if err != nil {
			return nil, err
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		chosen, next, err := a.subnetListing().Answer(all, list.Question{IDs: in.SubnetIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeSubnetsOutput{Subnets: []types.Subnet{}, NextToken: next}
		for _, s := range chosen {
			out.Subnets = append(out.Subnets, a.subnetShape(s, request.TagType.To(tags[s.ID].Tags)))
		}
		return out, nil
	})
}

func subnetViews(tx store.Tx) ([]subnetView, error) {
	subnets, err := ec2.Subnets.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list subnets: %w", err)
	}
	var out []subnetView
	for _, s := range subnets {
		used := 0
		for _, err := range ec2.Addresses.Scan(tx, s.ID+"/", "") {
			if err != nil {
				return nil, fmt.Errorf("count addresses of %s: %w", s.ID, err)
			}
			used++
		}
		out = append(out, subnetView{s, s.Capacity() - used})
	}
	return out, nil
}

func (a *API) subnetListing() list.Of[subnetView] {
	type see = func(subnetView) []string
	az := func(s subnetView) []string { return list.One(s.AZ) }
	azID := func(s subnetView) []string { return list.One(s.AZID) }
	cidr := func(s subnetView) []string { return list.One(s.CIDR.String()) }
	isDefault := func(s subnetView) []string { return list.Truth(s.Default) }
	return list.Of[subnetView]{Kind: request.Subnet, ID: func(s subnetView) string { return s.ID }, Fields: map[string]see{
		"availability-zone": az, "availabilityZone": az,
		"availability-zone-id": azID, "availabilityZoneId": azID,
		"available-ip-address-count": func(s subnetView) []string { return list.One(strconv.Itoa(s.free)) },
		"cidr-block":                 cidr, "cidr": cidr, "cidrBlock": cidr,
		"customer-owned-ipv4-pool": nil,
		"default-for-az":           isDefault, "defaultForAz": isDefault,
		"enable-dns64":                                     list.Always[subnetView]("false"),
		"enable-lni-at-device-index":                       nil,
		"ipv6-cidr-block-association.ipv6-cidr-block":      nil,
		"ipv6-cidr-block-association.association-id":       nil,
		"ipv6-cidr-block-association.state":                nil,
		"ipv6-native":                                      list.Always[subnetView]("false"),
		"map-customer-owned-ip-on-launch":                  list.Always[subnetView]("false"),
		"map-public-ip-on-launch":                          func(s subnetView) []string { return list.Truth(s.MapPublicIP) },
		"outpost-arn":                                      nil,
		"owner-id":                                         list.Always[subnetView](a.ns.Account),
		"private-dns-name-options-on-launch.hostname-type": func(s subnetView) []string { return list.One(hostnameType(s.Subnet)) },
		"private-dns-name-options-on-launch.enable-resource-name-dns-a-record":    func(s subnetView) []string { return list.Truth(s.ResourceA) },
		"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": list.Always[subnetView]("false"),
		"state":      list.Always[subnetView]("available"),
		"subnet-arn": func(s subnetView) []string { return list.One(a.ns.ARN("ec2", "subnet/"+s.ID)) },
		"subnet-id":  func(s subnetView) []string { return list.One(s.ID) },
		"vpc-id":     func(s subnetView) []string { return list.One(s.VpcID) },
	}}
}

func (a *API) subnetShape(s subnetView, tags []types.Tag) types.Subnet {
	return types.Subnet{
		SubnetId: &s.ID, SubnetArn: new(a.ns.ARN("ec2", "subnet/"+s.ID)), VpcId: &s.VpcID, OwnerId: &a.ns.Account,
		AvailabilityZone: &s.AZ, AvailabilityZoneId: &s.AZID, CidrBlock: new(s.CIDR.String()),
		AvailableIpAddressCount: new(int32(s.free)), DefaultForAz: &s.Default, MapPublicIpOnLaunch: &s.MapPublicIP,
		MapCustomerOwnedIpOnLaunch: new(false), AssignIpv6AddressOnCreation: new(false), EnableDns64: new(false), Ipv6Native: new(false),
		PrivateDnsNameOptionsOnLaunch: &types.PrivateDnsNameOptionsOnLaunch{
			HostnameType:                    types.HostnameType(hostnameType(s.Subnet)),
			EnableResourceNameDnsARecord:    &s.ResourceA,
			EnableResourceNameDnsAAAARecord: new(false),
		},
		State: types.SubnetStateAvailable, Tags: tags, Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{},
	}
}

// hostnameType is what names of a subnet's interfaces are made of.
func hostnameType(s ec2.Subnet) string { return cmp.Or(s.HostnameBy, string(types.HostnameTypeIpName)) }
