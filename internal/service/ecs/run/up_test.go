package run

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// A task isn't given up for the time in which nobody tried it, nor while there is no room to write. One that is given up is written to the
// store, which there is none of here.
func TestNothingIsConcluded(t *testing.T) {
	t.Parallel()
	trouble := errors.New("trouble")
	long := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		began time.Time
		err   error
	}{
		"Skylift was away": {time.Now(), trouble},
		"the disk is full": {long, fmt.Errorf("write: %w", store.ErrFull)},
	} {
		r := &Runner{began: c.began}
		if err := r.giveUp(context.Background(), task{Task: ecs.Task{PullStoppedAt: long}}, c.err); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
