// Package program compiles a firewall to the program of nftables that enforces it.
package program

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/match"
	"github.com/skylift/skylift/internal/vpc/nft"
)

// Names of the chains that others jump to, and of the sets they ask.
const (
	chainTracked = "tracked"
	chainEgress  = "egress"
	chainIngress = "ingress"
	chainToHost  = "to_host"
	chainOwn     = "to_own" // addresses of the host in the VPC
	chainAsked   = "asked"
	chainSent    = "sent_on"
	chainBeyond  = "beyond"
	chainClosed  = "closed"
	chainRefused = "refuse"

	setSelves       = "selves"
	mapEgress       = "egress_of"
	mapIngress      = "ingress_of"
	mapFronts       = "fronts"
	mapFronts6      = "fronts6"
	mapFrontsAny    = "fronts_any"
	mapFrontsAny6   = "fronts_any6"
	setAnswering    = "answering"
	setAnswering6   = "answering6"
	setAnsweringAny = "answering_any"
	setListening    = "listening"
	setResolvers    = "resolvers"
	setUplinks      = "uplinks"
	setMachines     = "machines_own"
	setRefused      = "refused"
)

// Compile makes the program that enforces rs on the interfaces whose names
// begin with prefix.
//
// Every hook has two chains, because an accept ends only the chain that the
// kernel called: the first judges by the source's groups, the second by the
// destination's. A map leads from an address to the chain of its groups, so
// that the number of rules doesn't grow with that of the interfaces.
func Compile(rs *firewall.Ruleset, prefix string) *nft.Program {
	p := &nft.Program{Sets: make(map[string]*nft.Set), Chains: make(map[string]*nft.Chain)}
	c := &compiler{x: rs.Index(), prefix: prefix, p: p, named: make(map[string]string)}
	c.declare()
	c.declareRanges(rs)
	c.members(rs)
	c.paths(rs)
	c.fronts(rs)
	c.groups(rs)
	c.judges()
	c.add(chainToHost, c.toHost()...)
	c.closes(rs)
	c.hooks(rs)
	c.services(rs)
	return p
}

// compiler gathers a program.
type compiler struct {
	x      *firewall.Index
	ranges []netip.Prefix    // of the VPCs
	named  map[string]string // chains of subnets, by what was asked for
	prefix string
	p      *nft.Program
}

func (c *compiler) set(name string, key nftables.SetDatatype, isMap bool) *nft.Set {
	s := &nft.Set{Name: name, Key: key, IsMap: isMap, Jumps: make(map[string]string)}
	c.p.Sets[name] = s
	return s
}

// anys are rules as nft takes them.
func anys(rules []match.Exprs) [][]expr.Any {
	out := make([][]expr.Any, len(rules))
	for i, r := range rules {
		out[i] = r
	}
	return out
}

func (c *compiler) add(name string, rules ...match.Exprs) {
	c.p.Chains[name] = &nft.Chain{Name: name, Rules: anys(rules)}
}

func (c *compiler) base(name string, kind nftables.ChainType, at *nftables.ChainHook, p nftables.ChainPriority, rules ...match.Exprs) {
	c.p.Chains[name] = &nft.Chain{Name: name, Hook: &nft.Hook{Kind: kind, At: at, Priority: p}, Rules: anys(rules)}
}

func (c *compiler) declare() {
	v4, v6, port := nftables.TypeIPAddr, nftables.TypeIP6Addr, nftables.TypeInetService
	c.set(setSelves, nftables.MustConcatSetType(v4, v4), false)
	c.set(mapEgress, v4, true)
	c.set(mapIngress, v4, true)
	c.set(mapFronts, nftables.MustConcatSetType(v4, port), true)
	c.set(mapFronts6, nftables.MustConcatSetType(v6, port), true)
	c.set(mapFrontsAny, port, true)
	c.set(mapFrontsAny6, port, true)
	c.set(setAnswering, nftables.MustConcatSetType(v4, port), false)
	c.set(setAnswering6, nftables.MustConcatSetType(v6, port), false)
	c.set(setAnsweringAny, port, false)
	c.set(setListening, nftables.MustConcatSetType(v4, port), false)
	c.set(setResolvers, nftables.MustConcatSetType(v4, nftables.TypeInetProto, port), false)
	c.set(setUplinks, nftables.TypeIFName, false)
	c.set(setMachines, v4, false)
}

