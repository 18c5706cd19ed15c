package ec2

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// The tables, each keyed by the records' ids.
var (
	Vpcs             = store.NewTable[Vpc]("ec2-vpc").Version(2, vpcAttributes)
	Subnets          = store.NewTable[Subnet]("ec2-subnet").Version(2, subnetAttributes)
	RouteTables      = store.NewTable[RouteTable]("ec2-route-table").Version(2, routesOf)
	InternetGateways = store.NewTable[InternetGateway]("ec2-internet-gateway")
	NatGateways      = store.NewTable[NatGateway]("ec2-nat-gateway")
	NetworkACLs      = store.NewTable[NetworkACL]("ec2-network-acl")
	DHCPOptionSets   = store.NewTable[DHCPOptions]("ec2-dhcp-options")
	Endpoints        = store.NewTable[Endpoint]("ec2-vpc-endpoint")
	Peerings         = store.NewTable[Peering]("ec2-vpc-peering")
	PrefixLists      = store.NewTable[PrefixList]("ec2-prefix-list")
	SecurityGroups   = store.NewTable("ec2-security-group",
		store.Index[SecurityGroup]{Name: "name", Values: func(g SecurityGroup) []string { return []string{g.VpcID + "/" + g.Name} }},
		store.Index[SecurityGroup]{Name: "refers", Values: SecurityGroup.refers},
	)
	Interfaces = store.NewTable("ec2-interface",
		store.Index[Interface]{Name: "owner", Values: Interface.owners},
		store.Index[Interface]{Name: "group", Values: func(i Interface) []string { return i.Groups }},
	)
	ElasticAddresses = store.NewTable("ec2-elastic-address",
		store.Index[ElasticAddress]{Name: "interface", Values: ElasticAddress.interfaces},
		store.Index[ElasticAddress]{Name: "address", Values: func(e ElasticAddress) []string { return []string{e.Addr.String()} }},
	)

	// TagSets holds the tags of every resource, by its id.
	TagSets = store.NewTable[TagSet]("ec2-tags")
	// Addresses holds the addresses that are taken, by AddressKey, so in order in
	// each subnet; the public ones as those of the subnet PublicPool.
	Addresses = store.NewTable[Lease]("ec2-address")
	// PrefixListVersions holds what prefix lists had in each version, by PrefixListKey.
	PrefixListVersions = store.NewTable[PrefixListVersion]("ec2-prefix-list-version")
	// Cursors holds the address given out last, by subnet. It is not part of Subnet, so
	// that giving one out does not conflict with readers of the subnet.
	Cursors = store.NewTable[netip.Addr]("ec2-cursor")
)

// PublicPool stands for a subnet's id in Addresses and Cursors where the addresses are public ones.
const PublicPool = "public"

// Vpc is a virtual network. No two of them overlap.
type Vpc struct {
	ID            string
	CIDR          netip.Prefix // the primary one, which gives the resolver's address
	Default       bool
	DHCPOptionsID string // "default": none
	AssociationID string // of CIDR
	Secondary     []CIDRAssociation
	DNSSupport    bool // its resolver answers
	DNSHostnames  bool // addresses have names
}

// CIDRAssociation is a range that was added to a Vpc.
type CIDRAssociation struct {
	ID   string // vpc-cidr-assoc-…
	CIDR netip.Prefix
}

// CIDRs returns all ranges of v, the primary one first.
func (v Vpc) CIDRs() []netip.Prefix {
	all := []netip.Prefix{v.CIDR}
	for _, s := range v.Secondary {
		all = append(all, s.CIDR)
	}
	return all
}

// Subnet is a range of a Vpc in one availability zone.
type Subnet struct {
	ID          string
	VpcID       string
	AZ          string // us-west-2a
	AZID        string // usw2-az1
	CIDR        netip.Prefix
	Default     bool   // the default one of its zone
	MapPublicIP bool   // an interface gets a public address if nothing else is asked for
	HostnameBy  string // what names on launch are made of: "ip-name", also when empty, or "resource-name"
	ResourceA   bool   // enableResourceNameDnsARecord on launch
}

// InternetGateway is a Vpc's way out for interfaces with public addresses; of no Vpc while it is not attached.
type InternetGateway struct {
	ID    string
	VpcID string
}

// DHCPOptions is what interfaces of Vpcs are told at their start. It never changes.
type DHCPOptions struct {
	ID      string
	Default bool // new Vpcs have it
	Options []DHCPOption
}

// DHCPOption is one of DHCPOptions, as domain-name-servers with AmazonProvidedDNS.
type DHCPOption struct {
	Key    string
	Values []string
}

// SecurityGroup says who may talk to its members, and to whom they may talk.
type SecurityGroup struct {
	ID          string
	VpcID       string
	Name        string
	Description string
	Rules       []Rule
}

// refers returns the other groups and the prefix lists that g's rules name.
func (g SecurityGroup) refers() []string {
	seen := map[string]bool{g.ID: true, "": true}
	var out []string
	for _, r := range g.Rules {
		if named := cmp.Or(r.Group, r.PrefixList); !seen[named] {
			seen[named] = true
			out = append(out, named)
		}
	}
	return out
}

// Rule admits traffic between a group's members and a peer: CIDR
// when that is valid, the entries of PrefixList when that is set, else the members of Group. A rule about IPv6 is kept and
// shown, as in any VPC without IPv6: no interface has such an address.
type Rule struct {
	ID          string // sgr-…
	Egress      bool
	Protocol    string // tcp, udp, icmp, icmpv6, -1 for all, or another protocol's number
	From, To    int32  // tcp, udp: ports; icmp, icmpv6: type and code, -1 for all; else -1
	CIDR        netip.Prefix
	Group       string
	PrefixList  string // pl-…
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
	ID               string
	OwnerKey         string // who it was made for: one interface each; "": a user, and nothing has it
	SubnetID         string
	AZ               string
	AZID             string
	VpcID            string
	MAC              string
	Description      string
	Type             string // PlainInterface, …
	RequesterManaged bool
	Addr             netip.Addr
	Secondary        []netip.Addr // other addresses of the subnet that it has
	// PublicAddr is what it was given from the pool when it was made; invalid: none. One that a user
	// associated is an ElasticAddress, and there is never both for Addr.
	PublicAddr netip.Addr
	// AnySource says that it may send and get packets of others' addresses: sourceDestCheck is off.
	AnySource bool
	Groups    []string
	Created   time.Time
	Token     Token
}

// The types of an Interface.
const (
	PlainInterface    = "interface"
	BalancerInterface = "load_balancer"
	NatInterface      = "nat_gateway"
	ServiceInterface  = "vpc_endpoint"
)

// owners is what an interface is found by that was made for somebody.
func (i Interface) owners() []string {
	if i.OwnerKey == "" {
		return nil
	}
	return []string{i.OwnerKey}
}

// Lease is an address that an interface has. A public one may be of an ElasticAddress instead, whose id
// Interface is then.
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
		Vpcs, Subnets, RouteTables, InternetGateways, NatGateways, NetworkACLs, DHCPOptionSets, Endpoints, Peerings, PrefixLists,
		SecurityGroups, Interfaces, ElasticAddresses, TagSets, Addresses, PrefixListVersions, Cursors,
	}
}
