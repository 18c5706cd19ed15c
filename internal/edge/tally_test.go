package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/edge/table"
)

// ears keep what they are told.
type ears struct {
	mu          sync.Mutex
	told        sync.Cond
	requests    []report.Request
	connections []report.Connection
	checks      []report.Check
}

func newEars() *ears {
	e := &ears{}
	e.told.L = &e.mu
	return e
}

func (e *ears) Request(r *report.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := *r
	for _, b := range []*[]byte{&c.Method, &c.URI, &c.Host, &c.Agent, &c.TraceID, &c.Location, &c.NewHost, &c.NewURI} {
		*b = bytes.Clone(*b)
	}
	c.Actions = append([]string(nil), r.Actions...)
	e.requests = append(e.requests, c)
	e.told.Broadcast()
}

func (e *ears) Connection(c *report.Connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.connections = append(e.connections, *c)
	e.told.Broadcast()
}

func (e *ears) Check(c *report.Check) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.checks = append(e.checks, *c)
	e.told.Broadcast()
}

// request waits for the one that begins with a path.
func (e *ears) request(t *testing.T, path string) report.Request {
	t.Helper()
	late := false
	defer time.AfterFunc(30*time.Second, func() { e.mu.Lock(); late = true; e.mu.Unlock(); e.told.Broadcast() }).Stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		for _, r := range e.requests {
			if strings.HasPrefix(string(r.URI), path) && (path != "" || r.Method == nil) {
				return r
			}
		}
		if late {
			t.Fatalf("no request for %q was told, but %+v", path, e.requests)
		}
		e.told.Wait()
	}
}

// until waits for what is told.
func (e *ears) until(t *testing.T, ok func() bool) {
	t.Helper()
	late := false
	defer time.AfterFunc(30*time.Second, func() { e.mu.Lock(); late = true; e.mu.Unlock(); e.told.Broadcast() }).Stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for !ok() {
		if late {
			t.Fatalf("what was expected wasn't told, but %+v %+v %+v", e.requests, e.connections, e.checks)
		}
		e.told.Wait()
	}
}

// logged makes all listeners and pools of a table tell.
func logged(tb *table.Table) *table.Table {
	for i := range tb.Listeners {
		tb.Listeners[i].Balancer.Logs = table.Logs{Requests: true, Connections: true}
	}
	for i := range tb.Pools {
		tb.Pools[i].LogChecks, tb.Pools[i].Balancer = true, "balancer-of-listener"
	}
	return tb
}

// counts are what was counted of the only balancer and the only zone.
func (f *fixture) counts() (meter.FrontCounts, meter.GroupCounts, meter.PoolCounts) {
	f.t.Helper()
	c := f.Counts()
	var front meter.FrontCounts
	var group meter.GroupCounts
	if len(c.Balancers) > 0 {
		front = c.Balancers[0].FrontCounts
	}
	if len(c.Pools[0].Zones) > 0 {
		group = c.Pools[0].Zones[0].GroupCounts
	}
	return front, group, c.Pools[0]
}

