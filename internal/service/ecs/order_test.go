package ecs_test

import (
	"fmt"
	rand "math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// TestOrderOverCrashes starts and stops a task whose containers wait for each
// other while Skylift dies and the engine loses answers: none starts too early,
// none twice, and they end in the opposite order.
func TestOrderOverCrashes(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			starts := map[string]int{}
			ecstest.Play(t, fake.Config{Latency: 10 * time.Millisecond, Behave: func(c engine.Container) fake.Behaviour {
				starts[c.Name]++
				if c.Name == "init" {
					return fake.Behaviour{Exits: true, ExitAfter: ecstest.Sec(2)}
				}
				return fake.Behaviour{TermTime: map[string]time.Duration{"app": ecstest.Sec(3), "db": ecstest.Sec(1)}[c.Name]}
			}}, func(w *ecstest.World) {
				w.Containers(
					types.ContainerDefinition{Name: aws.String("app"), DependsOn: append(after("init", types.ContainerConditionSuccess), after("db", types.ContainerConditionHealthy)...)},
					types.ContainerDefinition{Name: aws.String("init"), Essential: aws.Bool(false)},
					types.ContainerDefinition{
						Name: aws.String("db"), DependsOn: after("init", types.ContainerConditionStart), StartTimeout: aws.Int32(120),
						HealthCheck: &types.HealthCheck{Command: []string{"CMD", "check"}, Interval: aws.Int32(5)},
					},
				)
				w.Run()
				task := id(w.Task())
				w.Trouble(r, 40, func() { orderHolds(w, task) })
				w.After(time.Minute)
				w.Want("in peace", "RUNNING; app RUNNING; init STOPPED 0; db RUNNING")
				if _, err := w.API.StopTask(t.Context(), &sdk.StopTaskInput{Task: w.Task().TaskArn}); err != nil {
					t.Fatal(err)
				}
				w.Trouble(r, 20, func() { orderHolds(w, task) })
				w.After(time.Minute)
				w.Want("at the end", `STOPPED UserInitiated "Task stopped by user"; app STOPPED 0; init STOPPED 0; db STOPPED 0`)
			})
			for name, n := range starts {
				if n != 1 {
					t.Errorf("%s was made %d times", name, n)
				}
			}
		})
	}
}

// orderHolds checks what the engine has of the task of TestOrderOverCrashes.
func orderHolds(w *ecstest.World, task string) {
	w.T.Helper()
	is, err := w.Engine.Inspect(w.T.Context(), task)
	if err != nil {
		return // it isn't made yet, or gone
	}
	at := map[string]engine.ContainerStatus{}
	for _, c := range is.Containers {
		at[c.Name] = c
	}
	app, init, db := at["app"], at["init"], at["db"]
	switch {
	case !app.StartedAt.IsZero() && (init.State != engine.Exited || app.StartedAt.Before(init.FinishedAt)):
		w.T.Errorf("app started before init had ended: %+v", is)
	case !app.StartedAt.IsZero() && app.StartedAt.Before(db.StartedAt.Add(ecstest.Sec(5))):
		w.T.Errorf("app started before db was healthy: %+v", is)
	case !db.StartedAt.IsZero() && db.StartedAt.Before(init.StartedAt):
		w.T.Errorf("db started before init: %+v", is)
	case db.State == engine.Exited && app.State == engine.Running:
		w.T.Errorf("db ended before app: %+v", is)
	}
}
