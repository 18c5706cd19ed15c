package output

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// A follower of an idle container is told of a line at once, and others that
// follow it too; nothing is left when they are gone.
func TestFollowersAreWoken(t *testing.T) {
	s := kept(t)
	shims := map[string]*shim{}
	ctx, cancel := context.WithCancel(t.Context())
	lines, ended := make(chan string, 10), make(chan error, 10)
	for _, id := range []string{"a", "b"} {
		shims[id] = open(t, s, id, Options{})
		for range 2 {
			go func() {
				ended <- s.Follow(ctx, id, time.Time{}, func() bool { return false }, func(l engine.Line) error {
					lines <- id + l.Text
					return nil
				})
			}()
		}
	}
	time.Sleep(4 * maxPoll / 3) // now they look every two seconds
	for _, id := range []string{"a", "b"} {
		began := time.Now()
		if _, err := shims[id].out.WriteString("x\n"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := <-lines; got != id+"x" {
				t.Errorf("got %q, want %sx", got, id)
			}
		}
		if took := time.Since(began); took > maxPoll/4 {
			t.Errorf("a line of %s was read after %v", id, took)
		}
	}
	cancel()
	for range 4 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("follow ended with %v", err)
		}
	}
	if s.wakes.file != nil || len(s.wakes.of) > 0 {
		t.Errorf("watches are left: %v", s.wakes.of)
	}
}
