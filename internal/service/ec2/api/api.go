// Package api is EC2 as one API.
package api

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/acls"
	"github.com/skylift/skylift/internal/service/ec2/addresses"
	"github.com/skylift/skylift/internal/service/ec2/dhcp"
	"github.com/skylift/skylift/internal/service/ec2/endpoints"
	"github.com/skylift/skylift/internal/service/ec2/groups"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
	"github.com/skylift/skylift/internal/service/ec2/nat"
	"github.com/skylift/skylift/internal/service/ec2/network"
	"github.com/skylift/skylift/internal/service/ec2/peering"
	"github.com/skylift/skylift/internal/service/ec2/prefixlists"
	"github.com/skylift/skylift/internal/service/ec2/routes"
	"github.com/skylift/skylift/internal/service/ec2/tags"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for EC2. It is safe for concurrent use.
type API struct {
	*aclsAPI
	*addressesAPI
	*dhcpAPI
	*endpointsAPI
	*groupsAPI
	*interfacesAPI
	*natAPI
	*networkAPI
	*peeringAPI
	*prefixListsAPI
	*routesAPI
	*tagsAPI
}

type (
	aclsAPI        = acls.API
	addressesAPI   = addresses.API
	dhcpAPI        = dhcp.API
	endpointsAPI   = endpoints.API
	groupsAPI      = groups.API
	interfacesAPI  = interfaces.API
	natAPI         = nat.API
	networkAPI     = network.API
	peeringAPI     = peering.API
	prefixListsAPI = prefixlists.API
	routesAPI      = routes.API
	tagsAPI        = tags.API
)

// Host is what EC2 has of the machine that it is on.
type Host struct {
	// CIDR is the range of the default VPC; the zero Prefix is AWS's 172.31.0.0/16.
	CIDR netip.Prefix
	// Claim says why a new VPC can't have a range: what else of the machine has it. It returns nil when nothing does, and
	// may be nil where nothing ever does.
	Claim func(netip.Prefix) error
	// Public are the public addresses that there are; none are addresses.DefaultPool.
	Public addresses.Pool
}

// New returns the API.
func New(db store.DB, ns arn.Namespace, host Host) *API {
	if !host.CIDR.IsValid() {
		host.CIDR = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, 0, 0}), 16)
	}
	if host.Claim == nil {
		host.Claim = func(netip.Prefix) error { return nil }
	}
	if len(host.Public) == 0 {
		host.Public = addresses.DefaultPool
	}
	return &API{
		acls.New(db, ns), addresses.New(db, ns, host.Public), dhcp.New(db, ns), endpoints.New(db, ns), groups.New(db, ns), interfaces.NewAPI(db, ns, host.Public),
		nat.New(db, ns), network.New(db, ns, network.Ranges{Default: host.CIDR, Claim: host.Claim, Public: host.Public}), peering.New(db, ns), prefixlists.New(db, ns), routes.New(db, ns), tags.New(db, ns),
	}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return wire.Known(knownKeys, slices.Concat(
		a.aclsAPI.Operations(), a.addressesAPI.Operations(), a.dhcpAPI.Operations(), a.endpointsAPI.Operations(), a.groupsAPI.Operations(), a.interfacesAPI.Operations(),
		a.natAPI.Operations(), a.networkAPI.Operations(), a.peeringAPI.Operations(), a.prefixListsAPI.Operations(), a.routesAPI.Operations(), a.tagsAPI.Operations(),
	))
}

// knownKeys are the condition keys that tags.API.Known tells of resources
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html).
const knownKeys = "ec2:AccepterVpc ec2:AllocationId ec2:AvailabilityZone ec2:AvailabilityZoneId ec2:DhcpOptionsID ec2:Domain ec2:InternetGatewayID ec2:NetworkAclID ec2:NetworkInterfaceID " +
	"ec2:PublicIpAddress ec2:RequesterVpc ec2:RouteTableID ec2:SecurityGroupID ec2:Subnet ec2:SubnetID ec2:Tenancy ec2:Vpc ec2:VpcID ec2:VpceServiceName ec2:VpceServiceOwner ec2:VpcPeeringConnectionID"
