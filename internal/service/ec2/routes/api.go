// Package routes answers EC2's calls about route tables and about the gateways
// that they lead to.
package routes

import (
	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for route tables and gateways.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DescribeInternetGateways", a.DescribeInternetGateways).Takes(list.Members, "InternetGatewayId"),
		wire.Op("DescribeRouteTables", a.DescribeRouteTables).Takes(list.Members, "RouteTableId"),
	}
}
