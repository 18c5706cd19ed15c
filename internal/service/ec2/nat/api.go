// Package nat answers EC2's calls about NAT gateways.
//
// A gateway is made, or fails, in the call that asks for it: who waits for it finds it available or failed at once.
package nat

import (
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for NAT gateways.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateNatGateway", a.CreateNatGateway).On("elastic-ip: AllocationId", "subnet: SubnetId", "vpc: VpcId").Makes("natgateway: *").
			Takes("AllocationId AvailabilityMode=zonal ClientToken ConnectivityType=public DryRun PrivateIpAddress SubnetId", request.TagMembers).
			Checks(func(in *sdk.CreateNatGatewayInput) []error { return newGatewayFaults(in) }),
		wire.Op("DeleteNatGateway", a.DeleteNatGateway).On("natgateway: NatGatewayId").Takes("DryRun NatGatewayId"),
		wire.Op("DescribeNatGateways", a.DescribeNatGateways).Takes(list.Members, "NatGatewayId"),
	}
}
