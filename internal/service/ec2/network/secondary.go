package network

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// maxRanges is how many ranges a VPC may have
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html: 5, up to 50 when asked).
const maxRanges = 5

// private are the ranges of RFC 1918. A VPC in one of them can't have ranges of the others
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions).
var private = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16")}

// mixes tells whether p and q are in different ones of private.
func mixes(p, q netip.Prefix) bool {
	in := func(p netip.Prefix) int { return slices.IndexFunc(private, p.Overlaps) }
	return in(p) >= 0 && in(q) >= 0 && in(p) != in(q)
}

// AssociateVpcCidrBlock adds a range to a VPC.
func (a *API) AssociateVpcCidrBlock(ctx context.Context, in *sdk.AssociateVpcCidrBlockInput) (*sdk.AssociateVpcCidrBlockOutput, error) {
	if request.Given(in.CidrBlock) == nil {
		return nil, awserr.New("MissingParameter", "The request must contain the parameter cidrBlock")
	}
	cidr, err := vpcRange(*in.CidrBlock)
	if err != nil {
		return nil, err
	}
	if err := a.claimable(cidr); err != nil {
		return nil, err
	}
	made := ec2.CIDRAssociation{ID: ec2.NewID("vpc-cidr-assoc"), CIDR: cidr}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.AssociateVpcCidrBlockOutput, error) {
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		if err := free(tx, cidr); err != nil {
			return nil, err
		}
		if mixes(vpc.CIDR, cidr) {
			return nil, awserr.New("InvalidVpc.Range", "The CIDR '%s' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR.", cidr)
		}
		if len(vpc.Secondary)+1 >= maxRanges {
			return nil, awserr.New("CidrLimitExceeded", "This network %s has met its maximum number of allowed CIDRs: %d", vpc.ID, maxRanges)
		}
		if err := routed(tx, vpc.ID, cidr); err != nil {
			return nil, err
		}
		vpc.Secondary = append(vpc.Secondary, made)
		out := association(made.ID, made.CIDR)
		out.CidrBlockState.State = types.VpcCidrBlockStateCodeAssociating
		return &sdk.AssociateVpcCidrBlockOutput{VpcId: &vpc.ID, CidrBlockAssociation: &out}, ec2.Vpcs.Put(tx, vpc.ID, vpc)
	})
}

// routed refuses a range that is as large as the destination of a route of the VPC, or larger: the local route would be the
// more general one.
func routed(tx store.Tx, vpc string, cidr netip.Prefix) error {
	tables, err := ec2.RouteTables.List(tx, "")
	if err != nil {
		return err
	}
	for _, t := range tables {
		for _, r := range t.Routes {
			if t.VpcID == vpc && r.PrefixList == "" && cidr.Bits() <= r.Destination.Bits() && cidr.Overlaps(r.Destination) {
				return awserr.New("InvalidVpc.Range", "The CIDR '%s' conflicts with the route to %s in route table %s.", cidr, r.Destination, t.ID)
			}
		}
	}
	return nil
}

// DisassociateVpcCidrBlock takes a range from a VPC, which no subnet is in and which isn't the primary one.
func (a *API) DisassociateVpcCidrBlock(ctx context.Context, in *sdk.DisassociateVpcCidrBlockInput) (*sdk.DisassociateVpcCidrBlockOutput, error) {
	id := aws.ToString(in.AssociationId)
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DisassociateVpcCidrBlockOutput, error) {
		vpc, i, err := rangeOf(tx, id)
		if err != nil {
			return nil, err
		}
		if i < 0 {
			return nil, awserr.New("OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", id)
		}
		gone := vpc.Secondary[i]
		subnets, err := ec2.Subnets.List(tx, "")
		if err != nil {
			return nil, err
		}
		var holders []string
		for _, s := range subnets {
			if s.VpcID == vpc.ID && gone.CIDR.Overlaps(s.CIDR) {
				holders = append(holders, s.ID)
			}
		}
		if len(holders) > 0 {
			return nil, request.Dependency("The CIDR block "+gone.CIDR.String()+" has dependencies and cannot be disassociated.", holders)
		}
		vpc.Secondary = slices.Delete(vpc.Secondary, i, i+1)
		out := association(gone.ID, gone.CIDR)
		out.CidrBlockState.State = types.VpcCidrBlockStateCodeDisassociating
		return &sdk.DisassociateVpcCidrBlockOutput{VpcId: &vpc.ID, CidrBlockAssociation: &out}, ec2.Vpcs.Put(tx, vpc.ID, vpc)
	})
}

// rangeOf returns the VPC that has an association, and its index in Secondary; -1 for the primary one.
func rangeOf(tx store.Tx, id string) (ec2.Vpc, int, error) {
	all, err := ec2.Vpcs.List(tx, "")
	if err != nil {
		return ec2.Vpc{}, 0, err
	}
	for _, v := range all {
		if v.AssociationID == id {
			return v, -1, nil
		}
		if i := slices.IndexFunc(v.Secondary, func(s ec2.CIDRAssociation) bool { return s.ID == id }); i >= 0 {
			return v, i, nil
		}
	}
	return ec2.Vpc{}, 0, awserr.New("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", id)
}

// vpcsOf returns the VPCs that have these associations.
func (a *API) vpcsOf(ctx context.Context, ids []string) (out []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, id := range ids {
			v, _, err := rangeOf(tx, id)
			if err != nil {
				return err // the handler says so
			}
			out = append(out, v.ID)
		}
		return nil
	})
	return out
}
