package line

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge/report"
)

const (
	balancer = "arn:aws:elasticloadbalancing:us-east-2:123456789012:loadbalancer/app/my-loadbalancer/50dc6c495c0c9188"
	group1   = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067"
	cert     = "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// request is what AWS's examples have in common.
func request(change func(*report.Request)) *report.Request {
	r := &report.Request{
		Balancer: balancer, Node: netip.MustParseAddr("172.31.0.9"), Kind: report.HTTP,
		Began: at("2018-07-02T22:22:48.364Z"), Ended: at("2018-07-02T22:23:00.186641Z"),
		Client: netip.MustParseAddrPort("192.168.131.39:2817"), Target: netip.MustParseAddrPort("10.0.0.1:80"), Pool: group1,
		Routing: 0, Waiting: 1900 * time.Microsecond, Answering: 999 * time.Microsecond,
		Status: 200, TargetStatus: 200, Received: 34, Sent: 366,
		Method: []byte("GET"), URI: []byte("/"), Scheme: "http", Host: []byte("www.example.com"), Port: "80", Version: "1.1", Agent: []byte("curl/7.46.0"),
		TraceID: []byte("Root=1-58337262-36d228ad5d99923122bbe354"), Actions: []string{"forward"},
	}
	copy(r.Connection[:], "\x12\x34\xab\xcd\x56\x78\xef\x90")
	change(r)
	return r
}

const tid = "TID_1234abcd5678ef900000000000000000"

// TestRequest holds lines to the examples of AWS's user guide, with the fields that it has by now.
func TestRequest(t *testing.T) {
	t.Parallel()
	tls := &report.TLS{Version: "TLSv1.2", Suite: "ECDHE-RSA-AES128-GCM-SHA256", Name: "www.example.com", Certificate: cert}
	reused := &report.TLS{Version: "TLSv1.3", Suite: "TLS_AES_128_GCM_SHA256"}
	for _, tt := range []struct {
		name   string
		change func(*report.Request)
		want   string
	}{
		{"HTTP", func(*report.Request) {}, `http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - ` + group1 + ` "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" ` + tid + ` "-" "-" "-" 172.31.0.9 - -`},
		{"HTTPS", func(r *report.Request) {
			r.Kind, r.Scheme, r.Port, r.TLS, r.Rule = report.HTTPS, "https", "443", tls, 1
			r.Routing, r.Waiting, r.Answering, r.Received, r.Sent = 86*time.Millisecond, 48*time.Millisecond, 37*time.Millisecond, 0, 57
			r.TraceID = []byte("Root=1-58337281-1d84f3d73c47ec4e58577259")
		}, `https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 ` + group1 + ` "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "` + cert + `" 1 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" ` + tid + ` "-" "-" "-" 172.31.0.9 - -`},
		{"HTTP/2 that is led elsewhere, in a session that was resumed", func(r *report.Request) {
			r.Kind, r.Scheme, r.Port, r.Version, r.TLS, r.Rule = report.HTTP2, "https", "773", "2.0", reused, 1
			r.Host, r.URI, r.Pool, r.Target, r.Status, r.TargetStatus = []byte("10.0.2.105"), []byte("/a?b=c"), "", netip.AddrPort{}, 301, 0
			r.Routing, r.Waiting, r.Answering = report.Unknown, report.Unknown, report.Unknown
			r.Actions, r.Location = []string{"redirect"}, []byte("https://example.com:80/")
		}, `h2 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - -1 -1 -1 301 - 34 366 "GET https://10.0.2.105:773/a?b=c HTTP/2.0" "curl/7.46.0" TLS_AES_128_GCM_SHA256 TLSv1.3 - "Root=1-58337262-36d228ad5d99923122bbe354" "-" "session-reused" 1 2018-07-02T22:22:48.364000Z "redirect" "https://example.com:80/" "-" "-" "-" "-" "-" ` + tid + ` "-" "-" "-" 172.31.0.9 - -`},
		{"WebSockets", func(r *report.Request) {
			r.Kind, r.Client, r.Target, r.Routing, r.Waiting = report.WS, netip.MustParseAddrPort("10.0.0.140:40914"), netip.MustParseAddrPort("10.0.1.192:8010"), time.Millisecond, 3*time.Millisecond
			r.Status, r.TargetStatus, r.Received, r.Sent, r.Host, r.Agent, r.Rule = 101, 101, 218, 587, []byte("10.0.0.30"), nil, 1
			r.TraceID = []byte("Root=1-58337364-23a8c76965a2ef7629b185e3")
		}, `ws 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.0.140:40914 10.0.1.192:8010 0.001 0.003 0.000 101 101 218 587 "GET http://10.0.0.30:80/ HTTP/1.1" "-" - - ` + group1 + ` "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 1 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.1.192:8010" "101" "-" "-" ` + tid + ` "-" "-" "-" 172.31.0.9 - -`},
		{"what couldn't be read", func(r *report.Request) {
			*r = report.Request{
				Balancer: balancer, Node: r.Node, Kind: report.HTTP, Began: r.Began, Ended: r.Ended, Client: r.Client, Connection: r.Connection, Status: 400, Sent: 272,
				Routing: report.Unknown, Waiting: report.Unknown, Answering: report.Unknown, Scheme: "http", Host: []byte("lb.elb.localhost"), Port: "80", Rule: report.NoRule,
			}
		}, `http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - -1 -1 -1 400 - 0 272 "- http://lb.elb.localhost:80- -" "-" - - - "-" "-" "-" - 2018-07-02T22:22:48.364000Z "-" "-" "-" "-" "-" "-" "-" ` + tid + ` "-" "-" "-" 172.31.0.9 - -`},
		{"what would break a line, and all that may be said of a request", func(r *report.Request) {
			r.URI, r.Agent, r.Client = []byte(`/a"b\c`), []byte("Mozilla \"5\"\t\xc3\xa9\n"), netip.MustParseAddrPort("[2001:db8::1]:80")
			r.Class, r.Reason, r.Error, r.Rule = "Ambiguous", "DuplicateContentLength", "AWSALBTGCookieInvalid", 50000
			r.Actions, r.NewHost, r.NewURI, r.Rewriting = []string{"rewrite", "forward"}, []byte("b.test"), []byte("/x"), "TransformSuccess"
		}, `http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 [2001:db8::1]:80 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/a\x22b\x5Cc HTTP/1.1" "Mozilla \x225\x22\x09\xC3\xA9\x0A" - - ` + group1 + ` "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 50000 2018-07-02T22:22:48.364000Z "rewrite,forward" "-" "AWSALBTGCookieInvalid" "10.0.0.1:80" "200" "Ambiguous" "DuplicateContentLength" ` + tid + ` "b.test" "/x" "TransformSuccess" 172.31.0.9 - -`},
	} {
		if got := string(Request(nil, request(tt.change))); got != tt.want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	long := request(func(r *report.Request) { r.Agent = []byte(strings.Repeat("a", 9<<10)) })
	if n := strings.Count(string(Request(nil, long)), "a"); n > 8<<10+100 {
		t.Errorf("a long User-Agent isn't cut: %d", n)
	}
}

// TestConnection holds lines to the syntax of AWS's user guide.
func TestConnection(t *testing.T) {
	t.Parallel()
	c := report.Connection{
		Balancer: balancer, Node: netip.MustParseAddr("172.31.0.9"), Time: at("2023-10-04T17:05:15.514108Z"), Client: netip.MustParseAddrPort("203.0.113.1:36280"), Port: "443",
		TLS: &report.TLS{Version: "TLSv1.2", Suite: "ECDHE-RSA-AES128-GCM-SHA256", Group: "secp256r1"}, Shaking: 4036 * time.Millisecond,
	}
	copy(c.ID[:], "\x31\x80\xa7\x30\x13\xc8\xca\x4b\xac\x2f\x73\x11\x59\xd4\xb0\xfe")
	plain := c
	plain.TLS, plain.Shaking, plain.Port = nil, 0, "80"
	failed := plain
	failed.Failed, failed.Port = "UnmappedConnectionError", "443"
	for _, tt := range []struct {
		c    report.Connection
		want string
	}{
		{c, `2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 "-" - - Success TID_3180a73013c8ca4bac2f731159d4b0fe secp256r1 app/my-loadbalancer/50dc6c495c0c9188 172.31.0.9`},
		{plain, `2023-10-04T17:05:15.514108Z 203.0.113.1 36280 80 - - - "-" - - Success TID_3180a73013c8ca4bac2f731159d4b0fe - app/my-loadbalancer/50dc6c495c0c9188 172.31.0.9`},
		{failed, `2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 - - - "-" - - Failed:UnmappedConnectionError TID_3180a73013c8ca4bac2f731159d4b0fe - app/my-loadbalancer/50dc6c495c0c9188 172.31.0.9`},
	} {
		if got := string(Connection(nil, &tt.c)); got != tt.want+"\n" {
			t.Errorf("\n got %s\nwant %s", got, tt.want)
		}
	}
}

// TestCheck holds lines to the examples of AWS's user guide, with the fields that it has by now.
func TestCheck(t *testing.T) {
	t.Parallel()
	passed := report.Check{
		Balancer: balancer, Node: netip.MustParseAddr("172.31.0.9"), Kind: report.HTTP, Time: at("2025-10-31T12:44:59.875678Z"), Took: 19584011,
		Target: netip.MustParseAddrPort("172.31.20.97:80"), Pool: strings.Replace(group1, "my-targets", "HCLogsTestIPs", 1), Passed: true, Status: 200, HasCode: true,
	}
	failed := passed
	failed.Time, failed.Took, failed.Target = at("2025-10-31T12:44:58.901409Z"), 1121980746, netip.MustParseAddrPort("172.31.31.9:80")
	failed.Passed, failed.Status, failed.Reason = false, 502, "TargetError"
	late := failed
	late.HasCode, late.Reason = false, "TimedOut"
	grpc := passed
	grpc.Kind, grpc.Status = report.GRPC, 0
	const tail = " app/my-loadbalancer/50dc6c495c0c9188 172.31.0.9"
	for _, tt := range []struct {
		c    report.Check
		want string
	}{
		{passed, "http 2025-10-31T12:44:59.875678Z 0.019584011 172.31.20.97:80 HCLogsTestIPs PASS 200 -"},
		{failed, "http 2025-10-31T12:44:58.901409Z 1.121980746 172.31.31.9:80 HCLogsTestIPs FAIL 502 TargetError"},
		{late, "http 2025-10-31T12:44:58.901409Z 1.121980746 172.31.31.9:80 HCLogsTestIPs FAIL - TimedOut"},
		{grpc, "grpc 2025-10-31T12:44:59.875678Z 0.019584011 172.31.20.97:80 HCLogsTestIPs PASS 0 -"},
	} {
		if got := string(Check(nil, &tt.c)); got != tt.want+tail+"\n" {
			t.Errorf("\n got %s\nwant %s", got, tt.want+tail)
		}
	}
}

// TestPlace holds keys to the examples of AWS's user guide.
func TestPlace(t *testing.T) {
	t.Parallel()
	lb := "arn:aws:elasticloadbalancing:us-east-2:123456789012:loadbalancer/app/my-loadbalancer/1234567890abcdef"
	for _, tt := range []struct {
		kind              Kind
		prefix, key, test string
	}{
		{Access, "logging-prefix", "logging-prefix/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2022/05/01/123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef_20220501T2340Z_172.160.1.192_20sg8hgm.log.gz", "logging-prefix/AWSLogs/123456789012/ELBAccessLogTestFile"},
		{Conn, "", "AWSLogs/123456789012/elasticloadbalancing/us-east-2/2022/05/01/conn_log_123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef_20220501T2340Z_172.160.1.192_20sg8hgm.log.gz", "AWSLogs/123456789012/ELBConnectionLogTestFile"},
		{Health, "a/b/", "a/b/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2022/05/01/health_check_log_123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef_20220501T2340Z_172.160.1.192_20sg8hgm.log.gz", "a/b/AWSLogs/123456789012/ELBHealthCheckLogTestFile"},
	} {
		p := Place{Kind: tt.kind, Prefix: tt.prefix, Account: "123456789012", Region: "us-east-2", Balancer: lb}
		if got := p.Key(at("2022-05-01T23:40:00Z"), netip.MustParseAddr("172.160.1.192"), "20sg8hgm"); got != tt.key {
			t.Errorf("key\n got %s\nwant %s", got, tt.key)
		}
		if got := p.Test(); got != tt.test {
			t.Errorf("test file %s, want %s", got, tt.test)
		}
		if text, err := io.ReadAll(TestFile(tt.kind, lb, at("2022-05-01T23:40:00Z"))); err != nil || !strings.HasSuffix(string(text), " for ELB: app/my-loadbalancer/1234567890abcdef at 2022-05-01T23:40:00.000Z") {
			t.Errorf("test file says %s, %v", text, err)
		}
	}
}