// judges are the chains that decide by one end of a packet.
func (c *compiler) judges() {
	const invalid, established, related = expr.CtStateBitINVALID, expr.CtStateBitESTABLISHED, expr.CtStateBitRELATED
	c.add(chainTracked,
		match.Join(match.State(established|related), match.Accept()),
		match.Join(match.State(invalid), match.Drop()),
		match.Join(match.NotOpening(), match.Drop()), // what was cut never comes back by the middle
	)
	self := match.Join(match.IPv4(), match.Exprs{match.Address(match.Source, false, match.Reg), match.Address(match.Destination, false, match.RegAfter4)}, match.Lookup(setSelves), match.Accept())
	judge := func(name string, e match.End, byAddress string, ways ...match.Exprs) {
		rules := []match.Exprs{match.Join(match.Family(expr.CmpOpNeq, familyIPv4), match.Drop()), match.Jump(chainTracked), self}
		rules = append(rules, ways...)
		c.add(name, append(rules, match.Join(match.Addr(e), match.GoBy(byAddress)), match.Drop())...)
	}
	judge(chainEgress, match.Source, mapEgress, c.asks(mapWays, match.Source)...)
	judge(chainIngress, match.Destination, mapIngress)
}

// hooks are the chains that the kernel calls. They say what is judged at all.
func (c *compiler) hooks(rs *firewall.Ruleset) {
	served := c.served(rs)
	const first, second = nftables.ChainPriority(0), nftables.ChainPriority(1)
	eq, neq := expr.CmpOpEq, expr.CmpOpNeq
	from, to := match.IIFPrefix(eq, c.prefix), match.OIFPrefix(eq, c.prefix)
	filter := nftables.ChainTypeFilter
	hook := func(name string, at *nftables.ChainHook, p nftables.ChainPriority, parts ...[]match.Exprs) {
		c.base(name, filter, at, p, slices.Concat(parts...)...)
	}
	one := func(parts ...match.Exprs) []match.Exprs { return []match.Exprs{match.Join(parts...)} }

	hook("prerouting", nftables.ChainHookPrerouting, *nftables.ChainPriorityRaw,
		one(from, match.IPv6(), match.Drop()),
		one(from, match.NotFromThere(), match.Drop()),
		// Our addresses come from our interfaces and from the host, nowhere else.
		one(match.IIFPrefix(neq, c.prefix), match.IIFPrefix(neq, match.Loopback), c.inRanges(match.Source), match.Drop()),
	)
	hook("prerouting_asked", nftables.ChainHookPrerouting, *nftables.ChainPriorityMangle, one(from, match.Jump(chainAsked)))
	// ACLs know no flows: they judge before what is established passes.
	hook("forward_egress", nftables.ChainHookForward, first,
		c.asks(mapACLOut, match.Source, from),
		c.asks(mapNATOut, match.Source, from, match.OIFPrefix(neq, c.prefix)),
		one(from, match.Redirected(), match.Jump(chainSent)),
		one(from, match.Jump(chainBeyond)),
		one(from, match.Jump(chainEgress)),
	)
	hook("forward_ingress", nftables.ChainHookForward, second,
		c.asks(mapACLIn, match.Destination, to),
		c.asks(mapNATIn, match.Destination, to, match.IIFPrefix(neq, c.prefix)),
		c.comesBack(to),
		one(to, match.Jump(chainIngress)),
	)
	hook("input_egress", nftables.ChainHookInput, first, served, c.asks(mapACLOut, match.Source, from), one(from, match.Jump(chainEgress)))
	hook("input_ingress", nftables.ChainHookInput, second, served,
		one(from, match.In(match.Destination, netip.PrefixFrom(firewall.Router(rs.CIDR), 32)), match.Jump(chainClosed)),
		c.asks(mapACLIn, match.Destination),
		one(match.Jump(chainToHost)),
		one(from, match.Jump(chainClosed)),
	)
	hook("output_egress", nftables.ChainHookOutput, first, c.asks(mapACLOut, match.Source), c.fromHost())
	aclIn := c.asks(mapACLIn, match.Destination, to)
	if len(aclIn) > 0 { // what services answer is no ACL's matter
		router := match.In(match.Source, netip.PrefixFrom(firewall.Router(rs.CIDR), 32))
		aclIn = append(one(to, router, match.Jump(chainTracked)), aclIn...)
	}
	hook("output_ingress", nftables.ChainHookOutput, second,
		c.toPublic(),
		aclIn,
		one(to, match.Jump(chainIngress)),
		// What the host sends itself is tracked for good when it leaves: too early
		// to judge it only where it arrives.
		one(match.OIFPrefix(eq, match.Loopback), match.Jump(chainToHost)),
	)
	c.base("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource,
		append(c.turnsBack(), c.asks(mapLeave, match.Source, match.OIFPrefix(neq, match.Loopback), match.OIFPrefix(neq, c.prefix))...)...)
}

