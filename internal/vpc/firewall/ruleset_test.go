package firewall

import (
	"net/netip"
	"testing"

	"github.com/skylift/skylift/internal/vpc/firewall/route"
)

// TestEqual changes one thing at a time of a ruleset.
func TestEqual(t *testing.T) {
	t.Parallel()
	build := func(change func(*Ruleset)) *Ruleset {
		r := &Ruleset{
			Groups:   []Group{{ID: "sg-a", Ingress: []Rule{{Protocol: 6, FromPort: 80, ToPort: 80, Group: "sg-b"}}, Egress: []Rule{{Protocol: -1}}}, {ID: "sg-b"}},
			Members:  []Member{{ID: "eni-a", Addr: netip.MustParseAddr("10.0.0.1"), Groups: []string{"sg-a"}}},
			Fronts:   []Front{{Addr: netip.MustParseAddrPort("127.0.0.1:80"), Members: []string{"eni-a"}}},
			Services: []Service{{Protocol: TCP, Addr: netip.MustParseAddrPort("169.254.170.2:80")}},
			CIDR:     netip.MustParsePrefix("10.0.0.0/16"),
		}
		change(r)
		return r
	}
	one := build(func(*Ruleset) {})
	if !one.Equal(build(func(*Ruleset) {})) {
		t.Error("isn't equal to the same")
	}
	for name, change := range map[string]func(*Ruleset){
		"group id":       func(r *Ruleset) { r.Groups[1].ID = "sg-c" },
		"group gone":     func(r *Ruleset) { r.Groups = r.Groups[:1] },
		"ingress":        func(r *Ruleset) { r.Groups[0].Ingress[0].ToPort = 81 },
		"egress":         func(r *Ruleset) { r.Groups[0].Egress = nil },
		"member id":      func(r *Ruleset) { r.Members[0].ID = "eni-b" },
		"member address": func(r *Ruleset) { r.Members[0].Addr = netip.MustParseAddr("10.0.0.2") },
		"member groups":  func(r *Ruleset) { r.Members[0].Groups = []string{"sg-b"} },
		"member more":    func(r *Ruleset) { r.Members = append(r.Members, Member{ID: "eni-b"}) },
		"front address":  func(r *Ruleset) { r.Fronts[0].Addr = netip.MustParseAddrPort("127.0.0.1:81") },
		"front members":  func(r *Ruleset) { r.Fronts[0].Members = nil },
		"service":        func(r *Ruleset) { r.Services[0].To = netip.MustParseAddrPort("127.0.0.1:9") },
		"net":            func(r *Ruleset) { r.Net = route.Single(netip.MustParsePrefix("10.0.0.0/16")) },
		"pool":           func(r *Ruleset) { r.Pool = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		"public address": func(r *Ruleset) { r.Members[0].Public = netip.MustParseAddr("192.0.2.1") },
		"range":          func(r *Ruleset) { r.CIDR = netip.MustParsePrefix("10.1.0.0/16") },
	} {
		if other := build(change); one.Equal(other) || other.Equal(one) {
			t.Errorf("%s: equal", name)
		}
	}
}
