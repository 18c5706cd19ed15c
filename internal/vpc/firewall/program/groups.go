package program

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

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/match"
)

const familyIPv4 = unix.NFPROTO_IPV4

func groupSet(id string) string { return "members_" + id }

func groupChain(s firewall.Side, id string) string { return string(s) + "_" + id }

// members leads from every member's address to the chains of its groups.
func (c *compiler) members(rs *firewall.Ruleset) {
	for _, m := range rs.Members {
		if _, ok := c.x.Net.SubnetOf(m.Addr); !ok {
			continue // it reaches nothing, and nothing reaches it
		}
		key := m.Addr.AsSlice()
		c.p.Sets[setSelves].Jumps[string(key)+string(key)] = ""
		c.lead(mapEgress, key, c.chainFor(firewall.Egress, []string{m.ID}))
		c.lead(mapIngress, key, c.chainFor(firewall.Ingress, []string{m.ID}))
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
func (c *compiler) chainFor(s firewall.Side, members []string) string {
	groups := c.known(c.x.GroupsOf(members))
	switch len(groups) {
	case 0:
		return ""
	case 1:
		return groupChain(s, groups[0])
	}
	name := fmt.Sprintf("%s_any_%s", s, digest(groups))
	if c.p.Chains[name] == nil {
		var rules []match.Exprs
		for _, g := range groups {
			rules = append(rules, match.Jump(groupChain(s, g)))
		}
		c.add(name, rules...)
	}
	return name
}

// known is the groups that exist, sorted.
func (c *compiler) known(ids []string) []string {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, ok := c.x.Groups[id]
		return !ok
	})
	slices.Sort(ids)
	return ids
}

// groups makes the chains of every group's rules, and the sets of members that
// rules refer to.
func (c *compiler) groups(rs *firewall.Ruleset) {
	for _, g := range rs.Groups {
		c.add(groupChain(firewall.Egress, g.ID), c.rules(g.Egress, match.Destination)...)
		c.add(groupChain(firewall.Ingress, g.ID), c.rules(g.Ingress, match.Source)...)
	}
}

func (c *compiler) rules(rules []firewall.Rule, peer match.End) []match.Exprs {
	var all []match.Exprs
	for _, r := range rules {
		if what, ok := r.Kind().Matches(); ok && (r.CIDR.IsValid() || r.Group != "") {
			all = append(all, match.Join(c.peer(r, peer), what, match.Accept()))
		}
	}
	return all
}

// peer matches the other end of a rule.
func (c *compiler) peer(r firewall.Rule, e match.End) match.Exprs {
	if r.CIDR.IsValid() {
		if r.CIDR.Bits() == 0 {
			return match.FamilyOf(r.CIDR.Addr())
		}
		return match.In(e, r.CIDR)
	}
	name := groupSet(r.Group)
	if c.p.Sets[name] == nil {
		s := c.set(name, nftables.TypeIPAddr, false)
		for addr := range c.x.GroupOf[r.Group] {
			s.Jumps[string(addr.AsSlice())] = ""
		}
	}
	return match.Join(match.IPv4(), match.Exprs{match.Address(e, false, match.Reg)}, match.Lookup(name))
}

// fronts leads from every front to a chain that asks the groups of its members.
func (c *compiler) fronts(rs *firewall.Ruleset) {
	for _, f := range rs.Fronts {
		name := "front_" + strings.NewReplacer("[", "", "]", "", ":", "_").Replace(f.Addr.String()) // as nft reads names
		rules := []match.Exprs{match.Jump(chainTracked)}
		if groups := c.chainFor(firewall.Ingress, f.Members); groups != "" {
			rules = append(rules, match.Jump(groups))
		}
		c.add(name, append(rules, match.Drop())...)
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
