package check_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/edge/check"
	"github.com/skylift/skylift/internal/edge/table"
)

func TestMatcher(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		yes  []int
		no   []int
		bad  bool
	}{
		{text: "", yes: []int{200}, no: []int{201}},
		{text: "200,302", yes: []int{200, 302}, no: []int{201, 301}},
		{text: "200-399", yes: []int{200, 302, 399}, no: []int{199, 400}},
		{text: "200-299,301", yes: []int{200, 299, 301}, no: []int{300, 302}},
		{text: "200-299, 301", yes: []int{301}},
		{text: "299-200", bad: true},
		{text: "200,", bad: true},
		{text: "ok", bad: true},
		{text: "200-299-301", bad: true},
	} {
		m, err := check.ParseMatcher(table.HTTP1, tt.text)
		if (err != nil) != tt.bad {
			t.Errorf("ParseMatcher(%q): %v, want an error: %v", tt.text, err, tt.bad)
		}
		for _, code := range tt.yes {
			if !m.Match(code) {
				t.Errorf("matcher %q refuses %d", tt.text, code)
			}
		}
		for _, code := range tt.no {
			if m.Match(code) {
				t.Errorf("matcher %q takes %d", tt.text, code)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	pass := check.Outcome{}
	bad := check.Outcome{Kind: check.Mismatch, Code: 302}
	slow := check.Outcome{Kind: check.Timeout}
	dead := check.Outcome{Kind: check.Failure}
	ours := check.Outcome{Kind: check.Unasked}
	for _, tt := range []struct {
		name     string
		outcomes []check.Outcome
		want     check.State
		reason   string
		text     string
	}{
		{"registered", nil, check.Registering, "Elb.RegistrationInProgress", "Target registration is in progress"},
		{"one pass is enough at first", []check.Outcome{pass}, check.Healthy, "", ""},
		{"one pass after a failure too", []check.Outcome{bad, pass}, check.Healthy, "", ""},
		{"one failure is not enough", []check.Outcome{bad}, check.Initial, "Elb.InitialHealthChecking", "Initial health checks in progress"},
		{"two are", []check.Outcome{dead, bad}, check.Unhealthy, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]"},
		{"the last failure is told", []check.Outcome{bad, bad, slow}, check.Unhealthy, "Target.Timeout", "Request timed out"},
		{"no connection", []check.Outcome{slow, dead}, check.Unhealthy, "Target.FailedHealthChecks", "Health checks failed"},
		{"back only after the threshold", []check.Outcome{bad, bad, pass, pass}, check.Unhealthy, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]"},
		{"in a row", []check.Outcome{bad, bad, pass, pass, bad, pass}, check.Unhealthy, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]"},
		{"back", []check.Outcome{bad, bad, pass, pass, pass}, check.Healthy, "", ""},
		{"healthy stays with one failure", []check.Outcome{pass, bad, pass, bad}, check.Healthy, "", ""},
		{"what wasn't asked counts for nothing", []check.Outcome{pass, bad, ours, ours, ours}, check.Healthy, "", ""},
		{"nor between failures", []check.Outcome{pass, bad, ours, bad}, check.Unhealthy, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]"},
		{"nor at first", []check.Outcome{ours, ours, ours}, check.Registering, "Elb.RegistrationInProgress", "Target registration is in progress"},
		{"and goes with two", []check.Outcome{pass, bad, bad}, check.Unhealthy, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [302]"},
	} {
		var h check.Health
		for _, o := range tt.outcomes {
			h = h.After(o, check.Thresholds{Healthy: 3, Unhealthy: 2})
		}
		reason, text := h.Reason()
		if h.State != tt.want || reason != tt.reason || text != tt.text {
			t.Errorf("%s: got %v %q %q, want %v %q %q", tt.name, h.State, reason, text, tt.want, tt.reason, tt.text)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddrPort("10.0.0.1:8080")
	answer := func(text string) check.Dial {
		return func(context.Context, netip.AddrPort) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				req, err := http.ReadRequest(bufio.NewReader(theirs))
				if err != nil || req.Host != addr.String() || req.UserAgent() != "ELB-HealthChecker/2.0" || req.URL.Path != "/health" {
					return
				}
				if text == "" {
					bufio.NewReader(theirs).ReadByte() //nolint:errcheck // until the probe gives up
				}
				theirs.Write([]byte(text)) //nolint:errcheck // the probe may be gone
			}()
			return ours, nil
		}
	}
	refuse := func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, errors.New("refused") }
	nobody := func(context.Context, netip.AddrPort) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
	}
	silent := func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	emfile := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	noPort := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EAGAIN)} // which says Timeout, too
	lacking := func(err error) check.Dial {
		return func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, err }
	}
	for _, tt := range []struct {
		name string
		dial check.Dial
		want check.Outcome
		seen func(table.Seen) bool
	}{
		{"pass", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), check.Outcome{Code: 200}, nil},
		{"redirects are not followed", answer("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"), check.Outcome{Kind: check.Mismatch, Code: 302}, func(s table.Seen) bool { return s.Status == "302 Found" && s.Location == "/login" }},
		{"malformed", answer("hello\r\n\r\n"), check.Outcome{Kind: check.Failure}, nil},
		{"no answer", answer(""), check.Outcome{Kind: check.Timeout}, nil},
		{"refused", refuse, check.Outcome{Kind: check.Failure}, nil},
		{"nobody has the address", nobody, check.Outcome{Kind: check.Timeout}, func(s table.Seen) bool { return s.Error == "no route to host" }},
		{"no connection in time", silent, check.Outcome{Kind: check.Timeout}, func(s table.Seen) bool { return s.Took == 5*time.Second }},
		{"no descriptor of ours", lacking(emfile), check.Outcome{Kind: check.Unasked, Err: emfile}, nil},
		{"no port of ours", lacking(noPort), check.Outcome{Kind: check.Unasked, Err: noPort}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _ := check.ParseMatcher(table.HTTP1, "200")
				p := check.Probe{Path: "/health", Matcher: m, Timeout: 5 * time.Second}
				got := p.Ask(t.Context(), tt.dial, addr)
				seen := got.Seen
				if got.Seen = (table.Seen{}); got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				if seen.Asked != "http://10.0.0.1:8080/health" || seen.At.IsZero() || (seen.Status == "") == (seen.Error == "") {
					t.Errorf("it saw %+v", seen)
				}
				if tt.seen != nil && !tt.seen(seen) {
					t.Errorf("it saw %+v", seen)
				}
			})
		})
	}
}
