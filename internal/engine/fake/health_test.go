package fake_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
)

// inspect returns the status of a task's only container.
func inspect(t *testing.T, e *fake.Engine, id string) engine.ContainerStatus {
	t.Helper()
	synctest.Wait()
	s, err := e.Inspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s.Containers[0]
}

// started creates and starts a task of one container.
func started(t *testing.T, e *fake.Engine, task engine.Task) {
	t.Helper()
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "app"); err != nil {
		t.Fatal(err)
	}
}

func TestHealthTakesItsTime(t *testing.T) {
	t.Parallel()
	const second = time.Second
	tests := []struct {
		name      string
		check     engine.HealthCheck
		unhealthy bool
		after     time.Duration
	}{
		{"healthy at the first check", engine.HealthCheck{Interval: 10 * second}, false, 10 * second},
		{"by default", engine.HealthCheck{}, false, 30 * second},
		{"unhealthy after the retries", engine.HealthCheck{Interval: 10 * second, Retries: 4}, true, 40 * second},
		{"unhealthy after the start period", engine.HealthCheck{Interval: 10 * second, Retries: 2, StartPeriod: 35 * second}, true, 50 * second},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := fake.New(fake.Config{Behave: func(engine.Container) fake.Behaviour {
					return fake.Behaviour{Unhealthy: tc.unhealthy, HealthOutput: "checked"}
				}})
				tc.check.Command = []string{"CMD", "check"}
				job := task("a")
				job.Containers[0].HealthCheck = &tc.check
				started(t, e, job)
				time.Sleep(tc.after - time.Millisecond)
				if c := inspect(t, e, "a"); c.Health != engine.HealthStarting {
					t.Errorf("just before, container %+v isn't starting", c)
				}
				time.Sleep(time.Millisecond)
				want := engine.Healthy
				if tc.unhealthy {
					want = engine.Unhealthy
				}
				if c := inspect(t, e, "a"); c.Health != want || c.HealthLog != "checked" {
					t.Errorf("container %+v, want it %s", c, want)
				}
				if err := e.SetHealth("a", "app", engine.Unhealthy, "broke"); err != nil {
					t.Fatal(err)
				}
				if c := inspect(t, e, "a"); c.Health != engine.Unhealthy || c.HealthLog != "broke" {
					t.Errorf("container %+v, want it as it was set", c)
				}
			})
		})
	}
}

// What a run was to do ends with it, and the next is asked for its script.
func TestEachRunHasItsScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		e := fake.New(fake.Config{Behave: func(engine.Container) fake.Behaviour {
			runs++
			return fake.Behaviour{Exits: true, ExitAfter: time.Duration(runs) * time.Hour, ExitCode: runs}
		}})
		started(t, e, task("a"))
		if err := e.Exit("a", "app", 7); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		if err := e.StartAgain(t.Context(), "a", "app"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Hour - time.Millisecond)
		if c := inspect(t, e, "a"); c.State != engine.Running || c.Restarts != 1 {
			t.Errorf("container %+v, want it in its second run", c)
		}
		time.Sleep(time.Millisecond)
		if c := inspect(t, e, "a"); c.State != engine.Exited || c.ExitCode != 2 {
			t.Errorf("container %+v, want the second run's end", c)
		}
	})
}

func TestStatsFollowTheScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := fake.New(fake.Config{Behave: func(engine.Container) fake.Behaviour {
			return fake.Behaviour{CPU: 0.5, Memory: 1 << 20}
		}})
		started(t, e, task("a"))
		time.Sleep(time.Minute)
		stats, err := e.Stats(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if c := stats.Containers[0]; c.CPU.Total != 30*time.Second || c.CPU.System != 2*time.Minute || c.Memory.Usage != 1<<20 {
			t.Errorf("stats %+v, want half a processor for a minute", c)
		}
	})
}
