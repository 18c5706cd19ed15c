package enginetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

func testPull(t *testing.T, s suite) {
	e := s.open(t)
	digest, err := e.Pull(t.Context(), s.images.Pull, engine.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(digest, "@sha256:") {
		t.Fatalf("pull returned %q, want name@sha256:…", digest)
	}
	again, err := e.Pull(t.Context(), digest, engine.Auth{})
	if err != nil || again != digest {
		t.Errorf("pull of %s returned %q, %v", digest, again, err)
	}
}

func testPullMissing(t *testing.T, s suite) {
	_, err := s.open(t).Pull(t.Context(), s.images.Missing, engine.Auth{})
	refused, ok := errors.AsType[*engine.PullError](err)
	if !ok || !refused.NotFound || refused.Denied || refused.Reason == "" {
		t.Errorf("pull: %#v, want a PullError with NotFound", err)
	}
}

func testPullLost(t *testing.T, s suite) {
	e := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Pull(ctx, s.images.Pull, engine.Auth{}); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("pull for a caller that is gone: %v", err)
	}
	if _, err := e.Pull(t.Context(), s.images.Pull, engine.Auth{}); err != nil {
		t.Errorf("pull again: %v", err)
	}
}

func testTidy(t *testing.T, s suite) {
	e := s.open(t)
	name, err := e.Pull(t.Context(), s.images.Pull, engine.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	tidy := func(why string, want bool, age time.Duration, kept ...string) {
		t.Helper()
		removed, err := e.Tidy(t.Context(), kept, age)
		if err != nil || slices.Contains(removed, name) != want {
			t.Errorf("%s: removed %q, %v, want it to be removed: %v", why, removed, err, want)
		}
	}
	if _, err := e.Tidy(t.Context(), nil, time.Hour); errors.Is(err, errors.ErrUnsupported) {
		return // its images aren't only its own
	}
	tidy("pulled just now", false, time.Hour)
	tidy("kept", false, 0, name)
	task := AppTask(name, "exit", "0")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	tidy("a task has it", false, 0)
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	tidy("nobody has it", true, 0)
	tidy("it is gone", false, 0)
	if again, err := e.Pull(t.Context(), name, engine.Auth{}); err != nil || again != name {
		t.Errorf("pull of what was removed: %s, %v", again, err)
	}
	tidy("it is back", true, 0)
}
