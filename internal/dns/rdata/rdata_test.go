package rdata_test

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/rdata"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, text, want string }{
		{"A", "192.0.2.1", "192.0.2.1"},
		{"A", "192.0.2", ""},
		{"A", "www.example.com", ""},
		{"A", "192.0.2.1 192.0.2.2", ""},
		{"A", "192.0.2.1\nb 1 IN A 192.0.2.2", ""},
		{"A", "192.0.2.1 ; first", ""},
		{"A", "( 192.0.2.1 )", ""},
		{"A", "", ""},
		{"A", `\# 4 c0000201`, ""},
		{"AAAA", "2001:DB8:0::1", "2001:db8::1"},
		{"AAAA", "192.0.2.1", ""},
		{"CNAME", "WWW.example.com", "www.example.com."},
		{"CNAME", "a..b", ""},
		{"MX", "10 mail.example.com", "10\tmail.example.com."},
		{"MX", "mail.example.com", ""},
		{"MX", "65536 mail.example.com", ""},
		{"TXT", `"one" "Two;(\"3\")"`, `"one" "Two;(\"3\")"`},
		{"TXT", `"open`, ""},
		{"TXT", `"tail\`, ""},
		{"SRV", "1 10 5269 xmpp.example.com.", "1 10 5269 xmpp.example.com."},
		{"CAA", `0 issue "ca.example.com"`, `0 issue "ca.example.com"`},
		{"NAPTR", `100 50 "u" "sip+E2U" "!^.*$!sip:a@b.c!" .`, `100 50 "u" "sip+E2U" "!^.*$!sip:a@b.c!" .`},
		{"DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"},
		{"SSHFP", "2 1 123456789abcdef67890123456789abcdef67890", "2 1 123456789ABCDEF67890123456789ABCDEF67890"},
		{"TLSA", "3 1 1 0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3", "3 1 1 0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3"},
		{"HTTPS", `1 . alpn="h2,h3" port="8443"`, `1 . alpn="h2,h3" port="8443"`},
		{"SVCB", "0 other.example.com", "0 other.example.com."},
		{"SOA", "ns.example.com. Admin.example.com. 1 7200 900 1209600 86400", "ns.example.com. admin.example.com. 1 7200 900 1209600 86400"},
		{"SPF", `"v=spf1 -all"`, `"v=spf1 -all"`},
	} {
		number, ok := rdata.TypeOf(tt.kind)
		if !ok {
			t.Fatalf("no type %s", tt.kind)
		}
		rr, err := rdata.Parse("a.example.com.", number, 60, tt.text)
		if (err == nil) != (tt.want != "") {
			t.Errorf("%s %q: got %v, %v, want %q", tt.kind, tt.text, rr, err, tt.want)
			continue
		}
		if err != nil {
			continue
		}
		if got := strings.TrimPrefix(rdata.Text(rr), "\t"); got != tt.want && strings.ReplaceAll(got, "\t", " ") != strings.ReplaceAll(tt.want, "\t", " ") {
			t.Errorf("%s %q: got %q, want %q", tt.kind, tt.text, got, tt.want)
		}
	}
}

// FuzzParse holds that what was read can be sent, and is read the same again.
func FuzzParse(f *testing.F) {
	f.Add(uint16(dns.TypeTXT), `"a" "b"`)
	f.Add(uint16(dns.TypeHTTPS), `1 . alpn=h2`)
	f.Fuzz(func(t *testing.T, number uint16, text string) {
		rr, err := rdata.Parse("a.example.com.", number, 60, text)
		if err != nil {
			return
		}
		m := new(dns.Msg)
		m.Answer = []dns.RR{rr}
		b, err := m.Pack()
		if err != nil {
			t.Fatalf("%q can't be sent: %v", text, err)
		}
		if err := new(dns.Msg).Unpack(b); err != nil {
			t.Fatalf("%q can't be read: %v", text, err)
		}
	})
}
