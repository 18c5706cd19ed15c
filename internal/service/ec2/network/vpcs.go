package network

import (
	"context"
	"net/netip"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
)

// DescribeVpcs lists VPCs.
func (a *API) DescribeVpcs(ctx context.Context, in *sdk.DescribeVpcsInput) (*sdk.DescribeVpcsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.VpcIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	vpcs, next, err := list.Describe(ctx, a.db, ec2.Vpcs, a.vpcListing(), q, a.vpcShape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeVpcsOutput{Vpcs: vpcs, NextToken: next}, nil
}

func (a *API) vpcListing() list.Of[ec2.Vpc] {
	cidrs := func(v ec2.Vpc) (out []string) {
		for _, p := range v.CIDRs() {
			out = append(out, p.String())
		}
		return out
	}
	associations := func(v ec2.Vpc) []string {
		out := []string{v.AssociationID}
		for _, s := range v.Secondary {
			out = append(out, s.ID)
		}
		return out
	}
	isDefault := func(v ec2.Vpc) []string { return list.Truth(v.Default) }
	return list.Of[ec2.Vpc]{Kind: request.Vpc, ID: func(v ec2.Vpc) string { return v.ID }, Fields: map[string]func(ec2.Vpc) []string{
		"cidr":                                        func(v ec2.Vpc) []string { return list.One(v.CIDR.String()) },
		"cidr-block-association.cidr-block":           cidrs,
		"cidr-block-association.association-id":       associations,
		"cidr-block-association.state":                list.Always[ec2.Vpc]("associated"),
		"dhcp-options-id":                             func(v ec2.Vpc) []string { return list.One(v.DHCPOptionsID) },
		"ipv6-cidr-block-association.ipv6-cidr-block": nil,
		"ipv6-cidr-block-association.ipv6-pool":       nil,
		"ipv6-cidr-block-association.association-id":  nil,
		"ipv6-cidr-block-association.state":           nil,
		"is-default":                                  isDefault,
		"isDefault":                                   isDefault, // its old name, still in many scripts
		"owner-id":                                    list.Always[ec2.Vpc](a.ns.Account),
		"state":                                       list.Always[ec2.Vpc]("available"),
		"vpc-id":                                      func(v ec2.Vpc) []string { return list.One(v.ID) },
	}}
}

func (a *API) vpcShape(v ec2.Vpc, tags []types.Tag) types.Vpc {
	out := types.Vpc{
		VpcId: &v.ID, OwnerId: &a.ns.Account, CidrBlock: new(v.CIDR.String()), DhcpOptionsId: &v.DHCPOptionsID,
		InstanceTenancy: types.TenancyDefault, IsDefault: &v.Default, State: types.VpcStateAvailable, Tags: tags,
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{association(v.AssociationID, v.CIDR)}, Ipv6CidrBlockAssociationSet: []types.VpcIpv6CidrBlockAssociation{},
	}
	for _, s := range v.Secondary {
		out.CidrBlockAssociationSet = append(out.CidrBlockAssociationSet, association(s.ID, s.CIDR))
	}
	return out
}

func association(id string, cidr netip.Prefix) types.VpcCidrBlockAssociation {
	return types.VpcCidrBlockAssociation{
		AssociationId: &id, CidrBlock: new(cidr.String()), CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated},
	}
}
