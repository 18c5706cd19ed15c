package request

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Get returns a record, or the error that AWS has for an id that is not
// well formed or that nothing has.
func Get[T any](tx store.Tx, t *store.Table[T], k Kind, id string) (T, error) {
	if err := k.Check(id); err != nil {
		var zero T
		return zero, err
	}
	return handler.Get(tx, t, id, k.NotFound)
}

// Kind is how AWS speaks of a kind of resource.
type Kind struct {
	Prefix    string // of its ids
	code      string // InvalidVpcID
	noun      string // vpc ID
	Type      string // in tag specifications
	Parameter string // the parameter that takes its ids
	// strict is the code of ids that have the prefix, but not 8 or 17
	// hexadecimal digits after it. AWS checks the digits of some kinds only; for
	// the others, such an id is not found.
	strict string
	// gone is the code for an id that nothing has, where it isn't code with ".NotFound".
	gone string
}

// The kinds of resources.
var (
	Vpc             = Kind{"vpc", "InvalidVpcID", "vpc ID", "vpc", "vpcIds", "", ""}
	Subnet          = Kind{"subnet", "InvalidSubnetID", "subnet ID", "subnet", "subnetIds", "", ""}
	Group           = Kind{"sg", "InvalidGroup", "security group", "security-group", "groupIds", "InvalidGroupId.Malformed", ""}
	Rule            = Kind{"sgr", "InvalidSecurityGroupRuleId", "security group rule ID", "security-group-rule", "securityGroupRuleIds", "InvalidSecurityGroupRuleId.Malformed", ""}
	Interface       = Kind{"eni", "InvalidNetworkInterfaceID", "networkInterface ID", "network-interface", "networkInterfaceIds", "InvalidNetworkInterfaceId.Malformed", ""}
	RouteTable      = Kind{"rtb", "InvalidRouteTableID", "routeTable ID", "route-table", "routeTableIds", "InvalidRouteTableId.Malformed", ""}
	InternetGateway = Kind{"igw", "InvalidInternetGatewayID", "internetGateway ID", "internet-gateway", "internetGatewayIds", "", ""}
	NatGateway      = Kind{"nat", "NatGateway", "NAT gateway ID", "natgateway", "natGatewayIds", "NatGatewayMalformed", "NatGatewayNotFound"}
	Address         = Kind{"eipalloc", "InvalidAllocationID", "allocation ID", "elastic-ip", "allocationIds", "", ""}
	ACL             = Kind{"acl", "InvalidNetworkAclID", "networkAcl ID", "network-acl", "networkAclIds", "", ""}
	Options         = Kind{"dopt", "InvalidDhcpOptionID", "dhcpOption ID", "dhcp-options", "dhcpOptionsIds", "InvalidDhcpOptionsId.Malformed", ""}
	Endpoint        = Kind{"vpce", "InvalidVpcEndpointId", "Vpc Endpoint Id", "vpc-endpoint", "vpcEndpointIds", "", ""}
	PrefixList      = Kind{"pl", "InvalidPrefixListID", "prefix list ID", "prefix-list", "prefixListIds", "InvalidPrefixListId.Malformed", ""}
	Peering         = Kind{"pcx", "InvalidVpcPeeringConnectionID", "vpcPeeringConnection ID", "vpc-peering-connection", "vpcPeeringConnectionIds", "InvalidVpcPeeringConnectionId.Malformed", ""}
)

// NotFound is the error for an id that nothing has.
func (k Kind) NotFound(id string) error {
	return awserr.New(cmp.Or(k.gone, k.code+".NotFound"), "The %s '%s' does not exist", k.noun, id)
}

// digits are the rest of an id, after its prefix.
var digits = regexp.MustCompile(`^([0-9a-f]{8}|[0-9a-f]{17})$`)

// Check refuses what can't be an id of the kind.
func (k Kind) Check(id string) error {
	rest, ok := strings.CutPrefix(id, k.Prefix+"-")
	switch {
	case !ok:
		return awserr.New(cmp.Or(k.strict, k.code+".Malformed"), `Invalid id: "%s" (expecting "%s-...")`, id, k.Prefix)
	case k.strict != "" && !digits.MatchString(rest):
		return awserr.New(k.strict, `Invalid id: "%s"`, id)
	}
	return nil
}

// Kinds lists all kinds of resources.
var Kinds = []Kind{
	Vpc, Subnet, Group, Rule, Interface, RouteTable, InternetGateway, NatGateway, Address, ACL, Options, Endpoint, PrefixList, Peering,
}
