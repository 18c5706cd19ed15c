package vpc

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
)

// TestTownSurvives: VPCs are in force while nobody runs, after another process has opened them, and after a flush; what
// nft shows of them it can read; nothing is left when they are purged.
func TestTownSurvives(t *testing.T) {
	n := newTown(t)
	n.put("eni-a", n.addr(10), n.at(10))
	n.put("eni-private", n.addr(70), netip.Addr{})
	n.put("eni-b", n.inB(10), n.at(20))
	entry := acl.Entry{Number: 1, Allow: true, Kind: traffic.Kind{Protocol: firewall.TCP, From: 1, To: 65535}, CIDR: anywhere}
	n.subnets["b"].ACL, n.acls = "acl", []acl.ACL{{ID: "acl", Ingress: []acl.Entry{entry}, Egress: []acl.Entry{entry}}}
	n.answering()
	rs := n.ruleset()
	n.apply(rs)
	right := func(when string) {
		t.Helper()
		n.want("eni-a", "eni-b", false)
		n.want("eni-b", "eni-private", false)
		n.want("eni-a", "eni-private", true)
		if got := n.seen("eni-a"); got != n.at(10).String() {
			t.Errorf("%s the outside sees %q", when, got)
		}
		if n.out.reaches(firewall.UDP, netip.Addr{}, netip.AddrPortFrom(n.at(20), 7000)) || !n.out.reaches(firewall.TCP, netip.Addr{}, netip.AddrPortFrom(n.at(20), 7000)) {
			t.Errorf("%s the ACL isn't in force", when)
		}
	}
	right("at first")
	table := run(t, "nft", "list", "table", "inet", n.own.Table())
	for _, want := range []string{"snat ip to ip saddr map @public_of", "dnat ip to ip daddr map @public_to", "@ranges", "snat ip to " + n.at(60).String() + " fully-random"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	again, err := Open(t.Context(), Config{Instance: string(n.own), CIDR: n.cidr, Public: []netip.Prefix{n.pool}, Uplinks: n.named})
	check(t, err)
	right("after a restart, before anything is applied,")
	n.VPC = again
	n.apply(rs)
	right("after a restart")
	if err := again.Claim(n.b); err != nil {
		t.Errorf("the range of a VPC is claimed again: %v", err)
	}
	run(t, "nft", "flush", "ruleset")
	run(t, "ip", "link", "delete", n.own.Link("vpc/"+n.b.String()))
	if _, err := again.repairFirewall(); err != nil {
		t.Fatal(err)
	}
	again.repairClaims()
	right("after a flush")
	run(t, "ip", "link", "show", n.own.Link("vpc/"+n.b.String()))
	check(t, Purge(t.Context(), string(n.own)))
	for _, cmd := range []string{"nft list tables", "ip -d link", "ip route show table all"} {
		fields := strings.Fields(cmd)
		if out := run(t, fields[0], fields[1:]...); strings.Contains(out, n.own.Table()) || strings.Contains(out, n.own.Prefix()) || strings.Contains(out, n.b.String()+" ") && strings.Contains(out, "unreachable "+n.b.String()) {
			t.Errorf("purged, and %s says\n%s", cmd, out)
		}
	}
}

// TestEachVPCHasItsResolver: tasks find the resolver at their own VPC's address and the one that all VPCs have, whatever
// routes and ACLs say, unless their VPC has none.
func TestEachVPCHasItsResolver(t *testing.T) {
	t.Parallel()
	n := newTown(t)
	n.put("eni-a", n.addr(130), netip.Addr{}) // isolated
	n.put("eni-b", n.inB(10), netip.Addr{})
	n.subnets["isolated"].ACL, n.acls = "acl", []acl.ACL{{ID: "acl"}}
	n.rules = []Group{{ID: "sg"}}
	ofA, ofB, ofAll := netip.AddrPortFrom(Resolver(n.cidr), 53), netip.AddrPortFrom(Resolver(n.b), 53), netip.AddrPortFrom(LinkLocalResolver, 53)
	for _, at := range []netip.AddrPort{ofA, ofAll} {
		p, err := n.ListenPacket(t.Context(), at)
		check(t, err)
		t.Cleanup(func() { _ = p.Close() })
		go func() {
			for b := make([]byte, 100); ; {
				k, from, err := p.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = p.WriteToUDPAddrPort(b[:k], from)
			}
		}()
	}
	answered := func(rs *Ruleset, a, b bool) {
		t.Helper()
		n.apply(rs)
		for _, c := range []struct {
			id   string
			at   netip.AddrPort
			want bool
		}{{"eni-a", ofA, a}, {"eni-a", ofAll, a}, {"eni-a", ofB, false}, {"eni-b", ofB, b}, {"eni-b", ofAll, b}, {"eni-b", ofA, false}} {
			if got := n.tasks[c.id].exchange(netip.Addr{}, c.at); got != c.want {
				t.Errorf("%s is answered at %s: %t, want %t", c.id, c.at, got, c.want)
			}
		}
	}
	rs := n.ruleset()
	answered(rs, true, true)
	rs = n.ruleset()
	rs.Net.VPCs[1].NoDNS = true
	answered(rs, true, false)
	rs = n.ruleset()
	rs.Net.VPCs[0].NoDNS = true
	answered(rs, false, true)
}
