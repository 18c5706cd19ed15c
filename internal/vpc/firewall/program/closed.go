package program

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/match"
)

// closes makes the chains that decide where outside the VPC a task's packets
// may go at all. They judge each packet of a task that the task asked for, by
// where the kernel sends it: so an address or an interface that comes later is
// closed from its first moment. Answers pass: their asker was judged.
func (c *compiler) closes(rs *firewall.Ruleset) {
	c.refuses()
	c.listWays(rs)
	answers := match.Join(match.InReply(), match.Verdict(expr.VerdictReturn, ""))
	resolver := match.Join(match.IPv4(), match.Exprs{match.Address(match.Destination, false, match.Reg), match.L4Proto(match.RegAfter4), match.Port(match.Destination, match.RegAfter8)}, match.Lookup(setResolvers))
	c.opens(rs, answers, resolver)
	c.add(chainBeyond,
		answers,
		match.Join(match.OIFPrefix(expr.CmpOpEq, c.prefix), match.Verdict(expr.VerdictReturn, "")),
		match.Join(resolver, match.Verdict(expr.VerdictReturn, "")),
		match.Join(match.In(match.Destination, firewall.LinkLocal), match.Jump(chainRefused)),
		match.Join(match.In(match.Destination, firewall.NotOne), match.Jump(chainRefused)),
		match.Join(match.IPv4(), match.Exprs{match.Address(match.Destination, false, match.Reg)}, match.Lookup(setMachines), match.Jump(chainRefused)),
		match.Join(match.Exprs{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: match.Reg}}, match.Lookup(setUplinks), match.Verdict(expr.VerdictReturn, "")),
		match.Jump(chainRefused),
	)
	// Balancers listen where the host's own servers on all addresses would answer.
	c.add(chainOwn,
		match.Join(match.Protocol(firewall.TCP), match.IPv4(), match.Exprs{match.Address(match.Destination, false, match.Reg), match.Port(match.Destination, match.RegAfter4)}, match.Lookup(setListening), match.Jump(chainIngress)),
		match.Jump(chainTracked),
		match.Join(match.Protocol(firewall.ICMP), c.inRanges(match.Destination), match.Jump(chainIngress)),
		match.Drop(),
	)
}

// listWays fills the sets that the chains of closes ask.
func (c *compiler) listWays(rs *firewall.Ruleset) {
	for _, name := range rs.Ways.Uplinks {
		c.p.Sets[setUplinks].Jumps[string(append([]byte(name), make([]byte, unix.IFNAMSIZ-len(name))...))] = ""
	}
	for _, addr := range rs.Ways.Resolvers {
		for _, protocol := range []byte{firewall.TCP, firewall.UDP} {
			c.p.Sets[setResolvers].Jumps[string(append(addr.AsSlice(), protocol, 0, 0, 0, 0, firewall.PortDNS, 0, 0))] = ""
		}
	}
	for _, addr := range firewall.MachinesOwn {
		c.p.Sets[setMachines].Jumps[string(addr.AsSlice())] = ""
	}
}

// opens makes the chains of what is open on purpose. Docker, too, sends
// elsewhere what is for a port that a container publishes: what is open is judged
// by egress before that, by the address that the task has named.
func (c *compiler) opens(rs *firewall.Ruleset, answers, resolver match.Exprs) {
	toOpen := []match.Exprs{answers, match.Join(resolver, match.Jump(chainEgress))}
	var sentOn []match.Exprs
	closed := []match.Exprs{answers, match.Join(resolver, match.Accept())}
	for _, addr := range rs.Ways.Published {
		// No set of such keys: nft (1.0.6) can't list what looks it up, and aborts.
		for _, p := range []int{firewall.TCP, firewall.UDP} {
			sentOn = append(sentOn, match.Join(match.IPv4(), match.AskedAddress(addr), match.Protocol(p), match.AskedPortBetween(firewall.PortDNS, firewall.PortDNS), match.Accept()))
		}
	}
	if c.turns() { // what a task sends to another's public address
		toOpen = append(toOpen, match.Join(askedPublic(), match.Jump(chainEgress)))
		sentOn = append(sentOn, match.Join(match.OIFPrefix(expr.CmpOpEq, c.prefix), match.Accept()))
	}
	for _, p := range rs.Ways.HostAccess {
		from, to := int(p.From), int(p.To)
		toOpen = append(toOpen, match.Join(match.IPv4(), match.Protocol(p.Protocol), match.PortBetween(from, to), match.Jump(chainEgress)))
		sentOn = append(sentOn, match.Join(match.Protocol(p.Protocol), match.AskedPortBetween(from, to), match.Accept()))
		closed = append(closed, match.Join(match.IPv4(), match.Protocol(p.Protocol), match.PortBetween(from, to), match.Accept()))
	}
	c.add(chainAsked, toOpen...)
	c.add(chainSent, sentOn...)
	c.add(chainClosed, append(closed, match.Jump(chainRefused))...)
}
