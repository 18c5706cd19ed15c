package docker

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

func TestLabelsOfAContainer(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "run")
	task.Labels = map[string]string{"team": "web", "tier": "1"}
	task.Containers[0].Labels = map[string]string{"tier": "2", labelTask: "spoofed", labelContainer: ""}
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	seen, err := h.cli.ContainerInspect(t.Context(), e.shortName(task.ID, "app"), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"team": "web", "tier": "2", labelInstance: e.instance, labelTask: task.ID, labelContainer: "app"}
	if got := seen.Container.Config.Labels; !maps.Equal(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
}

func TestCgroupOfTheTask(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	said := enginetest.Printed(t, e, appTask(h, "read", "/proc/self/cgroup"))
	if e.cgroups.Usable() && !strings.Contains(said, e.instance) && said != "0::/" { // v2 hides what is above
		t.Errorf("container said %q", said)
	}
}

func TestStartAgainWhereTheNameIsTaken(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "exit", "0")
	made, err := h.cli.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: e.shortName(task.ID, "app") + ".1", Image: h.app,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := h.cli.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
	run(t, e, task)
	for n := 1; n <= 2; n++ {
		if err := e.StartAgain(t.Context(), task.ID, "app"); err != nil {
			t.Fatal(err)
		}
		if err := e.Logs(t.Context(), task.ID, "app", time.Time{}, true, func(engine.Line) error { return nil }); err != nil {
			t.Fatal(err)
		}
		status, err := e.Inspect(t.Context(), task.ID)
		if err != nil || status.Containers[0].Restarts != n {
			t.Errorf("status %+v, %v, want %d restarts", status, err, n)
		}
	}
}

func TestStartAgainWithoutSandbox(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "exit", "0")
	run(t, e, task)
	_, err := h.cli.ContainerKill(t.Context(), e.shortName(task.ID, ""), client.ContainerKillOptions{Signal: "SIGKILL"})
	if err != nil {
		t.Fatal(err)
	}
	ended := h.cli.ContainerWait(t.Context(), e.shortName(task.ID, ""), client.ContainerWaitOptions{})
	select {
	case <-ended.Result:
	case err := <-ended.Error:
		t.Fatal(err)
	}
	err = e.StartAgain(t.Context(), task.ID, "app")
	if refused, ok := errors.AsType[*engine.StartError](err); !ok || refused.Container != "app" {
		t.Errorf("start again: %v, want a StartError", err)
	}
}

func TestTheNameCountsTheRestarts(t *testing.T) {
	t.Parallel()
	const instance, task = "0123456789ab", "00112233445566778899aabbccddeeff"
	for held, want := range map[string]int{
		"/skylift-012345-00112233-app":                  0,
		"/skylift-012345-00112233-app.7":                7,
		"/skylift-" + instance + "-" + task + "-app.12": 12,
		"/skylift-012345-00112233-app-2":                0,
		"/skylift-012345-00112233-app.2.x":              0,
	} {
		if got := restartsIn(held, instance, task, "app"); got != want {
			t.Errorf("%s: %d restarts, want %d", held, got, want)
		}
	}
}
