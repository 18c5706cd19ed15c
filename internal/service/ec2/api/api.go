// Package api is EC2 as one API.
package api

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/groups"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
	"github.com/skylift/skylift/internal/service/ec2/network"
	"github.com/skylift/skylift/internal/service/ec2/routes"
	"github.com/skylift/skylift/internal/service/ec2/tags"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for EC2. It is safe for concurrent use.
type API struct {
	*groupsAPI
	*interfacesAPI
	*networkAPI
	*routesAPI
	*tagsAPI
}

type (
	groupsAPI     = groups.API
	interfacesAPI = interfaces.API
	networkAPI    = network.API
	routesAPI     = routes.API
	tagsAPI       = tags.API
)

// New returns the API; cidr is the range of the default VPC, the zero
// Prefix for AWS's 172.31.0.0/16.
func New(db store.DB, ns arn.Namespace, cidr netip.Prefix) *API {
	if !cidr.IsValid() {
		cidr = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, 0, 0}), 16)
	}
	return &API{groups.New(db, ns), interfaces.New(db, ns), network.New(db, ns, cidr), routes.New(db, ns), tags.New(db, ns)}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return wire.Known(knownKeys, slices.Concat(a.groupsAPI.Operations(), a.interfacesAPI.Operations(), a.networkAPI.Operations(), a.routesAPI.Operations(), a.tagsAPI.Operations()))
}

// knownKeys are the condition keys that tags.API.Known tells of resources
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html).
const knownKeys = "ec2:AvailabilityZone ec2:AvailabilityZoneId ec2:InternetGatewayID ec2:NetworkInterfaceID ec2:RouteTableID ec2:SecurityGroupID " +
	"ec2:Subnet ec2:SubnetID ec2:Tenancy ec2:Vpc ec2:VpcID"
