package ecs_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/store"
)

var stamp = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// setClock has the machine's clock jump: simulated time can't, so all that was
// written down jumps the other way, which is the same to who reads it.
func (w *world) setClock(by time.Duration) {
	w.t.Helper()
	err := w.db.Update(w.t.Context(), func(tx store.Tx) error {
		for k, v := range tx.Scan("r/ecs-", "") {
			tx.Put(k, stamp.ReplaceAllFunc([]byte(v.String()), func(b []byte) []byte {
				at, err := time.Parse(time.RFC3339Nano, strings.Trim(string(b), `"`))
				if err != nil || at.IsZero() {
					return b
				}
				return fmt.Appendf(nil, "%q", at.Add(-by).Format(time.RFC3339Nano))
			}))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestClockJumps sets the clock in the middle of a deployment whose old tasks
// ignore SIGTERM and whose new ones fail at first. It ends about when it would
// have without.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-48 * time.Hour, -time.Hour, time.Hour} {
		for _, moment := range []time.Duration{0, 2 * time.Second, 12 * time.Second, time.Minute} {
			t.Run(fmt.Sprint(jump, " after ", moment), func(t *testing.T) {
				var made atomic.Int32
				play(t, fake.Config{Behave: func(engine.Container) fake.Behaviour {
					b := fake.Behaviour{IgnoreTerm: true}
					if n := made.Add(1); n > 2 && n <= 8 {
						b.StartError = "exec format error"
					}
					return b
				}}, func(w *world) {
					w.define()
					w.service(2, balanced)
					w.after(time.Minute)
					if _, err := w.api.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String(w.define())}); err != nil {
						t.Fatal(err)
					}
					w.after(moment)
					w.halt()
					w.setClock(jump)
					w.start()
					w.after(5 * time.Minute)
					s := w.describe()
					if d := s.Deployments[0]; len(s.Deployments) != 1 || s.RunningCount != 2 || d.RolloutState != types.DeploymentRolloutStateCompleted {
						t.Errorf("%d deployments, %d running, %s", len(s.Deployments), s.RunningCount, d.RolloutState)
						for _, e := range s.Events {
							t.Log(e.CreatedAt, *e.Message)
						}
					}
					if there, err := w.eng.List(t.Context()); err != nil || len(there) != 2 {
						t.Errorf("the engine has %d tasks, want 2: %v", len(there), err)
					}
				})
			})
		}
	}
}