// TestTold: a log is told of each request what became of it, and counters count it.
func TestTold(t *testing.T) {
	t.Parallel()
	e := newEars()
	f := start(t, edge.Config{Sink: e})
	bind := f.bind()
	target := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/slow":
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Fprintf(w, "%d", len(b))
	})
	tb := logged(forwardAll(bind, target))
	tb.Listeners[0].Rules = []table.Rule{
		{ID: "f", Priority: 3, Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/fixed"}}}, Action: fixed(404, "nothing")},
		{ID: "r", Priority: 4, Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/led"}}}, Action: table.Action{Redirect: &table.Redirect{Status: 301, Protocol: "https", Port: "443"}}},
		{ID: "w", Priority: 5, Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/old*"}}}, Action: table.Action{Forward: forward("pool").Forward, URL: &table.Rewrite{Regex: "^/old", Replace: "/new"}}},
	}
	f.load(tb)
	began := time.Now()
	say := func(head, body string) int {
		res, _ := ask(t, bind, head+fmt.Sprintf("\r\nHost: a.example.com\r\nUser-Agent: tea/1\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		return res.StatusCode
	}
	for head, status := range map[string]int{
		"GET /plain HTTP/1.1": 200, "POST /sent?x=y HTTP/1.0": 200, "GET /teapot HTTP/1.1": 418, "GET /slow HTTP/1.1": 200,
		"GET /fixed HTTP/1.1": 404, "GET /led HTTP/1.1": 301, "GET /old/1 HTTP/1.1": 200, "GET /bad\x01 HTTP/1.1": 400,
	} {
		body := ""
		if strings.HasPrefix(head, "POST") {
			body = strings.Repeat("b", 100<<10)
		}
		if got := say(head, body); got != status {
			t.Errorf("%s: %d, want %d", head, got, status)
		}
	}
	check := func(r report.Request, wantStatus, wantTheirs, rule int, action string) {
		t.Helper()
		forwarded := wantTheirs != 0
		if r.Status != wantStatus || r.TargetStatus != wantTheirs || r.Rule != rule || strings.Join(r.Actions, ",") != action || (r.Target == target) != forwarded || (r.Pool == "pool") != forwarded {
			t.Errorf("%s: %+v", r.URI, r)
		}
		if r.Balancer != "balancer-of-listener" || r.Node != bind.Addr() || r.Kind != report.HTTP || r.Scheme != "http" || r.Port != "80" || r.TLS != nil || r.Client.Addr() != bind.Addr() || r.Client.Port() == 0 || r.Connection == (report.Trace{}) {
			t.Errorf("%s: %+v", r.URI, r)
		}
		if r.Began.Before(began) || r.Ended.Before(r.Began) || (r.Waiting == report.Unknown) == forwarded || r.Received == 0 || r.Sent == 0 {
			t.Errorf("%s: times %s %s %s from %s to %s, %d bytes and %d", r.URI, r.Routing, r.Waiting, r.Answering, r.Began, r.Ended, r.Received, r.Sent)
		}
		if r.Method != nil && (string(r.Host) != "a.example.com" || string(r.Agent) != "tea/1" || !strings.HasPrefix(string(r.TraceID), "Root=1-")) {
			t.Errorf("%s: host %s agent %s trace %s", r.URI, r.Host, r.Agent, r.TraceID)
		}
	}
	check(e.request(t, "/plain"), 200, 200, 0, "forward")
	sent := e.request(t, "/sent")
	check(sent, 200, 200, 0, "forward")
	if string(sent.Method) != "POST" || string(sent.URI) != "/sent?x=y" || sent.Version != "1.0" || sent.Received < 100<<10 || sent.Received > 101<<10 {
		t.Errorf("sent: %+v", sent)
	}
	check(e.request(t, "/teapot"), 418, 418, 0, "forward")
	slow := e.request(t, "/slow")
	check(slow, 200, 200, 0, "forward")
	if slow.Waiting < 20*time.Millisecond || slow.Waiting > slow.Ended.Sub(slow.Began) {
		t.Errorf("slow: %s", slow.Waiting)
	}
	check(e.request(t, "/fixed"), 404, 0, 3, "fixed-response")
	led := e.request(t, "/led")
	check(led, 301, 0, 4, "redirect")
	if string(led.Location) != "https://a.example.com:443/led" {
		t.Errorf("led to %s", led.Location)
	}
	old := e.request(t, "/old")
	check(old, 200, 200, 5, "rewrite,forward")
	if string(old.NewURI) != "/new/1" || old.NewHost != nil || old.Rewriting != "TransformSuccess" {
		t.Errorf("old: %s %s %s", old.NewHost, old.NewURI, old.Rewriting)
	}
	bad := e.request(t, "")
	check(bad, 400, 0, report.NoRule, "")
	if string(bad.Host) != "listener.elb.localhost" || bad.Class != "Severe" || bad.Reason != "BadUri" {
		t.Errorf("bad: host %s, %s %s", bad.Host, bad.Class, bad.Reason)
	}
	e.until(t, func() bool { return len(e.connections) == 8 && len(e.checks) > 0 })
	if c := e.connections[0]; c.Balancer != "balancer-of-listener" || c.Port != "80" || c.TLS != nil || c.Failed != "" || c.Node != bind.Addr() {
		t.Errorf("connection: %+v", c)
	}
	if c := e.checks[0]; c.Balancer != "balancer-of-listener" || c.Pool != "pool" || c.Target != target || !c.Passed || !c.HasCode || c.Status != 200 || c.Kind != report.HTTP || c.Reason != "" || c.Took <= 0 {
		t.Errorf("check: %+v", c)
	}

	front, group, pool := f.counts()
	if front.Requests != 8 || front.Opened != 8 || front.Fixed != 1 || front.Redirects != 1 || front.Codes != [6]uint64{3: 1, 4: 2} || front.BytesIn < 100<<10 || front.BytesOut == 0 {
		t.Errorf("counted %+v", front)
	}
	if group.Requests != 5 || group.Codes != [6]uint64{2: 4, 4: 1} || group.Times.Count() != 5 || group.Times.Quantile(1) < 16*time.Millisecond || group.Times.Sum < 20*time.Millisecond {
		t.Errorf("counted %d requests, codes %v, %d times", group.Requests, group.Codes, group.Times.Count())
	}
	if healthy, ill := pool.Hosts(""); healthy != 1 || ill != 0 || pool.Targets[0].Requests != 5 || pool.Targets[0].Codes != group.Codes || pool.Opened == 0 || pool.Balancer != "balancer-of-listener" {
		t.Errorf("counted %+v", pool.Targets)
	}
}

// TestToldOfFailures: a log is told of requests that got no answer from their target.
func TestToldOfFailures(t *testing.T) {
	t.Parallel()
	e := newEars()
	f := start(t, edge.Config{Sink: e})
	bind := f.bind()
	asked := make(chan struct{}, 1)
	target := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		switch req.URL.Path {
		case "/garbage":
			io.WriteString(c, "hello\r\n\r\n") //nolint:errcheck // the test sees it
		case "/left":
			asked <- struct{}{}
			r.ReadByte() //nolint:errcheck // until the edge hangs up
		}
	})
	tb := logged(forwardAll(bind, target))
	tb.Listeners[0].Balancer.Logs.Connections = false
	f.load(tb)
	for path, want := range map[string]int{"/closed": 502, "/garbage": 502} {
		if res, _ := ask(t, bind, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"); res.StatusCode != want {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		r := e.request(t, path)
		if r.Status != 502 || r.TargetStatus != 0 || r.Target != target || r.Waiting != report.Unknown || strings.Join(r.Actions, ",") != "forward" || r.Pool != "pool" {
			t.Errorf("%s: %+v", path, r)
		}
	}
	c, _ := dial(t, bind)
	io.WriteString(c, "GET /left HTTP/1.1\r\nHost: a\r\n\r\n") //nolint:errcheck // asked sees it
	<-asked
	c.Close()
	if r := e.request(t, "/left"); r.Status != 460 || r.Target != target || r.Sent != 0 {
		t.Errorf("a client that left: %+v", r)
	}
	front, group, _ := f.counts()
	if front.Codes != [6]uint64{4: 1, 5: 2} || front.ByCode[502] != 2 || front.ByCode[460] != 1 || group.Requests != 3 || group.Codes != [6]uint64{} {
		t.Errorf("counted %+v, %d requests for targets", front, group.Requests)
	}
	if len(e.connections) != 0 {
		t.Error("connections are told that nobody asked for")
	}
}

// TestToldOfCuts: a request that is cut with its target, whose drain is over, isn't one whose client left.
func TestToldOfCuts(t *testing.T) {
	t.Parallel()
	e := newEars()
	f := start(t, edge.Config{Sink: e})
	bind := f.bind()
	asked := make(chan struct{}, 1)
	target := rawBackend(t, func(_ net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			asked <- struct{}{}
			r.ReadByte() //nolint:errcheck // until the edge hangs up
		}
	})
	f.load(logged(forwardAll(bind, target)))
	c, r := dial(t, bind)
	io.WriteString(c, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n") //nolint:errcheck // asked sees it
	<-asked
	over := logged(forwardAll(bind, target))
	over.Pools[0].Targets[0].Draining, over.Pools[0].Targets[0].Deadline = true, time.Now()
	f.load(over)
	if _, err := r.ReadByte(); err == nil {
		t.Error("the client got an answer")
	}
	if r := e.request(t, "/cut"); r.Status != 502 || r.TargetStatus != 0 || r.Target != target {
		t.Errorf("%+v", r)
	}
}

// TestToldOfHandshakes: a log is told what was agreed on, by each request, and of handshakes that fail.
func TestToldOfHandshakes(t *testing.T) {
	t.Parallel()
	e := newEars()
	f := start(t, edge.Config{Sink: e})
	bind := f.bind()
	target := backend(t, says("tea"))
	tb := logged(site(t, bind, target))
	f.load(tb)
	certificate := tb.Listeners[0].TLS.Certificates[0].ID
	for _, two := range []bool{false, true} {
		client := overTLS(t, bind, two)
		path, kind, version := "/one", report.HTTPS, "1.1"
		if two {
			path, kind, version = "/two", report.HTTP2, "2.0"
		}
		res, err := client.Get("https://a.example.com" + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		r := e.request(t, path)
		if r.Kind != kind || r.Version != version || r.Scheme != "https" || r.Port != "443" || r.TLS == nil || r.TLS.Version != "TLSv1.3" || !strings.HasPrefix(r.TLS.Suite, "TLS_") ||
			r.TLS.Name != "a.example.com" || r.TLS.Certificate != certificate || r.TLS.Group == "" || r.Status != 200 || r.Sent == 0 || r.Received == 0 {
			t.Errorf("%s: %+v %+v", path, r, r.TLS)
		}
		e.until(t, func() bool {
			for _, c := range e.connections {
				if c.ID == r.Connection && c.Failed == "" && c.TLS.Version == "TLSv1.3" && c.Shaking > 0 && c.Port == "443" {
					return true
				}
			}
			return false
		})
	}
	c, _ := dial(t, bind)
	io.WriteString(c, "\x16\x03\x01\x00\x02no") //nolint:errcheck // the edge sees it
	e.until(t, func() bool {
		n := len(e.connections)
		return n > 0 && e.connections[n-1].Failed == "UnmappedConnectionError"
	})
	front, _, _ := f.counts()
	if front.TLSErrors != 1 || front.Opened != 2 || front.Requests != 2 {
		t.Errorf("counted %+v", front)
	}
}

// TestToldOfTunnels: a log is told of a switch of protocols when it is over, with all bytes.
func TestToldOfTunnels(t *testing.T) {
	t.Parallel()
	e := newEars()
	f := start(t, edge.Config{Sink: e})
	bind := f.bind()
	target := rawBackend(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n") //nolint:errcheck // the test sees it
		io.Copy(c, r)                                                                                              //nolint:errcheck // an echo
	})
	f.load(logged(forwardAll(bind, target)))
	c, r := dial(t, bind)
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") //nolint:errcheck // read sees it
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v %v", res, err)
	}
	text := strings.Repeat("x", 10<<10)
	io.WriteString(c, text) //nolint:errcheck // read sees it
	if _, err := io.ReadFull(r, make([]byte, len(text))); err != nil {
		t.Fatal(err)
	}
	front, _, pool := f.counts()
	if front.Open != 1 || pool.Open != 1 {
		t.Errorf("open now: %d and %d", front.Open, pool.Open)
	}
	c.Close()
	got := e.request(t, "/ws")
	if got.Kind != report.WS || got.Status != 101 || got.TargetStatus != 101 || got.Received < 10<<10 || got.Sent < 10<<10 || got.Received > 11<<10 || got.Sent > 11<<10 || got.Waiting < 0 {
		t.Errorf("%+v", got)
	}
}

// TestQuiet: nobody is told of balancers that have no logs.
func TestQuiet(t *testing.T) {
	t.Parallel()
	e := newEars()
	f := start(t, edge.Config{Sink: e})
	bind := f.bind()
	f.load(forwardAll(bind, backend(t, says("tea"))))
	f.waitState(table.Healthy)
	if res, _ := ask(t, bind, get); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	if front, _, _ := f.counts(); front.Requests != 1 {
		t.Errorf("counted %+v", front)
	}
	if len(e.requests)+len(e.connections)+len(e.checks) != 0 {
		t.Errorf("told %+v %+v %+v", e.requests, e.connections, e.checks)
	}
}
