package containerd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/output"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

var (
	kills    = flag.Int("kills", 6, "how often TestKilledAtAnyMoment kills")
	killSeed = flag.Uint64("kill-seed", 0, "of TestKilledAtAnyMoment's moments; 0: another one each time")
)

// workerCommand is the test program's first argument that makes it one which is
// killed: it makes tasks, starts them, starts them again and removes them.
const workerCommand = "worker"

// work is what a worker is told to do.
type work struct {
	Config Config
	Output string
	Tasks  []engine.Task
}

// worker does the work, again and again, and never returns.
func worker(text string) error {
	var w work
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return err
	}
	store, err := output.New(w.Output)
	if err != nil {
		return err
	}
	w.Config.Output = store
	ctx := context.Background()
	e, err := Open(ctx, w.Config)
	if err != nil {
		return err
	}
	fmt.Println("works")
	for {
		for _, t := range w.Tasks {
			if _, err := e.Create(ctx, t); err != nil {
				return err
			}
			for _, c := range t.Containers {
				if err := e.Start(ctx, t.ID, c.Name); err != nil {
					return err
				}
			}
			for range 2 {
				if err := e.StartAgain(ctx, t.ID, "exit"); err != nil {
					return err
				}
			}
			if err := e.Remove(ctx, t.ID); err != nil {
				return err
			}
		}
	}
}

// workerTask is a task that has something of everything.
func workerTask(h *host) engine.Task {
	t := enginetest.AppTask(h.app, "run")
	t.Memory, t.CPU, t.Volumes = 128, 256, []string{"data"}
	t.Containers[0].Mounts = []engine.Mount{{Source: "data", Target: "/data"}}
	t.Containers[0].Interactive = true
	t.Containers[0].HealthCheck = &engine.HealthCheck{
		Command: []string{"CMD", "/app", "say", "checked", "0"}, Interval: 20 * time.Millisecond, Retries: 1,
	}
	t.Containers = append(t.Containers, engine.Container{Name: "exit", Image: h.app, Command: []string{"exit", "3"}})
	return t
}

// TestKilledAtAnyMoment kills one who works with an engine at any moment. Another
// engine then goes on with what it has begun, or removes it.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	m, h := ownMachine(t), containerdHost(t)
	c := configOf(t, m)
	if err := openOn(t, c).Close(); err != nil { // it has loaded the images; an instance has one engine at a time
		t.Fatal(err)
	}
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	moments := rand.New(rand.NewPCG(seed, 0))
	for n := range *kills {
		plain, shared := workerTask(h), workerTask(h)
		shared.PIDMode = "task"
		tasks := []engine.Task{plain, shared}
		killWorker(t, work{Config: c, Output: filepath.Join(m.dir, "output"), Tasks: tasks}, time.Duration(moments.Int64N(int64(1500*time.Millisecond))))
		e, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := goOn(t, e, tasks); err != nil {
			t.Errorf("after kill %d of seed %d: %v", n, seed, err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWorker starts a worker and kills it after it has worked for a time.
func killWorker(t *testing.T, w work, after time.Duration) {
	t.Helper()
	w.Config.Log = nil
	w.Config.Output = nil
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, workerCommand, string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Errorf("the worker had ended: %v", err)
	}
	_ = cmd.Wait() // it was killed
}

// goOn makes of each task that there is what it was to be, and removes it.
func goOn(t *testing.T, e *Engine, tasks []engine.Task) error {
	t.Helper()
	ctx := t.Context()
	there, err := e.List(ctx)
	if err != nil {
		return err
	}
	if len(there) > 1 {
		return fmt.Errorf("there are %d tasks, want one at most: %+v", len(there), there)
	}
	for _, s := range there {
		task := tasks[0]
		if s.ID == tasks[1].ID {
			task = tasks[1]
		}
		if err := finish(t, e, task); err != nil {
			return errors.Join(err, e.Remove(ctx, task.ID))
		}
	}
	for _, task := range tasks {
		if err := e.Remove(ctx, task.ID); err != nil {
			return err
		}
		if left := leftOf(t, e, task.ID); len(left) > 0 {
			return fmt.Errorf("of task %s there are: %v", task.ID, left)
		}
		if output, _ := filepath.Glob(filepath.Join(filepath.Dir(e.root), "output", task.ID+"*")); len(output) > 0 {
			return fmt.Errorf("of task %s there are: %v", task.ID, output)
		}
	}
	return nil
}

// finish has a task run, wherever it was left, unless it was being removed.
func finish(t *testing.T, e *Engine, task engine.Task) error {
	ctx := t.Context()
	_, err := e.Create(ctx, task)
	if refused, ok := errors.AsType[*engine.StartError](err); ok && refused.Reason == "the task's sandbox has stopped" {
		return nil // it was being removed
	}
	if err != nil {
		return err
	}
	if err := e.Start(ctx, task.ID, "app", "exit"); err != nil {
		return err
	}
	if err := e.StartAgain(ctx, task.ID, "exit"); err != nil {
		return err
	}
	until(t, e, task.ID, func(s engine.Status) bool {
		if len(s.Containers) != 2 || !s.Sandbox {
			return false
		}
		app, exit := s.Containers[0], s.Containers[1]
		return (app.State == engine.Exited || app.State == engine.Running && app.Health == engine.Healthy) && exit.State == engine.Exited && exit.ExitCode == 3
	})
	return nil
}
