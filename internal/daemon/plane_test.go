package daemon

import (
	"testing"
	"time"
)

// TestPlaneRests: a plane that rests reads nothing, and says when to come back.
func TestPlaneRests(t *testing.T) {
	t.Parallel()
	p := &plane{rested: time.Now().Add(time.Minute)} // without a machine it would panic
	if again, err := p.Reconcile(t.Context(), host); err != nil || again <= 0 || again > time.Minute {
		t.Errorf("come back after %s, %v", again, err)
	}
}
