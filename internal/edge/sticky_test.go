package edge_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
)

// threeTargets is a listener that forwards to targets a, b and c. Each sets the cookie
// "session" if it is asked for /login.
func threeTargets(t *testing.T, f *fixture) *table.Table {
	named := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				w.Header().Add("Set-Cookie", "other=1")
				w.Header().Add("Set-Cookie", "session=x; Path=/")
			}
			io.WriteString(w, name) //nolint:errcheck // the client may be gone
		}
	}
	tb := forwardAll(f.bind(), backend(t, named("a")), backend(t, named("b")), backend(t, named("c")))
	f.load(tb)
	f.waitState(table.Healthy)
	return tb
}

func TestTargetStickiness(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	tb := threeTargets(t, f)
	bind := tb.Listeners[0].Binds[0]
	tb.Pools[0].Sticky = table.Sticky{For: time.Hour}
	f.load(tb)
	res, first := ask(t, bind, get)
	set := res.Cookies()
	if len(set) != 2 || set[0].Name != "AWSALB" || set[1].Name != "AWSALBCORS" || set[0].Value != set[1].Value {
		t.Fatalf("got cookies %v", res.Header["Set-Cookie"])
	}
	with := func(cookies string) string { return "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + cookies + "\r\n\r\n" }
	for range 6 {
		res, body := ask(t, bind, with("x=y; AWSALB="+set[0].Value))
		if body != first || len(res.Cookies()) != 2 {
			t.Errorf("got %q with cookies %v, want %q", body, res.Header["Set-Cookie"], first)
		}
	}
	if got := bodies(t, bind.String(), with("AWSALB="+set[0].Value[1:])); len(got) != 3 {
		t.Errorf("a cookie that was changed: got %v, want all targets", got)
	}

	// A target that drains gets none of its clients any more.
	for i := range tb.Pools[0].Targets {
		if tb.Pools[0].Targets[i].Addr.String() == addrNamed(t, f, tb, first) {
			tb.Pools[0].Targets[i].Draining, tb.Pools[0].Targets[i].Deadline = true, time.Now().Add(time.Minute)
		}
	}
	f.load(tb)
	if got := bodies(t, bind.String(), with("AWSALB="+set[0].Value)); got[first] || len(got) != 2 {
		t.Errorf("draining: got %v, want the two others than %q", got, first)
	}
}

// addrNamed is the address of the target that answers with a name.
func addrNamed(t *testing.T, f *fixture, tb *table.Table, name string) string {
	t.Helper()
	for _, s := range f.Statuses() {
		if _, body := ask(t, s.Target, get); body == name {
			return s.Target.String()
		}
	}
	t.Fatalf("no target of %+v is called %q", tb.Pools, name)
	return ""
}

// bodies asks several times over one connection and returns what was answered.
func bodies(t *testing.T, addr, request string) map[string]bool {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, got := bufio.NewReader(c), map[string]bool{}
	for range 12 {
		_, body := askOn(t, c, r, request)
		got[body] = true
	}
	return got
}

func TestAppStickiness(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	tb := threeTargets(t, f)
	bind := tb.Listeners[0].Binds[0]
	tb.Pools[0].Sticky = table.Sticky{For: time.Hour, Cookie: "session"}
	f.load(tb)
	if res, _ := ask(t, bind, get); len(res.Cookies()) != 0 {
		t.Errorf("without a session: got cookies %v", res.Header["Set-Cookie"])
	}
	res, first := ask(t, bind, "GET /login HTTP/1.1\r\nHost: a\r\n\r\n")
	set := res.Cookies()
	if len(set) != 3 || set[2].Name != "AWSALBAPP-0" || set[2].SameSite != http.SameSiteNoneMode || !set[2].Secure {
		t.Fatalf("got cookies %v", res.Header["Set-Cookie"])
	}
	with := func(cookies ...string) string {
		return "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + strings.Join(cookies, "; ") + "\r\n\r\n"
	}
	both := with("session=any", "AWSALBAPP-0="+set[2].Value)
	for range 6 {
		res, body := ask(t, bind, both)
		if body != first || len(res.Cookies()) != 1 {
			t.Errorf("got %q with cookies %v, want %q", body, res.Header["Set-Cookie"], first)
		}
	}
	for _, request := range []string{with("AWSALBAPP-0=" + set[2].Value), with("session=any"), with("session=any", "AWSALB="+set[2].Value)} {
		if got := bodies(t, bind.String(), request); len(got) != 3 {
			t.Errorf("%q: got %v, want all targets", request, got)
		}
	}
}
