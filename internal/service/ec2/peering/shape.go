package peering

import (
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
)

// view is a connection with the VPCs that there are, for their present ranges.
type view struct {
	ec2.Peering
	ways ec2.Ways
}

// ranges returns the ranges of a VPC: those that it has, else those that it had.
func (v view) ranges(vpc string, had []netip.Prefix) []netip.Prefix {
	if is, ok := v.ways.Vpcs[vpc]; ok {
		return is.CIDRs()
	}
	return had
}

func (a *API) listing() list.Of[view] {
	return list.Of[view]{Kind: request.Peering, ID: func(v view) string { return v.ID }, Fields: map[string]func(view) []string{
		"accepter-vpc-info.cidr-block": func(v view) []string {
			if v.State != ec2.PeeringActive {
				return nil
			}
			return list.One(v.ranges(v.Accepter, v.AccepterCIDRs)[0].String())
		},
		"accepter-vpc-info.owner-id":    list.Always[view](a.ns.Account),
		"accepter-vpc-info.vpc-id":      func(v view) []string { return list.One(v.Accepter) },
		"expiration-time":               nil,
		"requester-vpc-info.cidr-block": func(v view) []string { return list.One(v.ranges(v.Requester, v.RequesterCIDRs)[0].String()) },
		"requester-vpc-info.owner-id":   list.Always[view](a.ns.Account),
		"requester-vpc-info.vpc-id":     func(v view) []string { return list.One(v.Requester) },
		"status-code":                   func(v view) []string { return list.One(v.State) },
		"status-message":                func(v view) []string { return list.One(a.message(v.Peering)) },
		"vpc-peering-connection-id":     func(v view) []string { return list.One(v.ID) },
	}}
}

// message is what AWS says of a state.
func (a *API) message(p ec2.Peering) string {
	switch p.State {
	case ec2.PeeringActive:
		return "Active"
	case ec2.PeeringPending:
		return "Pending Acceptance by " + a.ns.Account
	case ec2.PeeringRejected:
		return "Rejected by " + a.ns.Account
	}
	return "Deleted by " + a.ns.Account
}

func (a *API) shape(v view, tags []types.Tag) types.VpcPeeringConnection {
	out := types.VpcPeeringConnection{
		VpcPeeringConnectionId: &v.ID, Tags: tags,
		Status:           &types.VpcPeeringConnectionStateReason{Code: types.VpcPeeringConnectionStateReasonCode(v.State), Message: new(a.message(v.Peering))},
		RequesterVpcInfo: a.end(v.Requester, v.ranges(v.Requester, v.RequesterCIDRs)),
		AccepterVpcInfo:  &types.VpcPeeringConnectionVpcInfo{VpcId: &v.Accepter, OwnerId: &a.ns.Account, Region: &a.ns.Region},
	}
	switch v.State {
	case ec2.PeeringPending:
		out.ExpirationTime = new(v.Created.Add(waitsFor))
	case ec2.PeeringActive: // before, the accepter's ranges are not told
		out.AccepterVpcInfo = a.end(v.Accepter, v.ranges(v.Accepter, v.AccepterCIDRs))
	}
	return out
}

// end is one of the VPCs with its ranges. Names are resolved to private addresses at neither end.
func (a *API) end(vpc string, ranges []netip.Prefix) *types.VpcPeeringConnectionVpcInfo {
	out := &types.VpcPeeringConnectionVpcInfo{
		VpcId: &vpc, OwnerId: &a.ns.Account, Region: &a.ns.Region, CidrBlock: new(ranges[0].String()),
		PeeringOptions: &types.VpcPeeringConnectionOptionsDescription{
			AllowDnsResolutionFromRemoteVpc: new(false), AllowEgressFromLocalClassicLinkToRemoteVpc: new(false), AllowEgressFromLocalVpcToRemoteClassicLink: new(false),
		},
	}
	for _, r := range ranges {
		out.CidrBlockSet = append(out.CidrBlockSet, types.CidrBlock{CidrBlock: new(r.String())})
	}
	return out
}
