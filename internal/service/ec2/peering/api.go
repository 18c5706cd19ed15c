// Package peering answers EC2's calls about peering connections between VPCs of the account.
package peering

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for peering connections.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AcceptVpcPeeringConnection", a.AcceptVpcPeeringConnection).On("vpc-peering-connection: VpcPeeringConnectionId").OnFound("vpc: VpcPeeringConnectionId", a.acceptersOf).Takes("DryRun VpcPeeringConnectionId"),
		wire.Op("CreateVpcPeeringConnection", a.CreateVpcPeeringConnection).On("vpc: VpcId").Makes("vpc-peering-connection: *").
			KeyFound("ec2:RequesterVpc", func(_ context.Context, in *sdk.CreateVpcPeeringConnectionInput) []string { return a.arnOf(in.VpcId) }).
			KeyFound("ec2:AccepterVpc", func(_ context.Context, in *sdk.CreateVpcPeeringConnectionInput) []string {
				return a.arnOf(in.PeerVpcId)
			}).
			Takes("DryRun PeerOwnerId PeerRegion PeerVpcId VpcId", request.TagMembers).
			Checks(func(in *sdk.CreateVpcPeeringConnectionInput) []error { return a.newPeeringFaults(in) }),
		wire.Op("DeleteVpcPeeringConnection", a.DeleteVpcPeeringConnection).On("vpc-peering-connection: VpcPeeringConnectionId").Takes("DryRun VpcPeeringConnectionId"),
		wire.Op("DescribeVpcPeeringConnections", a.DescribeVpcPeeringConnections).Takes(list.Members, "VpcPeeringConnectionId"),
		wire.Op("RejectVpcPeeringConnection", a.RejectVpcPeeringConnection).On("vpc-peering-connection: VpcPeeringConnectionId").Takes("DryRun VpcPeeringConnectionId"),
	}
}

// arnOf returns the ARN of the VPC that a request names; none when it names none.
func (a *API) arnOf(vpc *string) []string {
	if request.Given(vpc) == nil {
		return nil
	}
	return []string{a.ns.ARN("ec2", "vpc/"+*vpc)}
}
