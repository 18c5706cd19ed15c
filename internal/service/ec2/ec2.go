// Package ec2 is the part of Amazon EC2 that networks are made of: VPCs with
// their subnets, routes, security groups and network interfaces, as records, and
// what holds of them for whoever reads them.
//
// An address belongs to one interface at a time and an owner has one
// interface, however often it asks. A group that an interface is in, or that
// another group refers to, cannot be deleted.
//
// The handlers are in ec2/network, ec2/routes, ec2/groups, ec2/interfaces and
// ec2/tags; ec2/api puts them together.
package ec2

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// DefaultGroupName is the name of the default security group of each VPC.
const DefaultGroupName = "default"

// NewID makes an id for a new resource, such as vpc-0123456789abcdef0 for the kind vpc.
func NewID(kind string) string { return kind + "-" + id.Hex(17) }

// EgressToAll is the rule that every new group has.
func EgressToAll() Rule {
	return Rule{ID: NewID("sgr"), Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
}

// DefaultVpc returns the default VPC; the zero Vpc when there is none.
func DefaultVpc(tx store.Tx) (Vpc, error) {
	for v, err := range Vpcs.Scan(tx, "", "") {
		if err != nil {
			return Vpc{}, fmt.Errorf("list VPCs: %w", err)
		}
		if v.Default {
			return v, nil
		}
	}
	return Vpc{}, nil
}

const (
	// reservedLow and reservedHigh are how many addresses at a subnet's ends AWS
	// keeps for itself: network, router, DNS, one for later; broadcast.
	reservedLow, reservedHigh = 4, 1
)

// Usable returns the first and the last address of s that an interface may have.
func (s Subnet) Usable() (first, last netip.Addr) {
	base := s.CIDR.Addr().As4()
	n := binary.BigEndian.Uint32(base[:])
	return addrOf(n + reservedLow), addrOf(n + 1<<(32-s.CIDR.Bits()) - 1 - reservedHigh)
}

func addrOf(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// Capacity is how many interfaces fit into s.
func (s Subnet) Capacity() int { return 1<<(32-s.CIDR.Bits()) - reservedLow - reservedHigh }

// ICMPv6 is the protocol of rules about IPv6 alone.
const ICMPv6 = "icmpv6"

// protocols that have names, by number.
var protocols = map[string]string{"1": "icmp", "6": "tcp", "17": "udp", "58": ICMPv6}

// ProtocolNumber returns the IP protocol number of a rule's protocol; -1 for
// all.
func ProtocolNumber(protocol string) int {
	for number, name := range protocols {
		if name == protocol {
			protocol = number
		}
	}
	n, err := strconv.Atoi(protocol)
	if err != nil {
		return 0 // none: no record has it
	}
	return n
}

// ProtocolName returns the name of a protocol when it is given the number of one that has a name, and any other
// string unchanged.
func ProtocolName(protocol string) string {
	if name, ok := protocols[protocol]; ok {
		return name
	}
	return protocol
}

// String says what r admits, in EC2's words.
func (r Rule) String() string {
	peer := cmp.Or(r.Group, r.PrefixList)
	if r.CIDR.IsValid() {
		peer = r.CIDR.String()
	}
	switch r.Protocol {
	case "-1":
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	case "tcp", "udp":
		return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", peer, strings.ToUpper(r.Protocol), r.From, r.To)
	case "icmp", ICMPv6:
		return fmt.Sprintf("peer: %s, %s, type: %d, code: %d, ALLOW", peer, strings.ToUpper(r.Protocol), r.From, r.To)
	}
	return fmt.Sprintf("peer: %s, protocol: %s, ALLOW", peer, r.Protocol)
}
