package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// named is an instance with a name server.
type named struct {
	*skylift
	at string
}

// ask returns the data of a question's answer in order, or the code where there is none.
func (n *named) ask(t *testing.T, network, name string, number uint16) string {
	t.Helper()
	c := dns.Client{Net: network, Timeout: 20 * time.Second}
	r, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, number), n.at)
	if err != nil {
		t.Fatalf("ask for %s: %v", name, err)
	}
	var all []string
	for _, rr := range r.Answer {
		all = append(all, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return dns.RcodeToString[r.Rcode]
	}
	return strings.Join(all, ", ")
}

func (n *named) want(t *testing.T, when, name string, number uint16, want string) {
	t.Helper()
	for _, network := range []string{"udp", "tcp"} {
		if got := n.ask(t, network, name, number); got != want {
			t.Errorf("%s: %s %s over %s is %q, want %q", when, name, dns.TypeToString[number], network, got, want)
		}
	}
}

func (n *named) route53(t *testing.T, query string, args ...string) string {
	t.Helper()
	return n.aws(t, append(append([]string{"route53"}, args...), "--output", "text", "--query", query)...)
}

// change makes a batch, and waits until it is in sync.
func (n *named) change(t *testing.T, zone string, sets ...string) {
	t.Helper()
	var all []string
	for _, s := range sets {
		all = append(all, `{"Action":"UPSERT","ResourceRecordSet":`+s+`}`)
	}
	id := n.route53(t, "ChangeInfo.Id", "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", `{"Changes":[`+strings.Join(all, ",")+`]}`)
	takes(t, 10*time.Second, "the change is in sync", func() bool { return n.route53(t, "ChangeInfo.Status", "get-change", "--id", id) == "INSYNC" })
}

func plainSet(name, kind, value string) string {
	return fmt.Sprintf(`{"Name":%q,"Type":%q,"TTL":60,"ResourceRecords":[{"Value":%q}]}`, name, kind, value)
}

// TestDNS: what people put into Route 53 by the AWS CLI is answered, over UDP and TCP, also after a kill.
func TestDNS(t *testing.T) {
	t.Parallel()
	need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	n := &named{start(t, "--dns-listen", at), at}
	zone := n.route53(t, "HostedZone.Id", "create-hosted-zone", "--name", "example.test", "--caller-reference", "1")
	n.change(t, zone,
		plainSet("a.example.test", "A", "192.0.2.1"), plainSet("v6.example.test", "AAAA", "2001:db8::1"), plainSet("www.example.test", "CNAME", "a.example.test"),
		plainSet("example.test", "MX", "10 mail.example.test"), plainSet("txt.example.test", "TXT", `"v=spf1 -all"`), plainSet("srv.example.test", "SRV", "1 2 443 a.example.test"),
		plainSet("example.test", "CAA", `0 issue "ca.example.test"`), plainSet("*.apps.example.test", "A", "192.0.2.9"),
		`{"Name":"w.example.test","Type":"A","TTL":5,"SetIdentifier":"all","Weight":10,"ResourceRecords":[{"Value":"192.0.2.11"}]}`,
		`{"Name":"w.example.test","Type":"A","TTL":5,"SetIdentifier":"none","Weight":0,"ResourceRecords":[{"Value":"192.0.2.12"}]}`)
	all := func(when string) {
		t.Helper()
		n.want(t, when, "a.example.test.", dns.TypeA, "192.0.2.1")
		n.want(t, when, "v6.example.test.", dns.TypeAAAA, "2001:db8::1")
		n.want(t, when, "www.example.test.", dns.TypeA, "192.0.2.1, a.example.test.")
		n.want(t, when, "example.test.", dns.TypeMX, "10 mail.example.test.")
		n.want(t, when, "txt.example.test.", dns.TypeTXT, `"v=spf1 -all"`)
		n.want(t, when, "srv.example.test.", dns.TypeSRV, "1 2 443 a.example.test.")
		n.want(t, when, "example.test.", dns.TypeCAA, `0 issue "ca.example.test"`)
		n.want(t, when, "x.apps.example.test.", dns.TypeA, "192.0.2.9")
		n.want(t, when, "w.example.test.", dns.TypeA, "192.0.2.11")
		n.want(t, when, "none.example.test.", dns.TypeA, "NXDOMAIN")
		n.want(t, when, "example.com.", dns.TypeA, "REFUSED")
	}
	all("at first")
	if setup := n.run(t, "dns", "setup", "--data-dir", n.dir); !strings.Contains(setup, "Domains=~example.test") || !strings.Contains(setup, "server=/example.test/127.0.0.1#") {
		t.Errorf("dns setup says %s", setup)
	}
	code, _ := n.awsErr(t, "route53", "test-dns-answer", "--hosted-zone-id", zone, "--record-name", "a.example.test", "--record-type", "A", "--resolver-ip", "192.0.2.53")
	if code == "" {
		t.Error("a resolver's address is taken, and has no effect")
	}
	if got := n.route53(t, "RecordData", "test-dns-answer", "--hosted-zone-id", zone, "--record-name", "a.example.test", "--record-type", "A"); got != "192.0.2.1" {
		t.Errorf("test-dns-answer: %s", got)
	}

	var ill atomic.Bool
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer page.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(page.URL, "http://"), ":")
	check := n.route53(t, "HealthCheck.Id", "create-health-check", "--caller-reference", "1", "--health-check-config",
		"Type=HTTP,IPAddress=127.0.0.1,ResourcePath=/,RequestInterval=10,FailureThreshold=1,Port="+port)
	n.change(t, zone,
		`{"Name":"f.example.test","Type":"A","TTL":5,"SetIdentifier":"first","Failover":"PRIMARY","HealthCheckId":"`+check+`","ResourceRecords":[{"Value":"192.0.2.21"}]}`,
		`{"Name":"f.example.test","Type":"A","TTL":5,"SetIdentifier":"second","Failover":"SECONDARY","ResourceRecords":[{"Value":"192.0.2.22"}]}`)
	n.want(t, "while it is well", "f.example.test.", dns.TypeA, "192.0.2.21")
	ill.Store(true)
	takes(t, time.Minute, "the secondary answers", func() bool { return n.ask(t, "udp", "f.example.test.", dns.TypeA) == "192.0.2.22" })
	if got := n.route53(t, "HealthCheckObservations[0].StatusReport.Status", "get-health-check-status", "--health-check-id", check); !strings.HasPrefix(got, "Failure: HTTP Status Code 503") {
		t.Errorf("get-health-check-status: %s", got)
	}

	n.kill9(t)
	n.restart(t)
	all("after a kill")
	n.want(t, "after a kill", "f.example.test.", dns.TypeA, "192.0.2.22")
	ill.Store(false)
	takes(t, time.Minute, "the primary answers again", func() bool { return n.ask(t, "udp", "f.example.test.", dns.TypeA) == "192.0.2.21" })
}
