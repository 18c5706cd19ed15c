package edge_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
)

func TestClientThatStopsSending(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	tb := forwardAll(bind, backend(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })) //nolint:errcheck // breaks off
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
	if err := e.Load(forwardAll(bind, target)); err != nil { // before Run
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
