package firewall

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
)

// twoVPCs has in VPC a a public, a private and an isolated subnet and one with an ACL, in VPC b one that is peered with it.
func twoVPCs() *Ruleset {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	local, other := route.Hop{To: prefix("10.0.0.0/16"), Kind: route.Local}, route.Hop{To: prefix("10.1.0.0/16"), Kind: route.Peering, ID: "pcx-1"}
	return &Ruleset{
		Net: route.Network{
			VPCs: []route.VPC{{ID: "a", Ranges: []netip.Prefix{prefix("10.0.0.0/16")}}, {ID: "b", Ranges: []netip.Prefix{prefix("10.1.0.0/16")}}},
			Subnets: []route.Subnet{
				{ID: "public", VPC: "a", Range: prefix("10.0.0.0/24"), Hops: []route.Hop{local, {To: anywhere, Kind: route.Internet, ID: "igw-1"}, other}},
				{ID: "private", VPC: "a", Range: prefix("10.0.1.0/24"), Hops: []route.Hop{local, {To: anywhere, Kind: route.NAT, ID: "nat-1"}, {To: prefix("192.0.2.0/24"), Kind: route.Nowhere, ID: "nat-2"}}},
				{ID: "isolated", VPC: "a", Range: prefix("10.0.2.0/24"), Hops: []route.Hop{local}},
				{ID: "judged", VPC: "a", Range: prefix("10.0.3.0/24"), Hops: []route.Hop{local}, ACL: "acl-1"},
				{ID: "lost", VPC: "a", Range: prefix("10.0.4.0/24"), Hops: []route.Hop{local, {To: anywhere, Kind: route.NAT, ID: "nat-3"}}},
				{ID: "b", VPC: "b", Range: prefix("10.1.0.0/24"), Hops: []route.Hop{{To: prefix("10.1.0.0/16"), Kind: route.Local}, {To: prefix("10.0.0.0/24"), Kind: route.Peering, ID: "pcx-1"}}},
			},
			Gateways: []route.Gateway{{ID: "nat-1", Addr: addr("10.0.0.200"), Public: addr("198.51.100.200")}, {ID: "nat-3", Addr: addr("10.0.2.200"), Public: addr("198.51.100.201")}},
			Pairs:    []route.Pair{{ID: "pcx-1", A: "b", B: "a"}},
			ACLs: []acl.ACL{{
				ID:      "acl-1",
				Ingress: []acl.Entry{{Number: 90, Kind: traffic.Kind{Protocol: 6, From: 22, To: 22}, CIDR: anywhere}, {Number: 100, Allow: true, Kind: traffic.Kind{Protocol: 6, From: 0, To: 65535}, CIDR: prefix("10.0.0.0/16")}},
				Egress:  []acl.Entry{{Number: 100, Allow: true, Kind: traffic.Kind{Protocol: 6, From: 32768, To: 60999}, CIDR: prefix("10.0.0.0/24")}},
			}},
		},
		CIDR: prefix("172.31.0.0/16"), Pool: []netip.Prefix{prefix("198.51.100.0/24")},
		Groups: []Group{{ID: "sg", Ingress: []Rule{all}, Egress: []Rule{all}}},
		Members: []Member{
			{ID: "eni-public", Addr: addr("10.0.0.1"), Public: addr("198.51.100.1"), Groups: []string{"sg"}},
			{ID: "eni-bare", Addr: addr("10.0.0.2"), Groups: []string{"sg"}},
			{ID: "eni-private", Addr: addr("10.0.1.1"), Public: addr("198.51.100.2"), Groups: []string{"sg"}},
			{ID: "eni-isolated", Addr: addr("10.0.2.1"), Groups: []string{"sg"}},
			{ID: "eni-judged", Addr: addr("10.0.3.1"), Groups: []string{"sg"}},
			{ID: "eni-judged-2", Addr: addr("10.0.3.2"), Groups: []string{"sg"}},
			{ID: "eni-lost", Addr: addr("10.0.4.1"), Groups: []string{"sg"}},
			{ID: "eni-b", Addr: addr("10.1.0.1"), Groups: []string{"sg"}},
			{ID: "eni-nowhere", Addr: addr("10.0.99.1"), Groups: []string{"sg"}},
		},
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	rs := twoVPCs()
	if err := rs.Validate(); err != nil {
		t.Fatal(err)
	}
	yes := Verdict{Admitted: true}
	no := func(s Side, why Why, member, subnet string) Verdict {
		v := Verdict{Blocked: s, Why: why, Subnet: subnet}
		if member != "" {
			v.Members = []string{member}
		}
		return v
	}
	byACL := func(s Side, entry int) Verdict {
		return Verdict{Blocked: s, Why: ByACL, Subnet: "judged", ACL: "acl-1", Entry: entry}
	}
	for _, tc := range []struct {
		name, src, dst string
		port           uint16
		want, back     Verdict
	}{
		{"out, with a public address", "10.0.0.1", "203.0.113.9", 443, yes, yes},
		{"out, without one", "10.0.0.2", "203.0.113.9", 443, no(Egress, NoWay, "eni-bare", "public"), yes},
		{"out by NAT", "10.0.1.1", "203.0.113.9", 443, yes, yes},
		{"a blackhole is no wider route's", "10.0.1.1", "192.0.2.9", 443, no(Egress, NoRoute, "eni-private", "private"), yes},
		{"a gateway without a way out", "10.0.4.1", "203.0.113.9", 443, no(Egress, NoRoute, "eni-lost", "lost"), yes},
		{"no way out", "10.0.2.1", "203.0.113.9", 443, no(Egress, NoRoute, "eni-isolated", "isolated"), yes},
		{"in, by the public address", "203.0.113.9", "198.51.100.1", 443, yes, yes},
		{"in, by the private one", "203.0.113.9", "10.0.0.1", 443, no(Ingress, NoWay, "eni-public", "public"), yes},
		{"in, past NAT", "203.0.113.9", "10.0.1.1", 443, no(Ingress, NoRoute, "eni-private", "private"), yes},
		{"in the VPC", "10.0.0.2", "10.0.2.1", 443, yes, yes},
		{"peered, routed both ways", "10.0.0.1", "10.1.0.1", 443, yes, yes},
		{"and back", "10.1.0.1", "10.0.0.1", 443, yes, yes},
		{"peered, routed there only", "10.1.0.1", "10.0.1.1", 443, no(Egress, NoRoute, "eni-b", "b"), yes},
		{"NAT is no way into another VPC", "10.0.1.1", "10.1.0.1", 443, no(Egress, NoRoute, "eni-private", "private"), yes},
		{"to another's public address", "10.0.1.1", "198.51.100.1", 443, yes, yes},
		{"without a way out", "10.0.2.1", "198.51.100.1", 443, no(Egress, NoRoute, "eni-isolated", "isolated"), yes},
		{"ACL: the first entry", "10.0.0.1", "10.0.3.1", 22, byACL(Ingress, 90), yes},
		{"ACL: a later one, and answers", "10.0.0.1", "10.0.3.1", 443, yes, yes},
		{"ACL: no answers to there", "10.0.2.1", "10.0.3.1", 443, yes, byACL(Egress, acl.Last)},
		{"ACL: out", "10.0.3.1", "10.0.0.1", 443, byACL(Egress, acl.Last), yes},
		{"ACL: not within the subnet", "10.0.3.1", "10.0.3.2", 22, yes, yes},
		{"in a VPC and no subnet", "10.0.99.1", "10.0.0.1", 443, no(Egress, NoRoute, "eni-nowhere", ""), yes},
		{"the machine's own address for tasks", "10.0.2.1", "172.31.0.1", 443, yes, yes},
	} {
		f := Flow{Protocol: TCP, Src: netip.MustParseAddr(tc.src), Dst: netip.MustParseAddr(tc.dst), SrcPort: 40000, DstPort: tc.port}
		got, back := rs.Check(f), rs.Answers(f)
		got.Hop = route.Hop{}
		same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
		if d := cmp.Diff(tc.want, got, same); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
		if d := cmp.Diff(tc.back, back, same); d != "" {
			t.Errorf("%s, the answers (-want +got):\n%s", tc.name, d)
		}
	}
}

// TestJudgeTranslations: a flow is cut whose translation is no longer what the kernel would make of it.
func TestJudgeTranslations(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort
	host := netip.MustParseAddr("198.51.100.250") // of the pool, and the machine has it
	for _, tc := range []struct {
		name, src, dst, asked, seen string
		refused                     bool
	}{
		{"by the public address", "10.0.0.1:40000", "203.0.113.9:443", "203.0.113.9:443", "198.51.100.1", false},
		{"by one that it had before", "10.0.0.1:40000", "203.0.113.9:443", "203.0.113.9:443", "198.51.100.7", true},
		{"by the machine's, before it had one", "10.0.0.1:40000", "203.0.113.9:443", "203.0.113.9:443", "192.0.2.1", true},
		{"by the gateway's", "10.0.1.1:40000", "203.0.113.9:443", "203.0.113.9:443", "198.51.100.200", false},
		{"by its own, where it has to go by the gateway's", "10.0.1.1:40000", "203.0.113.9:443", "203.0.113.9:443", "198.51.100.2", true},
		{"between tasks", "10.0.0.1:40000", "10.0.2.1:443", "10.0.2.1:443", "10.0.0.1", false},
		{"in", "203.0.113.9:40000", "10.0.0.1:443", "198.51.100.1:443", "203.0.113.9", false},
		{"in, by the address of another", "203.0.113.9:40000", "10.0.0.2:443", "198.51.100.1:443", "203.0.113.9", true},
		{"in, by an address that is nobody's any more", "203.0.113.9:40000", "10.0.0.1:443", "198.51.100.9:443", "203.0.113.9", true},
		{"in, past the public address", "203.0.113.9:40000", "10.0.0.1:443", "10.0.0.1:443", "203.0.113.9", true},
		{"from the machine itself", "198.51.100.250:40000", "10.0.0.2:443", "10.0.0.2:443", "198.51.100.250", false},
	} {
		src, dst := at(tc.src), at(tc.dst)
		f := Flow{Protocol: TCP, Src: src.Addr(), Dst: dst.Addr(), SrcPort: src.Port(), DstPort: dst.Port()}
		j := twoVPCs().Judge(map[netip.Addr]bool{host: true}, nil)
		if got := j.Refuses(f, at(tc.asked), netip.MustParseAddr(tc.seen)); got != tc.refused {
			t.Errorf("%s: refused %t, want %t", tc.name, got, tc.refused)
		}
	}
}
