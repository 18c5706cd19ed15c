package nat

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// DescribeNatGateways lists NAT gateways, also those that were deleted or failed within the hour.
func (a *API) DescribeNatGateways(ctx context.Context, in *sdk.DescribeNatGatewaysInput) (*sdk.DescribeNatGatewaysOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	now := time.Now()
	q := list.Question{IDs: in.NatGatewayIds, Filters: in.Filter, Max: in.MaxResults, Token: in.NextToken}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeNatGatewaysOutput, error) {
		all, err := ec2.NatGateways.List(tx, "")
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(g ec2.NatGateway) bool { return over(g, now) })
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		chosen, next, err := listing().Answer(all, q, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeNatGatewaysOutput{NatGateways: []types.NatGateway{}, NextToken: next}
		for _, g := range chosen {
			out.NatGateways = append(out.NatGateways, a.shape(g, request.TagType.To(tags[g.ID].Tags)))
		}
		return out, nil
	})
}

func listing() list.Of[ec2.NatGateway] {
	return list.Of[ec2.NatGateway]{Kind: request.NatGateway, ID: func(g ec2.NatGateway) string { return g.ID }, Fields: map[string]func(ec2.NatGateway) []string{
		"nat-gateway-id": func(g ec2.NatGateway) []string { return list.One(g.ID) },
		"state":          func(g ec2.NatGateway) []string { return list.One(g.State) },
		"subnet-id":      func(g ec2.NatGateway) []string { return list.One(g.SubnetID) },
		"vpc-id":         func(g ec2.NatGateway) []string { return list.One(g.VpcID) },
	}}
}

func (a *API) shape(g ec2.NatGateway, tags []types.Tag) types.NatGateway {
	out := types.NatGateway{
		NatGatewayId: &g.ID, VpcId: &g.VpcID, SubnetId: &g.SubnetID, State: types.NatGatewayState(g.State), CreateTime: &g.Created, Tags: tags,
		ConnectivityType: types.ConnectivityTypePublic, AvailabilityMode: types.AvailabilityModeZonal,
		FailureCode: handler.Optional(g.FailureCode), FailureMessage: handler.Optional(g.FailureReason),
	}
	if !g.Deleted.IsZero() {
		out.DeleteTime = &g.Deleted
	}
	at := types.NatGatewayAddress{IsPrimary: aws.Bool(true), AllocationId: handler.Optional(g.AllocationID), Status: types.NatGatewayAddressStatusSucceeded}
	if g.State == ec2.NatFailed {
		at.Status, at.FailureMessage = types.NatGatewayAddressStatusFailed, out.FailureMessage
	} else {
		at.NetworkInterfaceId, at.PrivateIp, at.AssociationId = &g.Interface, aws.String(g.Addr.String()), handler.Optional(g.AssociationID)
	}
	if g.PublicAddr.IsValid() {
		at.PublicIp = aws.String(g.PublicAddr.String())
	}
	out.NatGatewayAddresses = []types.NatGatewayAddress{at}
	return out
}
