package edge_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/edge"
)

func TestClientThatStopsSending(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	tb := table(bind, backend(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })) //nolint:errcheck // breaks off
	tb.Listeners[0].Balancer.IdleTimeout = 200 * time.Millisecond
	f.load(tb)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
	} {
		if res, _ := ask(t, bind, request); res.StatusCode != 408 {
			t.Errorf("%q: got %d, want 408", request, res.StatusCode)
		}
	}
	_, r := dial(t, bind)
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("got %v on a connection without a request, want it closed", err)
	}
}

// Run lets a request finish, and ends idle connections at once.
func TestRunEndsGracefully(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	arrived, release := make(chan struct{}), make(chan struct{})
	target := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
		io.WriteString(w, "ok") //nolint:errcheck // the test sees it
	})
	e := edge.New(edge.Config{Listen: f.listen})
	if err := e.Load(table(bind, target)); err != nil { // before Run
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) }) //nolint:errcheck // ends with ctx
	idle, idleReader := dial(t, bind)
	askOn(t, idle, idleReader, get)
	busy, busyReader := dial(t, bind)
	io.WriteString(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") //nolint:errcheck // the test sees it
	<-arrived
	stop()
	if _, err := idleReader.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want the idle connection closed", err)
	}
	close(release)
	res, body := askOn(t, busy, busyReader, "")
	if body != "ok" || !res.Close {
		t.Errorf("got %q, closes %v", body, res.Close)
	}
	running.Wait()
	if _, err := busyReader.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the connection closed", err)
	}
}

// Ten thousand targets are checked, all at once at first.
func TestManyTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipes
		p.status.Store(200)
		e := edge.New(edge.Config{Dial: p.dial})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) }) //nolint:errcheck // ends with ctx
		defer running.Wait()
		defer stop()
		pool := edge.Pool{ID: "p", InUse: true}
		for i := range 10_000 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
			pool.Targets = append(pool.Targets, edge.Target{Addr: addr})
		}
		if err := e.Load(&edge.Table{Pools: []edge.Pool{pool}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, s := range e.Statuses() {
			if s.State != edge.Healthy {
				t.Fatalf("got %+v", s)
			}
		}
	})
}
