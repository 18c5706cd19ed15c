package zones

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/rdata"
	"github.com/skylift/skylift/internal/dns/zone"
	"github.com/skylift/skylift/internal/service/route53/record"
)

// Test is what is answered from a zone: the code, and the data of records.
func Test(t *zone.Table, id, name, kind string) (code string, data []string) {
	z := t.Zone(id)
	number, known := rdata.TypeOf(kind)
	if z == nil || !known {
		return dns.RcodeToString[dns.RcodeRefused], nil
	}
	got := t.AnswerFrom(z, zone.Question{Name: record.Decimal(name), Type: number})
	for _, rr := range got.Answer {
		data = append(data, rdata.Text(rr))
	}
	return dns.RcodeToString[got.Rcode], data
}

// Says tells whether a name, without a dot at its end, has a text in the public zones.
func Says(t *zone.Table, name, text string) bool {
	for _, rr := range t.Answer(zone.Question{Name: name + ".", Type: dns.TypeTXT}).Answer {
		if txt, ok := rr.(*dns.TXT); ok && strings.Join(txt.Txt, "") == text {
			return true
		}
	}
	return false
}

// Addresses returns the IPv4 addresses that a name has in the public zones. Where others know more, it returns which name to ask
// them for; "" is nobody.
func Addresses(t *zone.Table, name string) (all []netip.Addr, out string) {
	a := t.Answer(zone.Question{Name: dns.Fqdn(name), Type: dns.TypeA})
	for _, rr := range a.Answer {
		if is, ok := rr.(*dns.A); ok {
			if addr, ok := netip.AddrFromSlice(is.A.To4()); ok {
				all = append(all, addr)
			}
		}
	}
	switch {
	case len(all) > 0:
		return all, ""
	case !a.Ours || a.Referral:
		return nil, name
	}
	return nil, a.Out
}
