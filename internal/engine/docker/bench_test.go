package docker

import (
	"os/exec"
	"testing"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// BenchmarkStartTask measures Create and Start of a task of one container.
func BenchmarkStartTask(b *testing.B) {
	e, h := openEngine(b), dockerHost(b)
	for b.Loop() {
		t := engine.Task{ID: enginetest.NewID(), CPU: 256, Memory: 512, Containers: []engine.Container{
			{Name: "app", Image: h.app, Command: []string{"run"}},
		}}
		if _, err := e.Create(b.Context(), t); err != nil {
			b.Fatal(err)
		}
		if err := e.Start(b.Context(), t.ID, "app"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := e.Remove(b.Context(), t.ID); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkDockerRun is what BenchmarkStartTask is compared with: the docker
// command runs the same two containers.
func BenchmarkDockerRun(b *testing.B) {
	e, h := openEngine(b), dockerHost(b)
	for b.Loop() {
		name := "skylift-enginetest-" + unique()
		run := func(args ...string) {
			if out, err := exec.CommandContext(b.Context(), "docker", args...).CombinedOutput(); err != nil {
				b.Fatalf("docker %v: %v: %s", args, err, out)
			}
		}
		run("run", "-d", "--name", name, "--network", "none", e.pause.ref)
		run("run", "-d", "--name", name+"-app", "--network", "container:"+name, "--memory", "512m", h.app, "run")
		b.StopTimer()
		run("rm", "-f", name+"-app", name)
		b.StartTimer()
	}
}
