package edge_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

// echo tells what it got.
func echo(seen chan<- *http.Request) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "ELB-HealthChecker/2.0" {
			return
		}
		w.Header().Set("Server", "mine")
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		seen <- r.Clone(r.Context())
	}
}

func TestHostForTargets(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	seen := make(chan *http.Request, 1)
	tb := forwardAll(f.bind(), backend(t, echo(seen)))
	for _, tt := range []struct {
		port     uint16
		preserve bool
		line     string
		want     string
	}{
		{80, false, "Host: A.example.com:80\r\n", "a.example.com"},
		{443, false, "Host: a.example.com:8443\r\n", "a.example.com"},
		{8080, false, "Host: A.example.com\r\n", "a.example.com:8080"},
		{8080, false, "Host: a.example.com:9000\r\n", "a.example.com:9000"},
		{8080, false, "Host: [2001:DB8::1]\r\n", "[2001:db8::1]:8080"},
		{80, false, "Host: [2001:db8::1]:80\r\n", "[2001:db8::1]"},
		{8080, false, "", "listener.elb.localhost:8080"},
		{80, true, "Host: A.example.com:80\r\n", "A.example.com:80"},
		{8080, true, "Host: A.example.com\r\n", "A.example.com"},
	} {
		tb.Listeners[0].Port, tb.Listeners[0].Balancer.HTTP.PreserveHost = tt.port, tt.preserve
		f.load(tb)
		version := "HTTP/1.1"
		if tt.line == "" {
			version = "HTTP/1.0"
		}
		ask(t, tb.Listeners[0].Binds[0], "GET / "+version+"\r\n"+tt.line+"\r\n")
		if r := <-seen; r.Host != tt.want {
			t.Errorf("%q on port %d, preserved %v: the target got %q, want %q", tt.line, tt.port, tt.preserve, r.Host, tt.want)
		}
	}
}

func TestForwardedFor(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	seen := make(chan *http.Request, 1)
	tb := forwardAll(f.bind(), backend(t, echo(seen)))
	sent := "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n"
	for _, tt := range []struct {
		mode     table.Forwarded
		withPort bool
		sent     string
		want     string // PORT is the client's
	}{
		{"", false, sent, "1.2.3.4, 5.6.7.8, 127.0.0.1"},
		{table.Append, false, "", "127.0.0.1"},
		{table.Append, true, sent, "1.2.3.4, 5.6.7.8, 127.0.0.1:PORT"},
		{table.Preserve, true, sent, "1.2.3.4, 5.6.7.8"},
		{table.Preserve, false, "", ""},
		{table.Remove, true, sent, ""},
	} {
		tb.Listeners[0].Balancer.HTTP = table.HTTP{Forwarded: tt.mode, WithPort: tt.withPort}
		f.load(tb)
		c, r := dial(t, tb.Listeners[0].Binds[0])
		askOn(t, c, r, "GET / HTTP/1.1\r\nHost: a\r\n"+tt.sent+"\r\n")
		_, port, _ := strings.Cut(c.LocalAddr().String(), ":")
		want := strings.ReplaceAll(tt.want, "PORT", port)
		if got := strings.Join((<-seen).Header["X-Forwarded-For"], " and "); got != want {
			t.Errorf("%s with %q: the target got %q, want %q", tt.mode, tt.sent, got, want)
		}
	}
}

func TestInvalidHeadersAreDropped(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	seen := make(chan *http.Request, 1)
	tb := forwardAll(f.bind(), backend(t, echo(seen)))
	for _, drop := range []bool{false, true} {
		tb.Listeners[0].Balancer.HTTP.DropInvalid = drop
		f.load(tb)
		ask(t, tb.Listeners[0].Binds[0], "GET / HTTP/1.1\r\nHost: a\r\nX_Under: 1\r\nX-Good-1: 2\r\nCookie: a=b\r\n\r\n")
		r := <-seen
		if _, there := r.Header["X_under"]; there == drop || r.Header.Get("X-Good-1") != "2" || r.Header.Get("Cookie") != "a=b" {
			t.Errorf("drop %v: the target got %v", drop, r.Header)
		}
	}
}

func TestDesyncModes(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	seen := make(chan *http.Request, 1)
	tb := forwardAll(f.bind(), backend(t, echo(seen)))
	const (
		kept   = "kept"
		closed = "closed"
		bad    = "400"
	)
	for request, want := range map[string]map[table.Desync]string{
		get:                           {table.Monitor: kept, "": kept, table.Strictest: kept},
		"GET / HTTP/1.1\nHost: a\n\n": {table.Monitor: kept, "": kept, table.Strictest: bad},
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n":                                                      {table.Monitor: kept, "": kept, table.Strictest: bad},
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx":                                                     {table.Monitor: kept, "": closed, table.Strictest: bad},
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx":                               {table.Monitor: kept, table.Defensive: closed, table.Strictest: bad},
		"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\n\r\n":                                                     {table.Monitor: kept, "": closed, table.Strictest: bad},
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":              {table.Monitor: closed, "": closed, table.Strictest: bad},
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd":                            {table.Monitor: bad, "": bad, table.Strictest: bad},
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n":    {table.Monitor: bad, "": bad, table.Strictest: bad},
		"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                                   {table.Monitor: kept, "": closed, table.Strictest: bad},
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX-Transfer-Encoding: a\r\nTransfer-Encodings: b\r\n\r\nx": {table.Monitor: kept, "": kept, table.Strictest: kept},
	} {
		for mode, want := range want {
			tb.Listeners[0].Balancer.HTTP.Desync = mode
			f.load(tb)
			res, _ := ask(t, tb.Listeners[0].Binds[0], request)
			got := kept
			switch {
			case res.StatusCode == 400:
				got = bad
			case res.Close:
				got = closed
			}
			if got != bad {
				<-seen
			}
			if got != want || got == bad && !res.Close {
				t.Errorf("%s: %.90q: got %s (%d), want %s", mode, request, got, res.StatusCode, want)
			}
		}
	}
}

func TestHeadersOfAnswers(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	seen := make(chan *http.Request, 1)
	tb := forwardAll(f.bind(), backend(t, echo(seen)))
	l := &tb.Listeners[0]
	l.Headers = []table.Header{{Name: "X-Frame-Options", Value: "DENY"}, {Name: "Strict-Transport-Security", Value: "max-age=1"}}
	l.Anonymous = true
	l.Rules = []table.Rule{{Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/own"}}}, Action: fixed(503, "own")}}
	f.load(tb)
	for path, server := range map[string]string{"/": "mine", "/own": ""} {
		res, _ := ask(t, l.Binds[0], "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := res.Header["X-Frame-Options"]; len(got) != 1 || got[0] != "DENY" || res.Header.Get("Strict-Transport-Security") != "max-age=1" || res.Header.Get("Server") != server {
			t.Errorf("%s: got %v", path, res.Header)
		}
	}
}
