package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/pause"
)

// retagged returns the archive of a pause image under another name.
func retagged(t *testing.T, p pause.Image, ref string) []byte {
	t.Helper()
	var layer []byte
	for r := tar.NewReader(bytes.NewReader(p.Tar)); ; {
		header, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != "layer.tar" {
			continue
		}
		if layer, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		break
	}
	archive, err := pause.Archive(ref, "amd64", "/pause", append(layer, make([]byte, 512)...))
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// gate is a registry in front of the shared one that can be made to wait, and
// that may want a login.
type gate struct {
	*httptest.Server
	pulls   atomic.Int32
	arrived chan struct{}
	open    chan struct{}
	login   string
}

func newGate(t *testing.T, h *host) *gate {
	t.Helper()
	g := &gate{arrived: make(chan struct{}, 100), open: make(chan struct{})}
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: h.registry})
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user != g.login {
			w.Header().Set("WWW-Authenticate", `Basic realm="gate"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.Contains(r.URL.Path, "/manifests/v1") {
			g.pulls.Add(1)
			g.arrived <- struct{}{}
			<-g.open
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gate) ref() string { return g.Listener.Addr().String() + "/team/app:v1" }

func TestPullsOfOneImageAreOne(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	g := newGate(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	lost := make(chan error, 1)
	go func() {
		_, err := e.Pull(ctx, g.ref(), engine.Auth{})
		lost <- err
	}()
	<-g.arrived
	cancel()
	if err := <-lost; !errors.Is(err, context.Canceled) {
		t.Fatalf("pull: %v, want it canceled", err)
	}
	digests := make([]string, 4)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			var err error
			if digests[i], err = e.Pull(t.Context(), g.ref(), engine.Auth{}); err != nil {
				t.Error(err)
			}
		})
	}
	before := g.pulls.Load()
	close(g.open)
	wg.Wait()
	if before != 1 {
		t.Errorf("%d pulls ran, want 1", before)
	}
	for _, d := range digests {
		if d != digests[0] || !strings.HasPrefix(d, g.Listener.Addr().String()+"/team/app@sha256:") {
			t.Errorf("digests %q, want one", digests)
		}
	}
	g.Close() // what a digest names and is here needs no registry
	if _, err := e.Pull(t.Context(), digests[0], engine.Auth{}); err != nil {
		t.Error(err)
	}
	g.removeImage(t, h, digests[0])
}

// removeImage removes what was pulled from g.
func (g *gate) removeImage(t *testing.T, h *host, digest string) {
	t.Helper()
	for _, ref := range []string{g.ref(), digest} {
		if _, err := h.cli.ImageRemove(t.Context(), ref, client.ImageRemoveOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
			t.Error(err)
		}
	}
}

func TestPullWithLogin(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	g := newGate(t, h)
	g.login = "AWS"
	close(g.open)
	for _, auth := range []engine.Auth{{}, {Username: "eve", Password: "x"}} {
		_, err := e.Pull(t.Context(), g.ref(), auth)
		if refused, ok := errors.AsType[*engine.PullError](err); !ok || !refused.Denied {
			t.Errorf("pull as %q: %v, want it denied", auth.Username, err)
		}
	}
	digest, err := e.Pull(t.Context(), g.ref(), engine.Auth{Username: "AWS", Password: "token"})
	if err != nil {
		t.Fatal(err)
	}
	g.removeImage(t, h, digest)
}

func TestPullOfNonsense(t *testing.T) {
	t.Parallel()
	_, err := new(Engine).Pull(t.Context(), "Not A Reference", engine.Auth{})
	if _, ok := errors.AsType[*engine.PullError](err); !ok {
		t.Errorf("pull: %v, want a PullError", err)
	}
}
