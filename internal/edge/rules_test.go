package edge_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

func TestRedirect(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	l := listener("l", bind, table.Action{Redirect: &table.Redirect{Status: 301, Protocol: "HTTPS", Port: "443", Host: "#{host}", Path: "/#{path}", Query: "#{query}"}})
	f.load(&table.Table{Listeners: []table.Listener{l}})
	for _, tt := range []struct{ request, location, body string }{
		{"GET /x?y=1 HTTP/1.1\r\nHost: Site.example.test:80\r\n\r\n", "https://Site.example.test:443/x?y=1", "<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n<center><h1>301 Moved Permanently</h1></center>\r\n</body>\r\n</html>\r\n"},
		{"HEAD / HTTP/1.1\r\nHost: a.b\r\n\r\n", "https://a.b:443/", ""},
		{"GET / HTTP/1.0\r\n\r\n", "https://l.elb.localhost:443/", "<html>"},
	} {
		res, body := ask(t, bind, tt.request)
		if res.StatusCode != 301 || res.Header.Get("Location") != tt.location || !strings.HasPrefix(body, tt.body) || res.Header.Get("Server") != "awselb/2.0" {
			t.Errorf("%q: got %d to %q with header %v and body %q, want %q and %q", tt.request, res.StatusCode, res.Header.Get("Location"), res.Header, body, tt.location, tt.body)
		}
	}
	long := "GET /?" + strings.Repeat("q", 16000) + " HTTP/1.1\r\nHost: " + strings.Repeat("h", 400) + "\r\n\r\n"
	if res, _ := ask(t, bind, long); res.StatusCode != 507 {
		t.Errorf("a location that is too long: got %d, want 507", res.StatusCode)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	l := listener("l", bind, fixed(404, "none"))
	l.Rules = []table.Rule{
		{Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/admin/*"}}}, Action: fixed(403, "admin")},
		{Conditions: []table.Condition{{Field: table.Method, Values: []string{"PURGE"}}, {Field: table.SourceIP, Values: []string{"127.0.0.0/8"}}}, Action: fixed(200, "purged")},
		{Conditions: []table.Condition{{Field: table.HTTPHeader, Header: "User-Agent", Values: []string{"*Chrome*"}}}, Action: fixed(200, "chrome")},
		{Conditions: []table.Condition{{Field: table.QueryString, Pairs: []table.Pair{{Key: "version", Value: "v1"}}}}, Action: fixed(200, "v1")},
	}
	f.load(&table.Table{Listeners: []table.Listener{l}})
	for _, tt := range []struct{ request, want string }{
		{"GET /x/%2e%2e/%61dmin/y HTTP/1.1\r\nHost: a\r\n\r\n", "admin"},
		{"PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", "purged"},
		{"GET / HTTP/1.1\r\nHost: a\r\nuser-agent: x chrome/1\r\n\r\n", "chrome"},
		{"GET /?x&Version=V1#version=v2 HTTP/1.1\r\nHost: a\r\n\r\n", "v1"},
		{"GET /#?version=v1 HTTP/1.1\r\nHost: a\r\n\r\n", "none"},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "none"},
	} {
		if _, body := ask(t, bind, tt.request); body != tt.want {
			t.Errorf("%q: got %q, want %q", tt.request, body, tt.want)
		}
	}
}

func TestTransforms(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	tb := forwardAll(bind, backend(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host+r.RequestURI) })) //nolint:errcheck // the client may be gone
	a := forward("pool")
	a.Host, a.URL = &table.Rewrite{Regex: `^(.+)\.example\.com$`, Replace: "$1.local"}, &table.Rewrite{Regex: "^/api", Replace: ""}
	tb.Listeners[0].Rules = []table.Rule{{Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/api*"}}}, Action: a}}
	f.load(tb)
	f.waitState(table.Healthy)
	for _, tt := range []struct {
		host, target string
		status       int
		want         string
	}{
		{"a.example.com:80", "/api/x?y", 200, "a.local/x?y"},
		{"a.example.org", "/api/x", 200, "a.example.org/x"},
		{"a.example.com", "/x", 200, "a.example.com/x"},
		{"a.example.com", "/apix", 500, ""},
	} {
		res, body := ask(t, bind, "GET "+tt.target+" HTTP/1.1\r\nHost: "+tt.host+"\r\n\r\n")
		if res.StatusCode != tt.status || tt.want != "" && body != tt.want {
			t.Errorf("%s%s: got %d %q, want %d %q", tt.host, tt.target, res.StatusCode, body, tt.status, tt.want)
		}
	}
}

// twoPools is a listener that forwards to two pools of a target each, "one" and "two", by weight.
func twoPools(t *testing.T, f *fixture, weights [2]int, sticky time.Duration) *table.Table {
	tb := forwardAll(f.bind(), backend(t, says("one")))
	two := forwardAll(tb.Listeners[0].Binds[0], backend(t, says("two"))).Pools[0]
	two.ID = "two"
	tb.Pools = append(tb.Pools, two)
	tb.Listeners[0].Default = table.Action{Forward: &table.Forward{Pools: []table.WeightedPool{{Pool: "pool", Weight: weights[0]}, {Pool: "two", Weight: weights[1]}}, Sticky: sticky}}
	return tb
}

func TestGroupStickiness(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	tb := twoPools(t, f, [2]int{1, 0}, time.Hour)
	bind := tb.Listeners[0].Binds[0]
	f.load(tb)
	f.waitState(table.Healthy)
	res, body := ask(t, bind, get)
	set := res.Cookies()
	if body != "one" || len(set) != 2 || set[0].Name != "AWSALBTG" || set[1].Name != "AWSALBTGCORS" || set[1].SameSite != http.SameSiteNoneMode || !set[1].Secure || set[0].Value != set[1].Value {
		t.Fatalf("got %q and cookies %v", body, res.Header["Set-Cookie"])
	}

	// The client stays, whatever the weights.
	other := twoPools(t, f, [2]int{0, 1}, time.Hour)
	other.Listeners[0].Binds, other.Pools = tb.Listeners[0].Binds, tb.Pools
	f.load(other)
	with := func(name, value string) string {
		return "GET / HTTP/1.1\r\nHost: a.example.com\r\nCookie: x=y; " + name + "=" + value + "\r\n\r\n"
	}
	for _, tt := range []struct{ request, want string }{
		{get, "two"},
		{with("AWSALBTG", set[0].Value), "one"},
		{with("AWSALBTGCORS", set[0].Value), "one"},
		{with("AWSALB", set[0].Value), "two"},
		{with("AWSALBTG", set[0].Value[1:]), "two"},
	} {
		if res, body := ask(t, bind, tt.request); body != tt.want || len(res.Cookies()) != 2 {
			t.Errorf("%q: got %q and cookies %v, want %q", tt.request, body, res.Header["Set-Cookie"], tt.want)
		}
	}
}

func TestWithoutWeights(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	tb := twoPools(t, f, [2]int{0, 0}, 0)
	f.load(tb)
	if res, _ := ask(t, tb.Listeners[0].Binds[0], get); res.StatusCode != 503 {
		t.Errorf("got %d, want 503", res.StatusCode)
	}
}
