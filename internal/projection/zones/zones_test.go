package zones

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/zone"
)

// TestBalancersAddress: a balancer has a record of its address' family, and none without an address.
func TestBalancersAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]uint16{"192.0.2.1": dns.TypeA, "::ffff:192.0.2.1": dns.TypeA, "2001:db8::1": dns.TypeAAAA, "": 0} {
		b := Balancers{Name: "us-west-2.elb.localhost.", Names: []string{"app.us-west-2.elb.localhost"}}
		if addr != "" {
			b.Addr = netip.MustParseAddr(addr)
		}
		s := New("us-west-2", "ZB")
		s.SetBalancers(b)
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			got := s.Table().Answer(zone.Question{Name: "app.us-west-2.elb.localhost.", Type: kind}).Answer
			if (len(got) == 1) != (kind == want) || len(got) == 1 && got[0].Header().Rrtype != kind {
				t.Errorf("%q: got %v of type %s", addr, got, dns.TypeToString[kind])
			}
		}
	}
}
