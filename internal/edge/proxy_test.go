package edge_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

func TestForwardedHeaders(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	seen := make(chan *http.Request, 1)
	bind := f.bind()
	f.load(forwardAll(bind, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "ELB-HealthChecker/2.0" {
			seen <- r.Clone(t.Context())
		}
	})))
	ask(t, bind, "GET /a%20b?x=1 HTTP/1.1\r\nHost: A.example.com:8080\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"+
		"Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nX-Kept: 2\r\n\r\n")
	r := <-seen
	for name, want := range map[string]string{
		"X-Forwarded-For": "1.2.3.4, 127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80",
		"X-Mine": "", "Keep-Alive": "", "X-Kept": "2",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if r.Host != "a.example.com" || r.RequestURI != "/a%20b?x=1" {
		t.Errorf("got host %q and target %q", r.Host, r.RequestURI)
	}
	if trace := r.Header.Get("X-Amzn-Trace-Id"); !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(trace) {
		t.Errorf("got trace %q", trace)
	}

	ask(t, bind, "GET / HTTP/1.1\r\nHost: a\r\nX-Amzn-Trace-Id: Self=1-2-3;Root=1-67891233-abcdef012345678912345678;CalledFrom=app\r\n\r\n")
	trace := (<-seen).Header.Get("X-Amzn-Trace-Id")
	if !regexp.MustCompile(`^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678;CalledFrom=app$`).MatchString(trace) {
		t.Errorf("got trace %q", trace)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	host := func(v ...string) table.Condition { return table.Condition{Field: table.HostHeader, Values: v} }
	path := func(v ...string) table.Condition { return table.Condition{Field: table.PathPattern, Values: v} }
	l := listener("l", bind, fixed(404, "none"))
	l.Rules = []table.Rule{
		{Conditions: []table.Condition{host("a.example.com"), path("/api/*")}, Action: fixed(200, "a-api")},
		{Conditions: []table.Condition{host("*.Example.com")}, Action: fixed(200, "example")},
		{Conditions: []table.Condition{path("/img/?.gif", "/css/*")}, Action: fixed(200, "static")},
	}
	other := listener("other", bind, fixed(200, "other-default"))
	other.Rules = []table.Rule{{Conditions: []table.Condition{host("other.org")}, Action: fixed(200, "other-org")}}
	f.load(&table.Table{Listeners: []table.Listener{l, other}})
	for _, tt := range []struct{ host, target, want string }{
		{"a.example.com", "/api/x", "a-api"},
		{"A.EXAMPLE.com:8080", "/api/x?y", "a-api"},
		{"a.example.com", "/API/x", "example"},
		{"b.example.com.", "/", "example"},
		{"x", "/img/a.gif?v=1", "static"},
		{"x", "/img/aa.gif", "none"},
		{"x", "http://a.example.com/api/", "a-api"},
		{"l.elb.localhost", "/", "none"},
		{"OTHER.elb.localhost:80", "/", "other-default"},
		{"other.org", "/", "other-org"},
		{"[::1]:80", "/", "none"},
	} {
		res, body := ask(t, bind, "GET "+tt.target+" HTTP/1.1\r\nHost: "+tt.host+"\r\n\r\n")
		if body != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.host, tt.target, body, tt.want)
		}
		if got := res.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Errorf("got Content-Type %q", got)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, backend(t, says("ok"))))
	long := strings.Repeat("a", 20<<10)
	for _, tt := range []struct {
		request string
		want    int
	}{
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"GET /\r\n\r\n", 400},
		{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
		{"GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX : x\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
		{"GET /" + long + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: " + long + "\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+long[:8<<10]+"\r\n", 12) + "\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1" + strings.Repeat(",1", 30) + "\r\n\r\n", 463},
		{"GET / HTTP/1.0\r\n\r\n", 200},
		{"GET / HTTP/1.1\nHost: a\n\n", 200},
	} {
		res, body := ask(t, bind, tt.request)
		if res.StatusCode != tt.want {
			t.Errorf("%.70q: got %d, want %d", tt.request, res.StatusCode, tt.want)
		}
		if tt.want != 200 && (res.Header.Get("Server") != "awselb/2.0" || !strings.Contains(body, fmt.Sprint(tt.want))) {
			t.Errorf("%.70q: got header %v and body %q", tt.request, res.Header, body)
		}
	}
}

