package docker

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/docker/pause"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// appTask is a task of one container called app.
func appTask(h *host, command ...string) engine.Task { return enginetest.AppTask(h.app, command...) }

func TestRemoveTakesTheCgroups(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	if !e.cgroups.Usable() {
		t.Skip(e.cgroups.Why())
	}
	task := appTask(h, "deaf")
	task.Memory, task.CPU = 64, 256
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "app"); err != nil {
		t.Fatal(err)
	}
	paths := func() (found []string) {
		for _, dir := range e.cgroups.Dirs(task.ID) {
			there, _ := filepath.Glob(dir)
			found = append(found, there...)
		}
		return found
	}
	if len(paths()) == 0 {
		t.Fatal("the task has no cgroup")
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if left := paths(); len(left) > 0 {
		t.Errorf("cgroups left: %v", left)
	}
}

func TestLimitsWithoutTaskCgroups(t *testing.T) {
	t.Parallel()
	e := &Engine{}
	task := engine.Task{CPU: 512, Memory: 1024}
	got := e.resources(task, engine.Container{CPU: 100, MemoryReservation: 64})
	if got.NanoCPUs != 5e8 || got.CPUShares != 100 || got.Memory != 1024*mebibyte || got.MemorySwap != got.Memory ||
		got.MemoryReservation != 64*mebibyte || got.CgroupParent != "" {
		t.Errorf("resources %+v", got)
	}
}

func TestNameThatSomebodyElseHolds(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "exit", "0")
	foreign, err := h.cli.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: e.shortName(task.ID, "app"), Config: &container.Config{Image: h.app},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := h.cli.ContainerRemove(context.Background(), foreign.ID, client.ContainerRemoveOptions{Force: true})
		if err != nil {
			t.Error(err)
		}
	})
	if _, status := run(t, e, task); status.State != engine.Exited || status.RuntimeID == foreign.ID {
		t.Errorf("container %+v, want one of its own", status)
	}
}

func TestPauseImageIsMadeAgain(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	// An image of its own, so that other tests keep theirs.
	e.pause.Ref = "skylift-enginetest/pause:" + unique()
	program, err := pause.New("amd64")
	if err != nil {
		t.Fatal(err)
	}
	e.pause.Tar = retagged(t, program, e.pause.Ref)
	task := appTask(h, "run")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.cli.ImageRemove(t.Context(), e.pause.Ref, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

func TestSandboxEndsAtOnceAtSIGTERM(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "run")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	id := e.shortName(task.ID, "")
	ended := h.cli.ContainerWait(t.Context(), id, client.ContainerWaitOptions{})
	if _, err := h.cli.ContainerKill(t.Context(), id, client.ContainerKillOptions{Signal: "SIGTERM"}); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-ended.Result:
		if got.StatusCode != 0 {
			t.Errorf("pause exited with %d", got.StatusCode)
		}
	case err := <-ended.Error:
		t.Fatal(err)
	case <-time.After(20 * time.Second):
		t.Fatal("pause runs on")
	}
	status, err := e.Inspect(t.Context(), task.ID)
	if err != nil || status.Sandbox || status.NetNS != "" {
		t.Errorf("status %+v, %v, want no sandbox", status, err)
	}
	_, err = e.Create(t.Context(), task)
	if _, ok := errors.AsType[*engine.StartError](err); !ok {
		t.Errorf("create: %v, want a StartError", err)
	}
}

func TestANewEngineFindsTheTasks(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "run")
	task.Labels = map[string]string{"team": "web", labelInstance: "spoofed"}
	netns, err := e.Create(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "app"); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), Config{Instance: e.instance})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	all, err := again.List(t.Context())
	if err != nil || len(all) != 1 || all[0].NetNS != netns || all[0].Containers[0].State != engine.Running {
		t.Fatalf("list %+v, %v, want the task as it runs", all, err)
	}
	adopted, err := again.Create(t.Context(), task)
	if err != nil || adopted != netns {
		t.Errorf("create: %q, %v, want it adopted in %s", adopted, err, netns)
	}
	if !maps.Equal(task.Labels, map[string]string{"team": "web", labelInstance: "spoofed"}) {
		t.Errorf("the caller's labels became %v", task.Labels)
	}
}

func TestPurgeLeavesNothing(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "deaf")
	task.Memory = 64
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "app"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Purge(t.Context(), "", e.instance); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := e.List(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("left: %+v, %v", all, err)
	}
	found, _ := filepath.Glob(filepath.Join(cgroup.MountPoint, "*", "skylift", e.instance))
	if _, err := os.Stat(filepath.Join(cgroup.MountPoint, "skylift", e.instance)); len(found) > 0 || err == nil {
		t.Errorf("cgroups left: %v", found)
	}
}
