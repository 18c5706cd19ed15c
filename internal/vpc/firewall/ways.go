package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Ways are what tasks reach outside the VPC, as far as their egress rules let
// them: what uplinks lead to, and what of this machine is opened on purpose.
type Ways struct {
	Uplinks    []string // names of interfaces that lead beyond this machine
	HostAccess []Ports
	Resolvers  []netip.Addr // their port 53
	// Published are those of the resolvers that are addresses of the host, which
	// Docker may send on to a container. Rules about them come only where they are
	// needed: the kernel's log notes how the nftables library writes them.
	Published []netip.Addr
}

// Equal tells whether both lead to the same.
func (w Ways) Equal(o Ways) bool {
	return slices.Equal(w.Uplinks, o.Uplinks) && slices.Equal(w.HostAccess, o.HostAccess) &&
		slices.Equal(w.Resolvers, o.Resolvers) && slices.Equal(w.Published, o.Published)
}

// PortDNS is where resolvers answer, over UDP and TCP.
const PortDNS = 53

// open says that what is sent to a socket address passes, wherever that is.
func (w Ways) open(protocol int, to netip.AddrPort) bool {
	if protocol != TCP && protocol != UDP {
		return false
	}
	return to.Port() == PortDNS && slices.Contains(w.Resolvers, to.Addr()) ||
		slices.ContainsFunc(w.HostAccess, func(p Ports) bool {
			return p.Protocol == protocol && p.From <= to.Port() && to.Port() <= p.To
		})
}

// Ports are ports of the machine.
type Ports struct {
	Protocol int // 6 tcp, 17 udp
	From, To uint16
}

// ParsePorts reads a port or a range as in tcp:5432 and udp:8000-8100.
func ParsePorts(s string) (Ports, error) {
	wrong := fmt.Errorf("%q must be tcp or udp with a port or a range, as in tcp:5432 or udp:8000-8100", s)
	name, numbers, ok := strings.Cut(s, ":")
	protocol, known := map[string]int{"tcp": TCP, "udp": UDP}[strings.ToLower(name)]
	if !ok || !known {
		return Ports{}, wrong
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if errors.Join(err1, err2) != nil || from == 0 || to < from {
		return Ports{}, wrong
	}
	return Ports{protocol, uint16(from), uint16(to)}, nil
}

// String is what ParsePorts reads.
func (p Ports) String() string { return p.ProtocolName() + ":" + p.Numbers("-") }

// ProtocolName is tcp or udp.
func (p Ports) ProtocolName() string {
	if p.Protocol == UDP {
		return "udp"
	}
	return "tcp"
}

// Numbers is the port, or the first and the last with to between.
func (p Ports) Numbers(to string) string {
	if p.From == p.To {
		return strconv.Itoa(int(p.From))
	}
	return fmt.Sprintf("%d%s%d", p.From, to, p.To)
}

// Router is the first address of a range: the host has it, and tasks reach
// there what of the host is open to them.
func Router(cidr netip.Prefix) netip.Addr { return cidr.Addr().Next() }

// AddResolvers returns all, sorted, without those that no task reaches: it has
// IPv4, and its loopback is its own.
func AddResolvers(all, more []netip.Addr) []netip.Addr {
	all = slices.Clone(all)
	for _, a := range more {
		if a = a.Unmap(); a.Is4() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
