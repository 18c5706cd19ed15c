package vpc

import (
	"net/netip"

	"github.com/skylift/skylift/internal/vpc/firewall"
)

// A VPC's firewall, as package firewall has it: the types that Apply and its callers share.
type (
	// Ruleset is the whole firewall of an instance.
	Ruleset = firewall.Ruleset
	// Group is a security group.
	Group = firewall.Group
	// Rule admits traffic.
	Rule = firewall.Rule
	// Member is an interface and the groups it is in.
	Member = firewall.Member
	// Front is a TCP socket of the host on which several balancers answer.
	Front = firewall.Front
	// Flow is one direction of traffic, by its first packet.
	Flow = firewall.Flow
	// Ports are ports of the machine.
	Ports = firewall.Ports
	// Side says whose groups judge.
	Side = firewall.Side
	// Verdict says what becomes of a flow, and why.
	Verdict = firewall.Verdict
)

// The sides.
const (
	Egress  = firewall.Egress
	Ingress = firewall.Ingress
)

// What stops a flow; see firewall.Why.
const (
	ByGroup  = firewall.ByGroup
	ByACL    = firewall.ByACL
	NoRoute  = firewall.NoRoute
	NoPublic = firewall.NoWay
)

// ParsePorts reads a port or a range as in tcp:5432 and udp:8000-8100.
func ParsePorts(s string) (Ports, error) { return firewall.ParsePorts(s) }

// Router is the first address of a range: the host has it, and tasks reach
// there what of the host is open to them.
func Router(cidr netip.Prefix) netip.Addr { return firewall.Router(cidr) }

// Resolver is the third address of a range, where a VPC's resolver answers tasks
// (https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html).
func Resolver(cidr netip.Prefix) netip.Addr { return firewall.Resolver(cidr) }

// LinkLocalResolver is where the resolver of every VPC answers besides.
var LinkLocalResolver = firewall.LinkLocalResolver
