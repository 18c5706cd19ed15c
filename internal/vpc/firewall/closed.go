package firewall

import (
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Ranges that no task reaches whatever leads to them: on a cloud's machine,
// the machine's own role and keys are told there.
var (
	LinkLocal = netip.MustParsePrefix("169.254.0.0/16")
	NotOne    = netip.MustParsePrefix("224.0.0.0/3") // multicast, reserved, broadcast
	// MachinesOwn are those of clouds that are not link-local: Azure's,
	// Alibaba's, and Oracle's first one.
	MachinesOwn = []netip.Addr{
		netip.AddrFrom4([4]byte{168, 63, 129, 16}),
		netip.AddrFrom4([4]byte{100, 100, 100, 200}),
		netip.AddrFrom4([4]byte{192, 0, 0, 192}),
	}
)

// Forbidden says that no task reaches addr, wherever it is.
func Forbidden(addr netip.Addr) bool {
	return LinkLocal.Contains(addr) || NotOne.Contains(addr) || slices.Contains(MachinesOwn, addr)
}

// closes makes the chains that decide where outside the VPC a task's packets
// may go at all. They judge each packet of a task that the task asked for, by
// where the kernel sends it: so an address or an interface that comes later is
// closed from its first moment. Answers pass: their asker was judged.
func (c *compiler) closes(rs *Ruleset) {
	c.refuses()
	c.listWays(rs)
	answers := rule(inReply(), verdict(expr.VerdictReturn, ""))
	resolver := rule(ipv4(), exprs{address(destination, false, reg), l4proto(regAfter4), port(destination, regAfter8)}, lookup(setResolvers))
	c.opens(rs, answers, resolver)
	c.add(chainBeyond,
		answers,
		rule(oifPrefix(expr.CmpOpEq, c.prefix), verdict(expr.VerdictReturn, "")),
		rule(resolver, verdict(expr.VerdictReturn, "")),
		rule(in(destination, LinkLocal), jumpTo(chainRefused)),
		rule(in(destination, NotOne), jumpTo(chainRefused)),
		rule(ipv4(), exprs{address(destination, false, reg)}, lookup(setMachines), jumpTo(chainRefused)),
		rule(exprs{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg}}, lookup(setUplinks), verdict(expr.VerdictReturn, "")),
		jumpTo(chainRefused),
	)
	// Balancers listen where the host's own servers on all addresses would answer.
	c.add(chainOwn,
		rule(protocol(TCP), ipv4(), exprs{address(destination, false, reg), port(destination, regAfter4)}, lookup(setListening), jumpTo(chainIngress)),
		jumpTo(chainTracked),
		rule(protocol(ICMP), in(destination, rs.CIDR), jumpTo(chainIngress)),
		dropIt(),
	)
}

// listWays fills the sets that the chains of closes ask.
func (c *compiler) listWays(rs *Ruleset) {
	for _, name := range rs.Ways.Uplinks {
		c.p.Sets[setUplinks].Jumps[string(append([]byte(name), make([]byte, unix.IFNAMSIZ-len(name))...))] = ""
	}
	for _, addr := range rs.Ways.Resolvers {
		for _, protocol := range []byte{TCP, UDP} {
			c.p.Sets[setResolvers].Jumps[string(append(addr.AsSlice(), protocol, 0, 0, 0, 0, PortDNS, 0, 0))] = ""
		}
	}
	for _, addr := range MachinesOwn {
		c.p.Sets[setMachines].Jumps[string(addr.AsSlice())] = ""
	}
}

// opens makes the chains of what is open on purpose. Docker, too, sends
// elsewhere what is for a port that a container publishes: what is open is judged
// by egress before that, by the address that the task has named.
func (c *compiler) opens(rs *Ruleset, answers, resolver exprs) {
	toOpen := []exprs{answers, rule(resolver, jumpTo(chainEgress))}
	var sentOn []exprs
	closed := []exprs{answers, rule(resolver, acceptIt())}
	for _, addr := range rs.Ways.Published {
		// No set of such keys: nft (1.0.6) can't list what looks it up, and aborts.
		for _, p := range []int{TCP, UDP} {
			sentOn = append(sentOn, rule(ipv4(), askedAddress(addr), protocol(p), askedPortBetween(PortDNS, PortDNS), acceptIt()))
		}
	}
	for _, p := range rs.Ways.HostAccess {
		from, to := int(p.From), int(p.To)
		toOpen = append(toOpen, rule(ipv4(), protocol(p.Protocol), portBetween(from, to), jumpTo(chainEgress)))
		sentOn = append(sentOn, rule(protocol(p.Protocol), askedPortBetween(from, to), acceptIt()))
		closed = append(closed, rule(ipv4(), protocol(p.Protocol), portBetween(from, to), acceptIt()))
	}
	c.add(chainAsked, toOpen...)
	c.add(chainSent, sentOn...)
	c.add(chainClosed, append(closed, jumpTo(chainRefused))...)
}

// regAfter8 follows a key's first two parts of 4 bytes each.
const regAfter8 = unix.NFT_REG32_02

func l4proto(register uint32) expr.Any {
	return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}
}

// inReply matches what answers the flow's first packet.
func inReply() exprs {
	return exprs{&expr.Ct{Register: reg, Key: expr.CtKeyDIRECTION}, compare(expr.CmpOpEq, []byte{1})}
}

// askedAddress matches the IPv4 address that the flow's sender named, whatever
// it was translated to.
func askedAddress(a netip.Addr) exprs {
	return exprs{&expr.Ct{Register: reg, Key: expr.CtKeyDST}, compare(expr.CmpOpEq, a.AsSlice())}
}

// askedPortBetween matches the port that the flow's sender named.
func askedPortBetween(from, to int) exprs {
	m := portBetween(from, to)
	if len(m) > 0 {
		m[0] = &expr.Ct{Register: reg, Key: expr.CtKeyPROTODST}
	}
	return m
}
