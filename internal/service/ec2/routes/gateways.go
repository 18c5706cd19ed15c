package routes

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
)

// DescribeInternetGateways lists internet gateways.
func (a *API) DescribeInternetGateways(ctx context.Context, in *sdk.DescribeInternetGatewaysInput) (*sdk.DescribeInternetGatewaysOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.InternetGatewayIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	gateways, next, err := list.Describe(ctx, a.db, ec2.InternetGateways, a.gatewayListing(), q, a.gatewayShape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeInternetGatewaysOutput{InternetGateways: gateways, NextToken: next}, nil
}

func (a *API) gatewayListing() list.Of[ec2.InternetGateway] {
	return list.Of[ec2.InternetGateway]{Kind: request.InternetGateway, ID: func(g ec2.InternetGateway) string { return g.ID }, Fields: map[string]func(ec2.InternetGateway) []string{
		"attachment.state": func(g ec2.InternetGateway) []string {
			if g.VpcID == "" {
				return nil
			}
			return list.One("available")
		},
		"attachment.vpc-id":   func(g ec2.InternetGateway) []string { return list.One(g.VpcID) },
		"internet-gateway-id": func(g ec2.InternetGateway) []string { return list.One(g.ID) },
		"owner-id":            list.Always[ec2.InternetGateway](a.ns.Account),
	}}
}

func (a *API) gatewayShape(g ec2.InternetGateway, tags []types.Tag) types.InternetGateway {
	out := types.InternetGateway{InternetGatewayId: &g.ID, OwnerId: &a.ns.Account, Tags: tags, Attachments: []types.InternetGatewayAttachment{}}
	if g.VpcID != "" {
		// EC2 says "available" here, which is none of the SDK's constants.
		out.Attachments = append(out.Attachments, types.InternetGatewayAttachment{State: "available", VpcId: &g.VpcID})
	}
	return out
}
