package containerd

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine/enginetest"
)

// BenchmarkStartTask measures Create and Start of a task of one container in turn
// with ctr running the same container, and reports the medians.
func BenchmarkStartTask(b *testing.B) {
	e, h := openEngine(b), containerdHost(b)
	var create, ours, plain []time.Duration
	for b.Loop() {
		c, s := startTask(b, e, h)
		create, ours = append(create, c), append(ours, s)
		plain = append(plain, ctrRun(b, e, h))
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return d[len(d)/2].Seconds()
	}
	b.ReportMetric(1000*median(create), "ms/create")
	b.ReportMetric(1000*median(ours), "ms/task")
	b.ReportMetric(1000*median(plain), "ms/ctr-run")
	b.ReportMetric(median(ours)/median(plain), "ratio")
}

func startTask(b *testing.B, e *Engine, h *host) (create, whole time.Duration) {
	b.Helper()
	t := enginetest.AppTask(h.app, "run")
	t.CPU, t.Memory = 256, 512
	begin := time.Now()
	if _, err := e.Create(b.Context(), t); err != nil {
		b.Fatal(err)
	}
	create = time.Since(begin)
	if err := e.Start(b.Context(), t.ID, "app"); err != nil {
		b.Fatal(err)
	}
	whole = time.Since(begin)
	if err := e.Remove(b.Context(), t.ID); err != nil {
		b.Fatal(err)
	}
	return create, whole
}

func ctrRun(b *testing.B, e *Engine, h *host) time.Duration {
	b.Helper()
	ctr := func(args ...string) {
		cmd := exec.CommandContext(b.Context(), "ctr", append([]string{"-a", h.containerd.Address(), "-n", namespaceOf(e.instance)}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("ctr %v: %v: %s", args, err, out)
		}
	}
	name := "c" + unique()
	log := filepath.Join(b.TempDir(), "log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	ctr("run", "-d", "--log-uri", "file://"+log, "docker.io/"+h.app, name, "/app", "run")
	took := time.Since(begin)
	ctr("task", "rm", "-f", name)
	ctr("container", "rm", name)
	return took
}
