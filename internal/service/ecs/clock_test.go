package ecs_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// TestClockJumps sets the clock in the middle of a deployment whose old tasks
// ignore SIGTERM and whose new ones fail at first. It ends about when it would
// have without.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-48 * time.Hour, -time.Hour, time.Hour} {
		for _, moment := range []time.Duration{0, 2 * time.Second, 12 * time.Second, time.Minute} {
			t.Run(fmt.Sprint(jump, " after ", moment), func(t *testing.T) {
				var made atomic.Int32
				ecstest.Play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour {
					b := fake.Behaviour{IgnoreTerm: true}
					if n := made.Add(1); n > 2 && n <= 8 {
						b.StartError = "exec format error"
					}
					return b
				}}, func(w *ecstest.World) {
					w.Define()
					w.Service(2, ecstest.Balanced)
					w.After(time.Minute)
					if _, err := w.API.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String(w.Define())}); err != nil {
						t.Fatal(err)
					}
					w.After(moment)
					w.Halt()
					w.SetClock(jump)
					w.Start()
					w.After(5 * time.Minute)
					s := w.Describe()
					if d := s.Deployments[0]; len(s.Deployments) != 1 || s.RunningCount != 2 || d.RolloutState != types.DeploymentRolloutStateCompleted {
						t.Errorf("%d deployments, %d running, %s", len(s.Deployments), s.RunningCount, d.RolloutState)
						for _, e := range s.Events {
							t.Log(e.CreatedAt, *e.Message)
						}
					}
					if there, err := w.Engine.List(t.Context()); err != nil || len(there) != 2 {
						t.Errorf("the engine has %d tasks, want 2: %v", len(there), err)
					}
				})
			})
		}
	}
}
