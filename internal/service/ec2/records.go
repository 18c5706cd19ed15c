package ec2

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// The tables, each keyed by the records' ids.
var (
	Vpcs             = store.NewTable[Vpc]("ec2-vpc")
	Subnets          = store.NewTable[Subnet]("ec2-subnet")
	RouteTables      = store.NewTable[RouteTable]("ec2-route-table")
	InternetGateways = store.NewTable[InternetGateway]("ec2-internet-gateway")
	SecurityGroups   = store.NewTable("ec2-security-group",
		store.Index[SecurityGroup]{Name: "name", Values: func(g SecurityGroup) []string { return []string{g.VpcID + "/" + g.Name} }},
		store.Index[SecurityGroup]{Name: "refers", Values: SecurityGroup.refers},
	)
	Interfaces = store.NewTable("ec2-interface",
		store.Index[Interface]{Name: "owner", Values: func(i Interface) []string { return []string{i.OwnerKey} }},
		store.Index[Interface]{Name: "group", Values: func(i Interface) []string { return i.Groups }},
	)

	// TagSets holds the tags of every resource, by its id.
	TagSets = store.NewTable[TagSet]("ec2-tags")
	// Addresses holds the addresses that are taken, by AddressKey, so in order in
	// each subnet.
	Addresses = store.NewTable[Lease]("ec2-address")
	// Cursors holds the address given out last, by subnet. It is not part of Subnet, so
	// that giving one out does not conflict with readers of the subnet.
	Cursors = store.NewTable[netip.Addr]("ec2-cursor")
)

// Vpc is a virtual network.
type Vpc struct {
	ID            string
	CIDR          netip.Prefix
	Default       bool
	DHCPOptionsID string
	AssociationID string // of CIDR
}

// Subnet is a range of a Vpc in one availability zone.
type Subnet struct {
	ID      string
	VpcID   string
	AZ      string // us-west-2a
	AZID    string // usw2-az1
	CIDR    netip.Prefix
	Default bool // the default one of its zone
}

// RouteTable is the main route table of a Vpc: the Vpc itself and, through
// Gateway, the rest of the world.
type RouteTable struct {
	ID            string
	VpcID         string
	AssociationID string
	Gateway       string // igw-…
}

// InternetGateway is a Vpc's way out.
type InternetGateway struct {
	ID    string
	VpcID string
}

// SecurityGroup says who may talk to its members, and to whom they may talk.
type SecurityGroup struct {
	ID          string
	VpcID       string
	Name        string
	Description string
	Rules       []Rule
}

// refers returns the other groups that g's rules name.
func (g SecurityGroup) refers() []string {
	seen := map[string]bool{g.ID: true}
	var out []string
	for _, r := range g.Rules {
		if r.Group != "" && !seen[r.Group] {
			seen[r.Group] = true
			out = append(out, r.Group)
		}
	}
	return out
}

// Rule admits traffic between a group's members and a peer: CIDR
// when that is valid, else the members of Group. A rule about IPv6 is kept and
// shown, as in any VPC without IPv6: no interface has such an address.
type Rule struct {
	ID          string // sgr-…
	Egress      bool
	Protocol    string // tcp, udp, icmp, icmpv6, -1 for all, or another protocol's number
	From, To    int32  // tcp, udp: ports; icmp, icmpv6: type and code, -1 for all; else -1
	CIDR        netip.Prefix
	Group       string
	Description string
}

// Same tells whether r and o admit the same, whatever their ids and descriptions are.
func (r Rule) Same(o Rule) bool {
	r.ID, r.Description, o.ID, o.Description = "", "", "", ""
	return r == o
}

// IsIPv6 tells whether r is about IPv6 alone.
func (r Rule) IsIPv6() bool {
	return r.Protocol == ICMPv6 || r.CIDR.IsValid() && r.CIDR.Addr().Is6()
}

// Interface is a network interface: an address in a subnet, and the groups
// that decide who may talk to it.
type Interface struct {
	ID          string
	OwnerKey    string // who it was made for: one interface each
	SubnetID    string
	AZ          string
	AZID        string
	VpcID       string
	MAC         string
	Description string
	// Type is "interface" or "load_balancer".
	Type             string
	RequesterManaged bool
	Addr             netip.Addr
	Groups           []string
	Created          time.Time
}

// Lease is an address that an interface has.
type Lease struct {
	Addr      netip.Addr
	Interface string
}

// TagSet is the tags of a resource.
type TagSet struct {
	Resource string
	Type     string       // security-group
	Tags     handler.Tags // empty, when all were taken from it
}

// AddressKey sorts as Addresses do.
func AddressKey(subnet string, a netip.Addr) string {
	b := a.As4()
	return fmt.Sprintf("%s/%x", subnet, b[:])
}

// Tables returns all tables of the service.
func Tables() []store.Schema {
	return []store.Schema{
		Vpcs, Subnets, RouteTables, InternetGateways, SecurityGroups, Interfaces,
		TagSets, Addresses, Cursors,
	}
}