// comesBack judges what opens flows to tasks by the routes that answers would take.
func (c *compiler) comesBack(to match.Exprs) []match.Exprs {
	if len(c.p.Sets[mapBacks].Jumps) == 0 {
		return nil
	}
	return []match.Exprs{match.Join(to, match.Jump(chainTracked)), match.Join(to, match.Addr(match.Destination), match.GoBy(mapBacks))}
}

// toHost judges what the host receives: for a front, or an interface of its own.
func (c *compiler) toHost() []match.Exprs {
	tcp, dst := match.Protocol(firewall.TCP), match.Port(match.Destination, match.Reg)
	return []match.Exprs{
		match.Join(tcp, match.IPv4(), match.Exprs{match.Address(match.Destination, false, match.Reg), match.Port(match.Destination, match.RegAfter4)}, match.GoBy(mapFronts)),
		match.Join(tcp, match.IPv6(), match.Exprs{match.Address(match.Destination, true, match.Reg), match.Port(match.Destination, match.RegAfter6)}, match.GoBy(mapFronts6)),
		match.Join(c.inRanges(match.Destination), match.Jump(chainOwn)),
		match.Join(tcp, match.IPv4(), c.notInRanges(match.Destination), match.Exprs{dst}, match.GoBy(mapFrontsAny)),
		match.Join(tcp, match.IPv6(), match.Exprs{dst}, match.GoBy(mapFrontsAny6)),
	}
}

// fromHost judges what the host sends from an interface of its own. A front
// only answers: else a flow that was cut could go on from this side.
func (c *compiler) fromHost() []match.Exprs {
	tcp := match.Protocol(firewall.TCP)
	return []match.Exprs{
		match.Join(c.inRanges(match.Source), match.Jump(chainEgress)),
		match.Join(tcp, match.IPv4(), match.Exprs{match.Address(match.Source, false, match.Reg), match.Port(match.Source, match.RegAfter4)}, match.Lookup(setAnswering), match.Jump(chainTracked)),
		match.Join(tcp, match.IPv6(), match.Exprs{match.Address(match.Source, true, match.Reg), match.Port(match.Source, match.RegAfter6)}, match.Lookup(setAnswering6), match.Jump(chainTracked)),
		match.Join(tcp, match.Exprs{match.Port(match.Source, match.Reg)}, match.Lookup(setAnsweringAny), match.Jump(chainTracked)),
	}
}
