// Package routes answers EC2's calls about route tables and about the gateways
// that they lead to.
package routes

import (
	"net/netip"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for route tables and gateways.
type API struct {
	db   store.DB
	ns   arn.Namespace
	cidr netip.Prefix // of the default VPC
}

// New returns the API; cidr is the range of the default VPC.
func New(db store.DB, ns arn.Namespace, cidr netip.Prefix) *API { return &API{db, ns, cidr} }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DescribeInternetGateways", a.DescribeInternetGateways).Takes(list.Members, "InternetGatewayId"),
		wire.Op("DescribeRouteTables", a.DescribeRouteTables).Takes(list.Members, "RouteTableId"),
	}
}
