package checks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// site is an endpoint that says who asked for it.
func site(t *testing.T, start func(*httptest.Server), status *atomic.Int32) netip.AddrPort {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := status.Load(); n != 0 {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(int(n))
		}
		fmt.Fprintf(w, "%s asked for %s%s", strings.Repeat(" ", 4000), r.Host, r.URL.Path)
		fmt.Fprint(w, strings.Repeat(" ", 2000), "late")
	}))
	start(s)
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

func lookup(_ context.Context, name string) ([]netip.Addr, error) {
	if name != "www.example.test" {
		return nil, errors.New("no such name")
	}
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func TestProbe(t *testing.T) {
	t.Parallel()
	var fine, moved, broken atomic.Int32
	moved.Store(http.StatusFound)
	broken.Store(http.StatusServiceUnavailable)
	plain, elsewhere, bad := site(t, (*httptest.Server).Start, &fine), site(t, (*httptest.Server).Start, &moved), site(t, (*httptest.Server).Start, &broken)
	secure := site(t, (*httptest.Server).StartTLS, &fine)
	for _, tt := range []struct {
		name   string
		kind   types.HealthCheckType
		at     netip.AddrPort
		host   string
		search string
		want   string // how it begins
	}{
		{"a page", types.HealthCheckTypeHttp, plain, "", "", "Success: HTTP Status Code 200, OK"},
		{"one that has moved", types.HealthCheckTypeHttp, elsewhere, "", "", "Success: HTTP Status Code 302, Found"},
		{"one that is broken", types.HealthCheckTypeHttp, bad, "", "", "Failure: HTTP Status Code 503, Service Unavailable"},
		{"a name", types.HealthCheckTypeHttpStrMatch, plain, "www.example.test", fmt.Sprintf("asked for www.example.test:%d/x", plain.Port()), "Success: HTTP Status Code 200, OK"},
		{"text that comes late", types.HealthCheckTypeHttpStrMatch, plain, "", "late", "Failure: HTTP Status Code 200, OK. The search string was not found"},
		{"a certificate of one's own", types.HealthCheckTypeHttps, secure, "www.example.test", "", "Success: HTTP Status Code 200, OK"},
		{"no TLS", types.HealthCheckTypeHttps, plain, "", "", "Failure: "},
		{"a port", types.HealthCheckTypeTcp, plain, "", "", "Success: TCP connection established"},
		{"a port that is closed", types.HealthCheckTypeTcp, netip.MustParseAddrPort("127.0.0.1:9"), "", "", "Failure: dial: "},
		{"a name that isn't", types.HealthCheckTypeTcp, plain, "none.example.test", "", "Failure: DNS resolution of none.example.test failed"},
	} {
		conf := types.HealthCheckConfig{Type: tt.kind, Port: new(int32(tt.at.Port())), ResourcePath: new("x"), EnableSNI: new(true)}
		if tt.host != "" {
			conf.FullyQualifiedDomainName = &tt.host
		} else {
			conf.IPAddress = new(tt.at.Addr().String())
		}
		if tt.search != "" {
			conf.SearchString = &tt.search
		}
		well, said := New(nil, lookup).probe(t.Context(), &record.Check{ID: "c", Config: conf})
		if !strings.HasPrefix(said, tt.want) || well != strings.HasPrefix(tt.want, "Success") {
			t.Errorf("%s: %t, %q, want %q", tt.name, well, said, tt.want)
		}
	}
}

// TestThreshold: a check changes its mind after as many observations in a row as it says, knows it after a restart, and forgets what
// it saw when it is deleted.
func TestThreshold(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	var status atomic.Int32
	at := site(t, (*httptest.Server).Start, &status)
	check := record.Check{ID: "c", Version: 1, Config: types.HealthCheckConfig{
		Type: types.HealthCheckTypeHttp, IPAddress: new(at.Addr().String()), Port: new(int32(at.Port())), RequestInterval: new(int32(10)), FailureThreshold: new(int32(2)),
	}}
	update := func(f func(store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx store.Tx) error { return record.Checks.Put(tx, "c", check) })
	c := New(db, lookup)
	look := func(code int, want bool) {
		t.Helper()
		status.Store(int32(code))
		if s := c.seen["c"]; s != nil {
			s.next = time.Time{}
		}
		again, err := c.Reconcile(t.Context(), "c")
		if err != nil || again <= 0 || again > 10*time.Second {
			t.Fatalf("again in %v, %v", again, err)
		}
		if soon, err := c.Reconcile(t.Context(), "c"); err != nil || soon <= 0 || soon > again {
			t.Fatalf("it looks again at once: %v, %v", soon, err)
		}
		var h record.Health
		update(func(tx store.Tx) (err error) { h, err = record.Healths.Get(tx, "c"); return err })
		if h.Well != want || (h.Failed != "") != (code != 200 || h.FailedAt.Unix() > 0) {
			t.Fatalf("after %d: got %+v, want %t", code, h, want)
		}
	}
	look(200, true)
	look(503, true)
	look(200, true)
	look(503, true)
	look(503, false)
	look(200, false)
	c = New(db, lookup) // another process
	look(200, false)
	look(200, true)
	if o, ok := c.Last("c"); !ok || o.Said != "Success: HTTP Status Code 200, OK" {
		t.Errorf("got %+v, %t", o, ok)
	}
	update(func(tx store.Tx) error { return record.Checks.Delete(tx, "c") })
	if again, err := c.Reconcile(t.Context(), "c"); again != 0 || err != nil {
		t.Errorf("again in %v, %v", again, err)
	}
	if err := db.View(t.Context(), func(tx store.Tx) error { _, err := record.Healths.Get(tx, "c"); return err }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v of a check that is gone", err)
	}
}
