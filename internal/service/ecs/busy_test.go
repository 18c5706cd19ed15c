package ecs_test

import (
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// TestRegistryIsBusy: that a registry couldn't serve an image just now is tried
// again, and told when it lasts.
func TestRegistryIsBusy(t *testing.T) {
	busy := func(until int32) fake.Config {
		var pulls atomic.Int32
		return fake.Config{Pull: func(ref string) fake.Pull {
			if pulls.Add(1) <= until {
				return fake.Pull{Err: &engine.PullError{Ref: ref, Reason: "503 Service Unavailable", Busy: true}}
			}
			return fake.Pull{}
		}}
	}
	t.Run("for a moment", func(t *testing.T) {
		ecstest.Play(t, busy(3), func(w *ecstest.World) {
			w.Containers(types.ContainerDefinition{Name: aws.String("web")})
			w.Run()
			w.After(ecstest.Sec(20))
			w.Want("after three tries", "RUNNING; web RUNNING")
		})
	})
	t.Run("for good", func(t *testing.T) {
		ecstest.Play(t, busy(1<<20), func(w *ecstest.World) {
			w.Containers(types.ContainerDefinition{Name: aws.String("web")})
			w.Run()
			w.After(ecstest.Sec(150))
			w.Want("while it may pass", "PENDING; web PENDING")
			w.After(ecstest.Sec(90))
			reason := `"CannotPullContainerError: 503 Service Unavailable"`
			w.Want("after four minutes", "STOPPED TaskFailedToStart "+reason+"; web STOPPED "+reason)
		})
	})
}
