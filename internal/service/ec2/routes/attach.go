package routes

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// CreateInternetGateway makes an internet gateway, which is attached to nothing.
func (a *API) CreateInternetGateway(ctx context.Context, in *sdk.CreateInternetGatewayInput) (*sdk.CreateInternetGatewayOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	g := ec2.InternetGateway{ID: ec2.NewID("igw")}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateInternetGatewayOutput, error) {
		tags, err := request.Tagged(tx, g.ID, request.InternetGateway, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		return &sdk.CreateInternetGatewayOutput{InternetGateway: new(a.gatewayShape(g, tags))}, ec2.InternetGateways.Put(tx, g.ID, g)
	})
}

// AttachInternetGateway gives a VPC, which has none, its way out.
func (a *API) AttachInternetGateway(ctx context.Context, in *sdk.AttachInternetGatewayInput) (*sdk.AttachInternetGatewayOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.AttachInternetGatewayOutput, error) {
		g, err := request.Get(tx, ec2.InternetGateways, request.InternetGateway, aws.ToString(in.InternetGatewayId))
		if err != nil {
			return nil, err
		}
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		if g.VpcID != "" {
			return nil, awserr.New("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VpcID)
		}
		had, err := ec2.GatewayOf(tx, vpc.ID)
		if err != nil {
			return nil, err
		}
		if had != "" {
			return nil, awserr.New("InvalidParameterValue", "Network %s already has an internet gateway attached", vpc.ID)
		}
		g.VpcID = vpc.ID
		return &sdk.AttachInternetGatewayOutput{}, ec2.InternetGateways.Put(tx, g.ID, g)
	})
}

// DetachInternetGateway takes a VPC's way out, unless something in it has a public address. Routes that lead there become
// blackholes.
func (a *API) DetachInternetGateway(ctx context.Context, in *sdk.DetachInternetGatewayInput) (*sdk.DetachInternetGatewayOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DetachInternetGatewayOutput, error) {
		g, err := request.Get(tx, ec2.InternetGateways, request.InternetGateway, aws.ToString(in.InternetGatewayId))
		if err != nil {
			return nil, err
		}
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		if g.VpcID != vpc.ID {
			return nil, awserr.New("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, vpc.ID)
		}
		mapped, err := publicIn(tx, vpc.ID)
		if err != nil {
			return nil, err
		}
		if len(mapped) > 0 {
			return nil, request.Dependency(fmt.Sprintf("Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", vpc.ID), mapped)
		}
		g.VpcID = ""
		return &sdk.DetachInternetGatewayOutput{}, ec2.InternetGateways.Put(tx, g.ID, g)
	})
}

// publicIn returns the interfaces in a VPC that have public addresses.
func publicIn(tx store.Tx, vpc string) (ids []string, err error) {
	elastic := map[string]bool{}
	for e, err := range ec2.ElasticAddresses.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		elastic[e.Interface] = true
	}
	for i, err := range ec2.Interfaces.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		if i.VpcID == vpc && (i.PublicAddr.IsValid() || elastic[i.ID]) {
			ids = append(ids, i.ID)
		}
	}
	return ids, nil
}

// DeleteInternetGateway deletes a gateway that is attached to nothing.
func (a *API) DeleteInternetGateway(ctx context.Context, in *sdk.DeleteInternetGatewayInput) (*sdk.DeleteInternetGatewayOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteInternetGatewayOutput, error) {
		g, err := request.Get(tx, ec2.InternetGateways, request.InternetGateway, aws.ToString(in.InternetGatewayId))
		if err != nil {
			return nil, err
		}
		if g.VpcID != "" {
			return nil, request.Dependency(fmt.Sprintf("The internetGateway '%s' has dependencies and cannot be deleted.", g.ID), []string{g.VpcID})
		}
		if err := request.DropTags(tx, g.ID); err != nil {
			return nil, err
		}
		return &sdk.DeleteInternetGatewayOutput{}, ec2.InternetGateways.Delete(tx, g.ID)
	})
}
