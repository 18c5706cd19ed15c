package docker

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// volumesOf returns the names of the Docker volumes of an instance.
func volumesOf(t *testing.T, h *host, instance string) (names []string) {
	t.Helper()
	list, err := h.cli.VolumeList(t.Context(), client.VolumeListOptions{Filters: instanceFilter(instance)})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list.Items {
		names = append(names, v.Name)
	}
	return names
}

func TestVolumesEndWithTheTask(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "write", "/data/file")
	task.Volumes = []string{"data", strings.Repeat("long", 60)}
	task.Containers[0].Mounts = []engine.Mount{{Source: "data", Target: "/data"}, {Source: task.Volumes[1], Target: "/long"}}
	enginetest.Printed(t, e, task)
	if got := volumesOf(t, h, e.instance); len(got) != 2 {
		t.Errorf("volumes %q, want two", got)
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if got := volumesOf(t, h, e.instance); len(got) > 0 {
		t.Errorf("volumes %q are left", got)
	}
	task.Containers[0].Command = []string{"read", "/data/file"}
	if _, status := run(t, e, task); status.ExitCode != 1 {
		t.Errorf("container %+v, want a new and empty volume", status)
	}
}

func TestVolumesThatWereLeftAreFound(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "run")
	task.Volumes = []string{"data"}
	if err := e.createVolumes(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	all, err := e.List(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != task.ID {
		t.Errorf("list %+v, %v, want task %s", all, err, task.ID)
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if got := volumesOf(t, h, e.instance); len(got) > 0 {
		t.Errorf("volumes %q are left", got)
	}
}

func TestPurgeTakesTheVolumes(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "run")
	task.Volumes = []string{"data"}
	task.Containers[0].Mounts = []engine.Mount{{Source: "data", Target: "/data"}}
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := Purge(t.Context(), "", e.instance); err != nil {
		t.Fatal(err)
	}
	if got := volumesOf(t, h, e.instance); len(got) > 0 {
		t.Errorf("volumes %q are left", got)
	}
}

// imageWithData builds an image of the test program with the file /data/file in it,
// both of user 1000; "" where that can't be done.
func imageWithData(t *testing.T, h *host) (ref string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"data/file":  "of the image",
		"Dockerfile": "FROM " + h.app + "\nCOPY --chown=1000:1000 data /data\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ref = "skylift-enginetest/data:" + unique()
	build := exec.CommandContext(t.Context(), "docker", "build", "--quiet", "--tag", ref, dir)
	build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Logf("an image can't be built here: %v: %s", err, out)
		return ""
	}
	t.Cleanup(func() {
		if _, err := h.cli.ImageRemove(context.Background(), ref, client.ImageRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	return ref
}
