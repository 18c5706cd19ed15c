package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Requests beyond the bound wait for the end of others, and are told to come
// again when none ends.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Registry{slots: make(chan struct{}, 1)}
		if err := r.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := r.enter(t.Context()); !errors.Is(err, error(errBusy)) || time.Since(began) != enterWait {
			t.Errorf("one too many: %v after %v", err, time.Since(began))
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := r.enter(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that went away: %v", err)
		}
		time.AfterFunc(time.Second, func() { <-r.slots })
		if err := r.enter(t.Context()); err != nil {
			t.Errorf("when another ends: %v", err)
		}
	})
}

// A manifest that the API pushes is bounded as those of docker are.
func TestPutIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := false
		r := &Registry{slots: make(chan struct{}, 1), full: func() bool { return full }}
		if err := r.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Put(t.Context(), Pushed{}, nil); !errors.Is(err, error(errBusy)) {
			t.Errorf("one too many: %v", err)
		}
		full = true
		if _, err := r.Put(t.Context(), Pushed{}, nil); !errors.Is(err, error(errDiskFull)) {
			t.Errorf("on a full disk: %v", err)
		}
	})
}

// What this process lacks is no fault of the image: Docker is to ask again.
func TestOwnFailureIsUnavailable(t *testing.T) {
	t.Parallel()
	r := &Registry{log: slog.New(slog.DiscardHandler)}
	for _, own := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		w := httptest.NewRecorder()
		r.fail(w, httptest.NewRequest(http.MethodGet, "/v2/a/blobs/x", nil), fmt.Errorf("read blob: %w", &os.PathError{Op: "open", Err: own}))
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"UNAVAILABLE"`) {
			t.Errorf("%v: %d %s", own, w.Code, w.Body)
		}
	}
}
