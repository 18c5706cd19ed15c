package ecs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
)

// TestOrderOverCrashes starts and stops a task whose containers wait for each
// other while Skylift dies and the engine loses answers: none starts too early,
// none twice, and they end in the opposite order.
func TestOrderOverCrashes(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			starts := map[string]int{}
			play(t, fake.Config{Latency: 10 * time.Millisecond, Behave: func(c engine.Container) fake.Behaviour {
				starts[c.Name]++
				if c.Name == "init" {
					return fake.Behaviour{Exits: true, ExitAfter: sec(2)}
				}
				return fake.Behaviour{TermTime: map[string]time.Duration{"app": sec(3), "db": sec(1)}[c.Name]}
			}}, func(w *world) {
				w.containers(
					types.ContainerDefinition{Name: aws.String("app"), DependsOn: append(after("init", types.ContainerConditionSuccess), after("db", types.ContainerConditionHealthy)...)},
					types.ContainerDefinition{Name: aws.String("init"), Essential: aws.Bool(false)},
					types.ContainerDefinition{
						Name: aws.String("db"), DependsOn: after("init", types.ContainerConditionStart), StartTimeout: aws.Int32(120),
						HealthCheck: &types.HealthCheck{Command: []string{"CMD", "check"}, Interval: aws.Int32(5)},
					},
				)
				w.run()
				task := id(w.task())
				w.trouble(r, 40, func() { w.orderHolds(task) })
				w.after(time.Minute)
				w.want("in peace", "RUNNING; app RUNNING; init STOPPED 0; db RUNNING")
				if _, err := w.api.StopTask(t.Context(), &sdk.StopTaskInput{Task: w.task().TaskArn}); err != nil {
					t.Fatal(err)
				}
				w.trouble(r, 20, func() { w.orderHolds(task) })
				w.after(time.Minute)
				w.want("at the end", `STOPPED UserInitiated "Task stopped by user"; app STOPPED 0; init STOPPED 0; db STOPPED 0`)
			})
			for name, n := range starts {
				if n != 1 {
					t.Errorf("%s was made %d times", name, n)
				}
			}
		})
	}
}

// trouble lets steps of time pass in which things go wrong.
func (w *world) trouble(r *rand.Rand, steps int, check func()) {
	for range steps {
		switch r.IntN(6) {
		case 0:
			w.halt()
			w.start()
		case 1:
			w.eng.LoseAnswers([]string{"Create", "Start", "Signal", "Tail", "Remove"}[r.IntN(5)], 1)
		case 2:
			w.eng.GoAway()
			w.after(sec(1))
			w.eng.ComeBack()
		}
		w.after(time.Duration(r.IntN(600)) * time.Millisecond)
		check()
	}
}

// orderHolds checks what the engine has of the task of TestOrderOverCrashes.
func (w *world) orderHolds(task string) {
	w.t.Helper()
	is, err := w.eng.Inspect(w.t.Context(), task)
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
		w.t.Errorf("app started before init had ended: %+v", is)
	case !app.StartedAt.IsZero() && app.StartedAt.Before(db.StartedAt.Add(sec(5))):
		w.t.Errorf("app started before db was healthy: %+v", is)
	case !db.StartedAt.IsZero() && db.StartedAt.Before(init.StartedAt):
		w.t.Errorf("db started before init: %+v", is)
	case db.State == engine.Exited && app.State == engine.Running:
		w.t.Errorf("db ended before app: %+v", is)
	}
}
