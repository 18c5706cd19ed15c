package firewall

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

const familyIPv4 = unix.NFPROTO_IPV4

func groupSet(id string) string { return "members_" + id }

func groupChain(s Side, id string) string { return string(s) + "_" + id }

// members leads from every member's address to the chains of its groups.
func (c *compiler) members(rs *Ruleset) {
	for _, m := range rs.Members {
		key := m.Addr.AsSlice()
		c.p.Sets[setSelves].Jumps[string(key)+string(key)] = ""
		c.lead(mapEgress, key, c.chainFor(Egress, []string{m.ID}))
		c.lead(mapIngress, key, c.chainFor(Ingress, []string{m.ID}))
		for _, port := range m.Ports {
			_, _, key := frontSets(netip.AddrPortFrom(m.Addr, port))
			c.p.Sets[setListening].Jumps[string(key)] = ""
		}
	}
}

// lead makes a map lead from key to a chain, if there is one.
func (c *compiler) lead(name string, key []byte, chain string) {
	if chain != "" {
		c.p.Sets[name].Jumps[string(key)] = chain
	}
}

// chainFor is the chain that asks all groups of the members, "" when there are
// none. It comes back when no group admits.
func (c *compiler) chainFor(s Side, members []string) string {
	groups := c.known(c.x.groupsOf(members))
	switch len(groups) {
	case 0:
		return ""
	case 1:
		return groupChain(s, groups[0])
	}
	name := fmt.Sprintf("%s_any_%s", s, digest(groups))
	if c.p.Chains[name] == nil {
		var rules []exprs
		for _, g := range groups {
			rules = append(rules, jumpTo(groupChain(s, g)))
		}
		c.add(name, rules...)
	}
	return name
}

// known is the groups that exist, sorted.
func (c *compiler) known(ids []string) []string {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, ok := c.x.groups[id]
		return !ok
	})
	slices.Sort(ids)
	return ids
}

// groups makes the chains of every group's rules, and the sets of members that
// rules refer to.
func (c *compiler) groups(rs *Ruleset) {
	for _, g := range rs.Groups {
		c.add(groupChain(Egress, g.ID), c.rules(g.Egress, destination)...)
		c.add(groupChain(Ingress, g.ID), c.rules(g.Ingress, source)...)
	}
}

func (c *compiler) rules(rules []Rule, peer end) []exprs {
	var all []exprs
	for _, r := range rules {
		if what, ok := r.matches(); ok && (r.CIDR.IsValid() || r.Group != "") {
			all = append(all, rule(c.peer(r, peer), what, acceptIt()))
		}
	}
	return all
}

// peer matches the other end of a rule.
func (c *compiler) peer(r Rule, e end) exprs {
	if r.CIDR.IsValid() {
		if r.CIDR.Bits() == 0 {
			return familyOf(r.CIDR.Addr())
		}
		return in(e, r.CIDR)
	}
	name := groupSet(r.Group)
	if c.p.Sets[name] == nil {
		s := c.set(name, nftables.TypeIPAddr, false)
		for addr := range c.x.groupOf[r.Group] {
			s.Jumps[string(addr.AsSlice())] = ""
		}
	}
	return rule(ipv4(), exprs{address(e, false, reg)}, lookup(name))
}

// matches is a rule's protocol and ports; not ok when nothing can match.
func (r Rule) matches() (exprs, bool) {
	switch r.Protocol {
	case All:
		return nil, true
	case TCP, UDP:
		from, to := r.ports()
		return rule(protocol(r.Protocol), portBetween(from, to)), from <= to
	case ICMP, ICMPv6:
		return rule(protocol(r.Protocol), icmpField(0, r.FromPort), icmpField(1, r.ToPort)), r.FromPort < 256 && r.ToPort < 256
	}
	return protocol(r.Protocol), 0 <= r.Protocol && r.Protocol < 256
}

// fronts leads from every front to a chain that asks the groups of its members.
func (c *compiler) fronts(rs *Ruleset) {
	for _, f := range rs.Fronts {
		name := "front_" + strings.NewReplacer("[", "", "]", "", ":", "_").Replace(f.Addr.String()) // as nft reads names
		rules := []exprs{jumpTo(chainTracked)}
		if groups := c.chainFor(Ingress, f.Members); groups != "" {
			rules = append(rules, jumpTo(groups))
		}
		c.add(name, append(rules, dropIt())...)
		toFront, answering, key := frontSets(f.Addr)
		c.lead(toFront, key, name)
		c.p.Sets[answering].Jumps[string(key)] = ""
	}
}

func frontSets(a netip.AddrPort) (toFront, answering string, key []byte) {
	port := append(binary.BigEndian.AppendUint16(nil, a.Port()), 0, 0) // as a register holds it
	switch addr := a.Addr(); {
	case addr.IsUnspecified() && addr.Is4():
		return mapFrontsAny, setAnsweringAny, port[:2]
	case addr.IsUnspecified():
		return mapFrontsAny6, setAnsweringAny, port[:2]
	case addr.Is4():
		return mapFronts, setAnswering, append(addr.AsSlice(), port...)
	default:
		return mapFronts6, setAnswering6, append(addr.AsSlice(), port...)
	}
}

// digest stands for a list of groups in a chain's name.
func digest(groups []string) string {
	sum := sha256.Sum256([]byte(strings.Join(groups, " ")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:16]
}
