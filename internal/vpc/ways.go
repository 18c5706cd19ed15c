package vpc

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables"
)

// ways are what tasks reach outside the VPC, as far as their egress rules let
// them: what uplinks lead to, and what of this machine is opened on purpose.
type ways struct {
	uplinks    []string // names of interfaces that lead beyond this machine
	hostAccess []Ports
	resolvers  []netip.Addr // their port 53
	// published are those of the resolvers that are addresses of the host, which
	// Docker may send on to a container. Rules about them come only where they are
	// needed: the kernel's log notes how the nftables library writes them.
	published []netip.Addr
}

func (w ways) equal(o ways) bool {
	return slices.Equal(w.uplinks, o.uplinks) && slices.Equal(w.hostAccess, o.hostAccess) &&
		slices.Equal(w.resolvers, o.resolvers) && slices.Equal(w.published, o.published)
}

// portDNS is where resolvers answer, over UDP and TCP.
const portDNS = 53

// open says that what is sent to a socket address passes, wherever that is.
func (w ways) open(protocol int, to netip.AddrPort) bool {
	if protocol != protoTCP && protocol != protoUDP {
		return false
	}
	return to.Port() == portDNS && slices.Contains(w.resolvers, to.Addr()) ||
		slices.ContainsFunc(w.hostAccess, func(p Ports) bool {
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
	protocol, known := map[string]int{"tcp": protoTCP, "udp": protoUDP}[strings.ToLower(name)]
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
func (p Ports) String() string { return p.protocolName() + ":" + p.ports("-") }

func (p Ports) protocolName() string {
	if p.Protocol == protoUDP {
		return "udp"
	}
	return "tcp"
}

// ports is the port, or the first and the last.
func (p Ports) ports(to string) string {
	if p.From == p.To {
		return strconv.Itoa(int(p.From))
	}
	return fmt.Sprintf("%d%s%d", p.From, to, p.To)
}

// Router is the first address of a range: the host has it, and tasks reach
// there what of the host is open to them.
func Router(cidr netip.Prefix) netip.Addr { return cidr.Addr().Next() }

// openWays finds out what tasks reach. Resolvers that an earlier process has
// let tasks ask stay open: tasks of then may still run.
func (v *VPC) openWays(resolvers []netip.Addr) error {
	uplinks, err := findUplinks(v.named)
	if err != nil {
		return err
	}
	kept, err := keptResolvers(v.own.table())
	if err != nil {
		return err
	}
	v.log.Debug("tasks reach what these interfaces lead to", "interfaces", strings.Join(uplinks, " "))
	v.ways, err = ways{uplinks: uplinks, hostAccess: v.hostAccess}.resolve(append(kept, resolvers...))
	return err
}

// resolve adds resolvers.
func (w ways) resolve(more []netip.Addr) (ways, error) {
	all := addResolvers(w.resolvers, more)
	if slices.Equal(all, w.resolvers) {
		return w, nil
	}
	local, err := hostAddrs()
	if err != nil {
		return w, err
	}
	w.resolvers = all
	w.published = slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !local[a] })
	return w, nil
}

// addResolvers returns all, sorted, without those that no task reaches: it has
// IPv4, and its loopback is its own.
func addResolvers(all, more []netip.Addr) []netip.Addr {
	all = slices.Clone(all)
	for _, a := range more {
		if a = a.Unmap(); a.Is4() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// keptResolvers reads them from the table, where there is one.
func keptResolvers(table string) ([]netip.Addr, error) {
	old, err := readTable(table)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(old.sets, func(s *nftables.Set) bool { return s.Name == setResolvers }) {
		return nil, nil
	}
	c, err := dial()
	if err != nil {
		return nil, err
	}
	elements, err := c.GetSetElements(&nftables.Set{Table: tableOf(table), Name: setResolvers})
	if err != nil {
		return nil, fmt.Errorf("list resolvers of %s: %w", table, err)
	}
	var kept []netip.Addr
	for _, e := range elements {
		if addr, ok := netip.AddrFromSlice(e.Key[:min(4, len(e.Key))]); ok {
			kept = append(kept, addr)
		}
	}
	return addResolvers(nil, kept), nil
}

// resolve lets tasks ask these resolvers. A firewall that an earlier process
// has left is changed by Apply, like all of it.
func (v *VPC) resolve(resolvers []netip.Addr) error {
	v.firewall.Lock()
	defer v.firewall.Unlock()
	w, err := v.ways.resolve(resolvers)
	if err != nil {
		return err
	}
	return v.change(w)
}

// change makes w what tasks reach.
func (v *VPC) change(w ways) error {
	if w.equal(v.ways) {
		return nil
	}
	before := v.ways
	v.ways = w
	if v.applied == nil {
		return nil
	}
	rs := *v.applied
	rs.ways = w
	if err := v.write(&rs); err != nil {
		v.ways = before // what is in force: the next look writes again
		return err
	}
	return nil
}
