package ecs_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// A task whose network can't be made is given up after minutes, but not when it
// is for what this process lacks: then it waits, and runs when that is over.
func TestOwnFailuresDontStopTasks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why   error
		waits bool
	}{
		{fmt.Errorf("set up the interface: %w", syscall.EMFILE), true},
		{fmt.Errorf("set up the interface: %w", syscall.ENOBUFS), true},
		{errors.New("the namespace is odd"), false},
	} {
		t.Run(tt.why.Error(), func(t *testing.T) {
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				var over atomic.Bool
				w.Network.Mood = func() error {
					if w.Engine.Calls("Create") == 0 || over.Load() {
						return nil
					}
					return tt.why
				}
				w.Define()
				w.Service(1)
				w.After(10 * time.Minute)
				if failed := len(w.Tasks(types.DesiredStatusStopped)) > 0; failed == tt.waits {
					t.Errorf("a task was given up: %v", failed)
				}
				over.Store(true)
				w.After(10 * time.Minute)
				if s := w.Describe(); s.RunningCount != 1 {
					t.Errorf("%d tasks run in the end", s.RunningCount)
				}
			})
		})
	}
}
