package firewall

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

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
func Compile(rs *Ruleset, prefix string) *nft.Program {
	p := &nft.Program{Sets: make(map[string]*nft.Set), Chains: make(map[string]*nft.Chain)}
	c := &compiler{x: rs.index(), prefix: prefix, p: p}
	c.declare()
	c.members(rs)
	c.fronts(rs)
	c.groups(rs)
	c.judges()
	c.add(chainToHost, c.toHost(rs.CIDR)...)
	c.closes(rs)
	c.hooks(rs)
	c.services(rs)
	return p
}

// compiler gathers a program.
type compiler struct {
	x      *index
	prefix string
	p      *nft.Program
}

func (c *compiler) set(name string, key nftables.SetDatatype, isMap bool) *nft.Set {
	s := &nft.Set{Name: name, Key: key, IsMap: isMap, Jumps: make(map[string]string)}
	c.p.Sets[name] = s
	return s
}

// anys are rules as nft takes them.
func anys(rules []exprs) [][]expr.Any {
	out := make([][]expr.Any, len(rules))
	for i, r := range rules {
		out[i] = r
	}
	return out
}

func (c *compiler) add(name string, rules ...exprs) {
	c.p.Chains[name] = &nft.Chain{Name: name, Rules: anys(rules)}
}

func (c *compiler) base(name string, kind nftables.ChainType, at *nftables.ChainHook, p nftables.ChainPriority, rules ...exprs) {
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
		rule(state(established|related), acceptIt()),
		rule(state(invalid), dropIt()),
		rule(notOpening(), dropIt()), // what was cut never comes back by the middle
	)
	self := rule(ipv4(), exprs{address(source, false, reg), address(destination, false, regAfter4)}, lookup(setSelves), acceptIt())
	judge := func(name string, e end, byAddress string) {
		c.add(name,
			rule(family(expr.CmpOpNeq, familyIPv4), dropIt()),
			jumpTo(chainTracked),
			self,
			rule(ipv4(), exprs{address(e, false, reg)}, goBy(byAddress)),
			dropIt(),
		)
	}
	judge(chainEgress, source, mapEgress)
	judge(chainIngress, destination, mapIngress)
}

// hooks are the chains that the kernel calls. They say what is judged at all.
func (c *compiler) hooks(rs *Ruleset) {
	cidr, served := rs.CIDR, c.served(rs)
	const first, second = nftables.ChainPriority(0), nftables.ChainPriority(1)
	eq, neq := expr.CmpOpEq, expr.CmpOpNeq
	from, to := iifPrefix(eq, c.prefix), oifPrefix(eq, c.prefix)
	filter := nftables.ChainTypeFilter

	c.base("prerouting", filter, nftables.ChainHookPrerouting, *nftables.ChainPriorityRaw,
		rule(from, ipv6(), dropIt()),
		rule(from, notFromThere(), dropIt()),
		// Our addresses come from our interfaces and from the host, nowhere else.
		rule(iifPrefix(neq, c.prefix), iifPrefix(neq, loopback), in(source, cidr), dropIt()),
	)
	c.base("prerouting_asked", filter, nftables.ChainHookPrerouting, *nftables.ChainPriorityMangle, rule(from, jumpTo(chainAsked)))
	c.base("forward_egress", filter, nftables.ChainHookForward, first,
		rule(from, redirected(), jumpTo(chainSent)),
		rule(from, jumpTo(chainBeyond)),
		rule(from, jumpTo(chainEgress)),
	)
	c.base("forward_ingress", filter, nftables.ChainHookForward, second, rule(to, jumpTo(chainIngress)))
	c.base("input_egress", filter, nftables.ChainHookInput, first, append(slices.Clone(served), rule(from, jumpTo(chainEgress)))...)
	c.base("input_ingress", filter, nftables.ChainHookInput, second, append(slices.Clone(served),
		rule(from, in(destination, netip.PrefixFrom(Router(cidr), 32)), jumpTo(chainClosed)),
		jumpTo(chainToHost),
		rule(from, jumpTo(chainClosed)),
	)...)
	c.base("output_egress", filter, nftables.ChainHookOutput, first, c.fromHost(cidr)...)
	c.base("output_ingress", filter, nftables.ChainHookOutput, second,
		rule(to, jumpTo(chainIngress)),
		// What the host sends itself is tracked for good when it leaves: too early
		// to judge it only where it arrives.
		rule(oifPrefix(eq, loopback), jumpTo(chainToHost)),
	)
	c.base("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource,
		rule(oifPrefix(neq, loopback), in(source, cidr), notIn(destination, cidr), masquerade()),
	)
}

// toHost judges what the host receives: for a front, or an interface of its own.
func (c *compiler) toHost(cidr netip.Prefix) []exprs {
	tcp, dst := protocol(TCP), port(destination, reg)
	return []exprs{
		rule(tcp, ipv4(), exprs{address(destination, false, reg), port(destination, regAfter4)}, goBy(mapFronts)),
		rule(tcp, ipv6(), exprs{address(destination, true, reg), port(destination, regAfter6)}, goBy(mapFronts6)),
		rule(in(destination, cidr), jumpTo(chainOwn)),
		rule(tcp, ipv4(), notIn(destination, cidr), exprs{dst}, goBy(mapFrontsAny)),
		rule(tcp, ipv6(), exprs{dst}, goBy(mapFrontsAny6)),
	}
}

// fromHost judges what the host sends from an interface of its own. A front
// only answers: else a flow that was cut could go on from this side.
func (c *compiler) fromHost(cidr netip.Prefix) []exprs {
	tcp := protocol(TCP)
	return []exprs{
		rule(in(source, cidr), jumpTo(chainEgress)),
		rule(tcp, ipv4(), exprs{address(source, false, reg), port(source, regAfter4)}, lookup(setAnswering), jumpTo(chainTracked)),
		rule(tcp, ipv6(), exprs{address(source, true, reg), port(source, regAfter6)}, lookup(setAnswering6), jumpTo(chainTracked)),
		rule(tcp, exprs{port(source, reg)}, lookup(setAnsweringAny), jumpTo(chainTracked)),
	}
}
