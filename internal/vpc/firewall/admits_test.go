package firewall

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	rs := &Ruleset{
		CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Groups: []Group{
			{ID: "sg-web", Ingress: []Rule{{Protocol: 6, FromPort: 80, ToPort: 81, CIDR: anywhere}}, Egress: []Rule{all}},
			{ID: "sg-db", Ingress: []Rule{
				{Protocol: 6, FromPort: 5432, ToPort: 5432, Group: "sg-web"},
				{Protocol: 1, FromPort: 8, ToPort: -1, CIDR: netip.MustParsePrefix("10.0.0.0/24")},
				{Protocol: 17, FromPort: -1, ToPort: -1, CIDR: netip.MustParsePrefix("192.0.2.0/24")},
				{Protocol: 50, CIDR: anywhere},
				{Protocol: -1, Group: "sg-nobody"},
				{Protocol: -1}, // from nobody
			}},
			{ID: "sg-v6", Ingress: []Rule{{Protocol: -1, CIDR: netip.MustParsePrefix("::/0")}}},
		},
		Members: []Member{
			{ID: "eni-web", Addr: addr("10.0.0.1"), Groups: []string{"sg-web"}},
			{ID: "eni-db", Addr: addr("10.0.0.2"), Groups: []string{"sg-db"}},
			{ID: "eni-both", Addr: addr("10.0.0.3"), Groups: []string{"sg-db", "sg-web"}},
			{ID: "eni-none", Addr: addr("10.0.0.4")},
			{ID: "eni-v6", Addr: addr("10.0.0.5"), Groups: []string{"sg-v6", "sg-gone"}},
		},
		Fronts: []Front{
			{Addr: netip.MustParseAddrPort("127.0.0.1:80"), Members: []string{"eni-none", "eni-web"}},
			{Addr: netip.MustParseAddrPort("127.0.0.1:8080"), Members: []string{"eni-db"}},
			{Addr: netip.MustParseAddrPort("127.0.0.1:81"), Members: []string{"eni-gone"}},
			{Addr: netip.MustParseAddrPort("[::1]:80"), Members: []string{"eni-v6"}},
		},
	}
	yes := Verdict{Admitted: true}
	no := func(s Side, members, groups []string) Verdict {
		return Verdict{Blocked: s, Why: ByGroup, Members: members, Groups: groups}
	}
	for _, tc := range []struct {
		name     string
		protocol int
		src, dst string
		port     uint16
		want     Verdict
	}{
		{"port in range", 6, "192.0.2.9", "10.0.0.1", 81, yes},
		{"port out of range", 6, "192.0.2.9", "10.0.0.1", 82, no(Ingress, []string{"eni-web"}, []string{"sg-web"})},
		{"other protocol", 17, "192.0.2.9", "10.0.0.1", 80, no(Ingress, []string{"eni-web"}, []string{"sg-web"})},
		{"from the group", 6, "10.0.0.1", "10.0.0.2", 5432, yes},
		{"from another of several groups", 6, "10.0.0.3", "10.0.0.2", 5432, yes},
		{"no egress", 6, "10.0.0.2", "10.0.0.1", 80, no(Egress, []string{"eni-db"}, []string{"sg-db"})},
		{"any group of several", 6, "10.0.0.1", "10.0.0.3", 80, yes},
		{"no groups", 6, "10.0.0.1", "10.0.0.4", 80, no(Ingress, []string{"eni-none"}, nil)},
		{"not a member", 6, "10.0.0.1", "10.0.0.9", 80, no(Ingress, nil, nil)},
		{"from not a member", 6, "10.0.0.9", "10.0.0.1", 80, no(Egress, nil, nil)},
		{"itself", 6, "10.0.0.4", "10.0.0.4", 80, yes},
		{"to outside", 6, "10.0.0.1", "192.0.2.1", 443, yes},
		{"not ours", 6, "192.0.2.1", "192.0.2.2", 443, yes},
		{"echo", 1, "10.0.0.1", "10.0.0.2", 8 << 8, yes},
		{"other icmp", 1, "10.0.0.1", "10.0.0.2", 13 << 8, no(Ingress, []string{"eni-db"}, []string{"sg-db"})},
		{"echo from elsewhere", 1, "192.0.2.1", "10.0.0.2", 8 << 8, no(Ingress, []string{"eni-db"}, []string{"sg-db"})},
		{"all ports", 17, "192.0.2.1", "10.0.0.2", 65535, yes},
		{"protocol without ports", 50, "198.51.100.1", "10.0.0.2", 0, yes},
		{"IPv6 rule, IPv4 packet; group gone", 6, "192.0.2.1", "10.0.0.5", 80, no(Ingress, []string{"eni-v6"}, []string{"sg-v6", "sg-gone"})},
		{"front, by any member, from itself", 6, "127.0.0.1", "127.0.0.1", 80, yes},
		{"front refuses", 6, "127.0.0.1", "127.0.0.1", 8080, no(Ingress, []string{"eni-db"}, []string{"sg-db"})},
		{"front without members", 6, "127.0.0.1", "127.0.0.1", 81, no(Ingress, []string{"eni-gone"}, nil)},
		{"front by udp is none", 17, "127.0.0.1", "127.0.0.1", 8080, yes},
		{"IPv6 front", 6, "::1", "::1", 80, yes},
	} {
		got := rs.Check(Flow{Protocol: tc.protocol, Src: addr(tc.src), Dst: addr(tc.dst), SrcPort: 40000, DstPort: tc.port})
		if d := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
}

var (
	anywhere = netip.MustParsePrefix("0.0.0.0/0")
	all      = Rule{Protocol: All, CIDR: anywhere}
)
