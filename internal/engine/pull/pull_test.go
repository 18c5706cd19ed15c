package pull

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distribution/reference"

	"github.com/skylift/skylift/internal/engine"
)

const here = "example.org/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// scripted has the image here, and pulls as its function does.
type scripted func(ctx context.Context, ref string, auth engine.Auth, progress func()) (string, error)

func (scripted) Has(_ context.Context, ref string) (bool, error) { return ref == here, nil }

func (s scripted) Pull(ctx context.Context, named reference.Named, auth engine.Auth, progress func()) (string, error) {
	return s(ctx, named.String(), auth, progress)
}

func TestPullsOfOneImageAreOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var pulled atomic.Int32
		g := New(scripted(func(_ context.Context, ref string, _ engine.Auth, _ func()) (string, error) {
			pulled.Add(1)
			time.Sleep(time.Second)
			return ref + " pulled", nil
		}))
		defer g.Close()
		for range 5 {
			go func() {
				got, err := g.Do(t.Context(), "example.org/app", engine.Auth{})
				if got != "example.org/app:latest pulled" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			}()
		}
		left, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.Do(left, "example.org/app", engine.Auth{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v for who doesn't wait", err)
		}
		time.Sleep(2 * time.Second)
		if n := pulled.Load(); n != 1 {
			t.Errorf("%d pulls ran, want 1", n)
		}
		if got, err := g.Do(t.Context(), here, engine.Auth{}); got != here || err != nil || pulled.Load() != 1 {
			t.Errorf("got %q, %v of an image that is here, after %d pulls", got, err, pulled.Load())
		}
	})
}

// Each login pulls for itself: neither has what the other may have, nor is refused what the other may not.
func TestLoginsPullForThemselves(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"right", ""} {
		synctest.Test(t, func(t *testing.T) {
			g := New(scripted(func(_ context.Context, ref string, auth engine.Auth, _ func()) (string, error) {
				time.Sleep(time.Second)
				if auth.Username != "right" {
					return "", &engine.PullError{Ref: ref, Reason: "denied", Denied: true}
				}
				return "pulled", nil
			}))
			defer g.Close()
			do := func(user string) {
				got, err := g.Do(t.Context(), "example.org/app", engine.Auth{Username: user})
				refused, ok := errors.AsType[*engine.PullError](err)
				if good := got == "pulled" && err == nil; user == "right" && !good || user == "" && (!ok || !refused.Denied) {
					t.Errorf("got %q, %v as %q", got, err, user)
				}
			}
			go do(first)
			synctest.Wait()
			do(map[string]string{"right": "", "": "right"}[first])
			synctest.Wait()
		})
	}
}

func TestPullsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		g := New(scripted(func(context.Context, string, engine.Auth, func()) (string, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return "pulled", nil
		}))
		defer g.Close()
		for i := range 3 * atOnce {
			go func() {
				if _, err := g.Do(t.Context(), fmt.Sprintf("example.org/app:%d", i), engine.Auth{}); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(4 * time.Second)
		if most.Load() != atOnce {
			t.Errorf("%d pulls ran at once, want %d", most.Load(), atOnce)
		}
	})
}

func TestWhatEndsAPull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(scripted(func(ctx context.Context, _ string, _ engine.Auth, progress func()) (string, error) {
			time.Sleep(stall - time.Second)
			progress()
			<-ctx.Done()
			return "", ctx.Err()
		}))
		begun := time.Now()
		_, err := g.Do(t.Context(), "example.org/app", engine.Auth{})
		if refused, ok := errors.AsType[*engine.PullError](err); !ok || !strings.Contains(refused.Reason, "stalled") {
			t.Errorf("got %v of a pull without progress", err)
		}
		if took := time.Since(begun); took != 2*stall-time.Second {
			t.Errorf("it ended after %v", took)
		}
		ended := make(chan error)
		go func() {
			_, err := g.Do(t.Context(), "example.org/app", engine.Auth{})
			ended <- err
		}()
		synctest.Wait()
		g.Close()
		if err := <-ended; !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("got %v of a pull of an engine that is closed", err)
		}
		if _, err := g.Do(t.Context(), "Not a reference", engine.Auth{}); err == nil {
			t.Error("got no error of what is no reference")
		}
	})
}
