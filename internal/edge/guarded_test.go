package edge_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

// TestOnlyTheBalancerSays: what targets trust the balancer to say doesn't come from a client.
func TestOnlyTheBalancerSays(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	seen := make(chan http.Header, 1)
	f.load(forwardAll(bind, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/asked") {
			seen <- r.Header
		}
	})))
	f.waitState(table.Healthy)
	ask(t, bind, "GET /asked HTTP/1.1\r\nHost: a\r\nX-Amzn-Mtls-Clientcert-Subject: CN=root\r\nx-amzn-oidc-identity: root\r\nX-AMZN-TLS-Version: TLSv1.3\r\nX-Amzn-Other: kept\r\n\r\n")
	h := <-seen
	for _, name := range []string{"X-Amzn-Mtls-Clientcert-Subject", "X-Amzn-Oidc-Identity", "X-Amzn-Tls-Version"} {
		if h.Get(name) != "" {
			t.Errorf("the target got %s: %s of a client", name, h.Get(name))
		}
	}
	if h.Get("X-Amzn-Other") != "kept" {
		t.Errorf("the target got %v", h)
	}
}

// TestTransformsOfOddRequests: what a transform doesn't match goes on as it is.
func TestTransformsOfOddRequests(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	tb := forwardAll(bind, backend(t, says("ok")))
	tb.Listeners[0].Default.Host, tb.Listeners[0].Default.URL = nil, nil
	a := forward("pool")
	a.Host, a.URL = &table.Rewrite{Regex: `^old\.test$`, Replace: "new.test"}, &table.Rewrite{Regex: "^/api", Replace: "/"}
	tb.Listeners[0].Rules = []table.Rule{{ID: "r", Conditions: []table.Condition{{Field: table.SourceIP, Values: []string{"127.0.0.0/8"}}}, Action: a}}
	f.load(tb)
	f.waitState(table.Healthy)
	for _, request := range []string{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", get} {
		if res, _ := ask(t, bind, request); res.StatusCode != 200 {
			t.Errorf("%q: got %d, want 200", request, res.StatusCode)
		}
	}
}

// TestUnreadableRulesAreSaidOnce: a rule that can't be read is in the log once, until that changes.
func TestUnreadableRulesAreSaidOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := edge.New(edge.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	tb := func(regex string) *table.Table {
		l := table.Listener{ID: "l", Default: fixed(200, "ok")}
		l.Rules = []table.Rule{{ID: "r", Conditions: []table.Condition{{Field: table.PathPattern, Regex: []string{regex}}}, Action: fixed(200, "rule")}}
		return &table.Table{Listeners: []table.Listener{l}}
	}
	for i, regex := range []string{"(", "(", "a", "(", "[", "["} {
		if err := e.Load(tb(regex)); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Count(log.String(), "can't be read"), []int{1, 1, 1, 2, 3, 3}[i]; got != want {
			t.Errorf("after %d tables the log has it %d times, want %d: %s", i+1, got, want, log.String())
		}
	}
}
