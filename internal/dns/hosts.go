package dns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Hosts are the names that the addresses of a network have by themselves, as ip-10-0-0-5.us-west-2.compute.internal
// (https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html).
type Hosts struct {
	Has    func(netip.Addr) bool // whether an address is of the network
	Domain string                // without a dot at its end
}

// hostTTL is how long such a name may be remembered, in seconds.
const hostTTL = 60

// answer returns what such a name, or such an address, has. Ours is false for every other name.
func (h Hosts) answer(q dns.Question) (rrs []dns.RR, ours bool) {
	name := dns.CanonicalName(q.Name)
	addr, ours := h.named(name)
	if !ours {
		return h.reverse(q, name)
	}
	if q.Qtype == dns.TypeA {
		rrs = append(rrs, &dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: hostTTL}, A: addr.AsSlice()})
	}
	return rrs, true
}

// named is the address that a name says.
func (h Hosts) named(name string) (netip.Addr, bool) {
	label, ok := strings.CutSuffix(name, "."+h.Domain+".")
	dashed, is := strings.CutPrefix(label, "ip-")
	if !ok || !is {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(dashed, "-", "."))
	return addr, err == nil && h.Has(addr)
}

// reverse returns the name of an address.
func (h Hosts) reverse(q dns.Question, name string) (rrs []dns.RR, ours bool) {
	turned, ok := strings.CutSuffix(name, ".in-addr.arpa.")
	if !ok {
		return nil, false
	}
	parts := strings.Split(turned, ".")
	if len(parts) != 4 {
		return nil, false
	}
	addr, err := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
	if err != nil || !h.Has(addr) {
		return nil, false
	}
	if q.Qtype == dns.TypePTR {
		rrs = append(rrs, &dns.PTR{
			Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: hostTTL},
			Ptr: "ip-" + strings.ReplaceAll(addr.String(), ".", "-") + "." + h.Domain + ".",
		})
	}
	return rrs, true
}
