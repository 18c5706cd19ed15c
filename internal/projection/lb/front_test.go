package lb

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc"
)

// shared is three balancers: two on port 80, of which one has two interfaces,
// and one whose interface isn't made yet.
func shared() *Input {
	return &Input{
		Address: netip.MustParseAddr("127.0.0.1"),
		Listeners: []elbv2.Listener{
			{ARN: "l1", LoadBalancer: "b", Port: 80},
			{ARN: "l2", LoadBalancer: "a", Port: 80},
			{ARN: "l3", LoadBalancer: "a", Port: 8080},
			{ARN: "l4", LoadBalancer: "new", Port: 81},
		},
		Interfaces: []elbv2.Interface{
			{LoadBalancer: "b", Subnet: "s1", ID: "eni-3"},
			{LoadBalancer: "a", Subnet: "s1", ID: "eni-2"},
			{LoadBalancer: "a", Subnet: "s2", ID: "eni-1"},
			{LoadBalancer: "new", Subnet: "s1"},
		},
	}
}

func TestFronts(t *testing.T) {
	t.Parallel()
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port) }
	want := []vpc.Front{
		{Addr: at(80), Members: []string{"eni-1", "eni-2", "eni-3"}},
		{Addr: at(81)}, // nobody gets in yet
		{Addr: at(8080), Members: []string{"eni-1", "eni-2"}},
	}
	if diff := cmp.Diff(want, shared().Fronts(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	want := map[string][]uint16{"eni-1": {80, 8080}, "eni-2": {80, 8080}, "eni-3": {80}}
	if diff := cmp.Diff(want, shared().Ports()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAdmitted(t *testing.T) {
	t.Parallel()
	one, two := netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")
	got := shared().Admitted(func(iface string, port uint16) []netip.Prefix {
		switch {
		case iface == "eni-3":
			return []netip.Prefix{one, two}
		case port == 8080:
			return []netip.Prefix{two}
		}
		return nil
	})
	want := map[string]map[uint16][]netip.Prefix{
		"a": {80: nil, 8080: {two}},
		"b": {80: {one, two}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
