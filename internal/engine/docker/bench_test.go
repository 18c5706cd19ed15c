package docker

import (
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkStartTask measures Create and Start of a task of one container in turn
// with the docker command running the same two containers, and reports the
// medians.
func BenchmarkStartTask(b *testing.B) {
	e, h := openEngine(b), dockerHost(b)
	var ours, plain []time.Duration
	for b.Loop() {
		ours = append(ours, startTask(b, e, h))
		plain = append(plain, dockerRun(b, e, h))
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return d[len(d)/2].Seconds()
	}
	b.ReportMetric(1000*median(ours), "ms/task")
	b.ReportMetric(1000*median(plain), "ms/docker-run")
	b.ReportMetric(median(ours)/median(plain), "ratio")
}

func startTask(b *testing.B, e *Engine, h *host) time.Duration {
	b.Helper()
	t := appTask(h, "run")
	t.CPU, t.Memory = 256, 512
	begin := time.Now()
	if _, err := e.Create(b.Context(), t); err != nil {
		b.Fatal(err)
	}
	if err := e.Start(b.Context(), t.ID, "app"); err != nil {
		b.Fatal(err)
	}
	took := time.Since(begin)
	if err := e.Remove(b.Context(), t.ID); err != nil {
		b.Fatal(err)
	}
	return took
}

func dockerRun(b *testing.B, e *Engine, h *host) time.Duration {
	b.Helper()
	docker := func(args ...string) {
		if out, err := exec.CommandContext(b.Context(), "docker", args...).CombinedOutput(); err != nil {
			b.Fatalf("docker %v: %v: %s", args, err, out)
		}
	}
	name := "skylift-enginetest-" + unique()
	begin := time.Now()
	docker("run", "-d", "--name", name, "--network", "none", e.pause.Ref)
	docker("run", "-d", "--name", name+"-app", "--network", "container:"+name, "--memory", "512m", h.app, "run")
	took := time.Since(begin)
	docker("rm", "-f", name+"-app", name)
	return took
}