func TestGatewayErrors(t *testing.T) {
	t.Parallel()
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	answers := func(text string) netip.AddrPort {
		return rawBackend(t, func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)     //nolint:errcheck // whatever it is
			io.WriteString(c, text) //nolint:errcheck // as above
			if text == "" {
				c.(*net.TCPConn).SetLinger(0) //nolint:errcheck // resets
			}
			if text == "-" {
				r.ReadByte() //nolint:errcheck // until it gives up
			}
		})
	}
	silent := rawBackend(t, func(_ net.Conn, r *bufio.Reader) {
		http.ReadRequest(r) //nolint:errcheck // whatever it is
		r.ReadByte()        //nolint:errcheck // until it gives up
	})
	for _, tt := range []struct {
		name    string
		targets []netip.AddrPort
		want    int
		title   string
	}{
		{"no targets", nil, 503, "503 Service Temporarily Unavailable"},
		{"refused", []netip.AddrPort{netip.MustParseAddrPort(refused.Addr().String())}, 502, "502 Bad Gateway"},
		{"reset", []netip.AddrPort{answers("")}, 502, "502 Bad Gateway"},
		{"malformed", []netip.AddrPort{answers("hello there\r\n\r\n")}, 502, "502 Bad Gateway"},
		{"half a head", []netip.AddrPort{answers("HTTP/1.1 200 OK\r\nX: ")}, 502, "502 Bad Gateway"},
		{"too large a head", []netip.AddrPort{answers("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: 1234567\r\n", 8<<10))}, 502, "502 Bad Gateway"},
		{"silent", []netip.AddrPort{silent}, 504, "504 Gateway Time-out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, edge.Config{})
			bind := f.bind()
			tb := forwardAll(bind, tt.targets...)
			tb.Listeners[0].Balancer.IdleTimeout = 1e9 / 2
			f.load(tb)
			res, body := ask(t, bind, get)
			if res.StatusCode != tt.want || !strings.Contains(body, "<head><title>"+tt.title+"</title></head>") {
				t.Errorf("got %d %q, want %d", res.StatusCode, body, tt.want)
			}
			if got := res.Header.Get("Server"); got != "awselb/2.0" {
				t.Errorf("got Server %q", got)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, answer, method, version string
		body                          string
		keeps                         bool
		header                        string // that is there
	}{
		{"sized", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", "1.1", "hello", true, "Content-Length"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n", "GET", "1.1", "hello", true, ""},
		{"until close", "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello", "GET", "1.1", "hello", true, "X-A"},
		{"chunked to 1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET", "1.0", "hello", false, ""},
		{"until close to 1.0", "HTTP/1.0 200 OK\r\n\r\nhello", "GET", "1.0", "hello", false, ""},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", "1.1", "", true, "Content-Length"},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "GET", "1.1", "", true, ""},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nEtag: x\r\n\r\n", "GET", "1.1", "", true, "Etag"},
		{"early hints", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", "1.1", "hello", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, edge.Config{})
			bind := f.bind()
			f.load(forwardAll(bind, rawBackend(t, func(c net.Conn, r *bufio.Reader) {
				http.ReadRequest(r)          //nolint:errcheck // whatever it is
				io.WriteString(c, tt.answer) //nolint:errcheck // the test sees it
			})))
			c, r := dial(t, bind)
			res, body := askOn(t, c, r, tt.method+" / HTTP/"+tt.version+"\r\nHost: a\r\n\r\n")
			if body != tt.body || res.Close == tt.keeps {
				t.Errorf("got body %q, closes %v, want %q, %v", body, res.Close, tt.body, !tt.keeps)
			}
			if tt.header != "" && res.Header.Get(tt.header) == "" {
				t.Errorf("no %s in %v", tt.header, res.Header)
			}
			if tt.name == "chunked" && res.Trailer.Get("X-Sum") != "1" {
				t.Errorf("got trailers %v", res.Trailer)
			}
			if tt.keeps {
				askOn(t, c, r, tt.method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
			}
		})
	}
}

func TestTruncatedAnswerEndsTheConnection(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	f.load(forwardAll(bind, rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)                                                    //nolint:errcheck // whatever it is
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhell") //nolint:errcheck // the test sees it
	})))
	c, r := dial(t, bind)
	io.WriteString(c, get) //nolint:errcheck // the test sees it
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "hell" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", body, err)
	}
}
