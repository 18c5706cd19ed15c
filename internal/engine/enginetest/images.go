package enginetest

import (
	"context"
	"errors"
	"strings"
	"testing"

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
