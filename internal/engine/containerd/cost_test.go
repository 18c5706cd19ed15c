package containerd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// idleTasks is how many tasks BenchmarkIdleTasks has.
const idleTasks = 50

// BenchmarkIdleTasks runs tasks that do nothing, whose output is followed, and
// reports what a task costs besides its own process, in KiB of memory that is its
// own (PSS), and what all of them take of a core; and the memory of as many pairs
// of a pause container and one of Docker's.
func BenchmarkIdleTasks(b *testing.B) {
	e, h := openEngine(b), containerdHost(b)
	for b.Loop() {
		before := e.memory(h)
		ctx, cancel := context.WithCancel(b.Context())
		var followers sync.WaitGroup
		var tasks []engine.Task
		for range idleTasks {
			t := enginetest.AppTask(h.app, "run")
			tasks = append(tasks, t)
			if _, err := e.Create(ctx, t); err != nil {
				b.Fatal(err)
			}
			if err := e.Start(ctx, t.ID, "app"); err != nil {
				b.Fatal(err)
			}
			followers.Go(func() {
				_ = e.Logs(ctx, t.ID, "app", time.Time{}, true, func(engine.Line) error { return nil }) // until ctx ends
			})
		}
		time.Sleep(5 * time.Second) // all of it becomes idle
		after := e.memory(h)
		used, began := e.processors(h), time.Now()
		time.Sleep(20 * time.Second)
		b.ReportMetric(100*(e.processors(h)-used).Seconds()/time.Since(began).Seconds(), "%core")
		for who, kib := range after {
			b.ReportMetric(float64(kib-before[who])/idleTasks, "KiB/task-"+who)
		}
		cancel()
		followers.Wait()
		for _, t := range tasks {
			if err := e.Remove(b.Context(), t.ID); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(dockerMemory(b, h), "KiB/docker-pair")
}

// processes returns the processes besides those of containers, by what they are.
func (e *Engine) processes(h *host) map[string][]int {
	return map[string][]int{
		"shim":       matching("containerd-shim", namespaceOf(e.instance)),
		"keeper":     matching("output-keeper", h.dir),
		"containerd": {h.containerd.State().PID},
		"ours":       {os.Getpid()},
	}
}

// matching returns the processes whose command line has all of the words.
func matching(words ...string) (pids []int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, file := range lines {
		text, err := os.ReadFile(file)
		for _, w := range words {
			if err == nil && !bytes.Contains(text, []byte(w)) {
				err = os.ErrNotExist
			}
		}
		if pid, number := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && number == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (e *Engine) memory(h *host) map[string]int {
	of := map[string]int{}
	for who, pids := range e.processes(h) {
		of[who] = 0
		for _, pid := range pids {
			of[who] += pss(pid)
		}
	}
	return of
}

// pss is the memory of a process in KiB, of what it shares its share.
func pss(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // one that ended has none
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			n, _ := strconv.Atoi(f[1]) // the kernel writes a number
			return n
		}
	}
	return 0
}

// processors is how much time all of the processes had of processors.
func (e *Engine) processors(h *host) (d time.Duration) {
	for _, pids := range e.processes(h) {
		for _, pid := range pids {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // one that ended has none
			_, rest, _ := strings.Cut(string(text), ") ")
			if f := strings.Fields(rest); len(f) > 12 {
				user, _ := strconv.Atoi(f[11])   // the kernel writes numbers
				system, _ := strconv.Atoi(f[12]) // in hundredths of a second
				d += time.Duration(user+system) * 10 * time.Millisecond
			}
		}
	}
	return d
}

func dockerDo(b *testing.B, args ...string) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), "docker", args...).CombinedOutput(); err != nil {
		b.Skipf("docker %v: %v: %s", args, err, out)
	}
}

// dockerMemory is what a pair of containers, of a pause program and one of Docker's,
// costs besides the two programs, in KiB.
func dockerMemory(b *testing.B, h *host) float64 {
	b.Helper()
	load := exec.CommandContext(b.Context(), "docker", "load")
	load.Stdin = bytes.NewReader(h.archives)
	if out, err := load.CombinedOutput(); err != nil {
		b.Skipf("docker load: %v: %s", err, out)
	}
	all := func() (kib int) {
		for _, words := range [][]string{{"containerd-shim", "-namespace\x00moby"}, {"dockerd"}} {
			for _, pid := range matching(words...) {
				kib += pss(pid)
			}
		}
		return kib
	}
	before := all()
	name := "skylift-cost-" + unique()
	var names []string
	defer func() { _ = exec.Command("docker", append([]string{"rm", "-f"}, names...)...).Run() }() //nolint:noctx // b's context may have ended
	const pairs = 20
	for i := range pairs {
		pause, app := fmt.Sprintf("%s-%d", name, i), fmt.Sprintf("%s-%d-app", name, i)
		names = append(names, app, pause)
		dockerDo(b, "run", "-d", "--name", pause, "--network", "none", h.app, "run")
		dockerDo(b, "run", "-d", "--name", app, "--network", "container:"+pause, h.app, "run")
	}
	time.Sleep(5 * time.Second) // all of it becomes idle
	return float64(all()-before) / pairs
}

// BenchmarkOutput reads what a container writes at full speed, and says that it is
// kept, as it goes to a log stream with mode=blocking.
func BenchmarkOutput(b *testing.B) {
	e, h := openEngine(b), containerdHost(b)
	const n = 5_000_000
	for b.Loop() {
		t := enginetest.AppTask(h.app, "flood", strconv.Itoa(n))
		t.Containers[0].Output = engine.Output{Mode: engine.OutputBlocks}
		if _, err := e.Create(b.Context(), t); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := e.Start(b.Context(), t.ID, "app"); err != nil {
			b.Fatal(err)
		}
		size, lines, wrong := 0, 0, 0
		err := e.Logs(b.Context(), t.ID, "app", time.Time{}, true, func(l engine.Line) error {
			if !strings.HasPrefix(l.Text, "line "+strconv.Itoa(lines)+" of") {
				wrong++
			}
			lines++
			if size += len(l.Text) + 1; lines%10_000 == 0 {
				return e.Release(b.Context(), t.ID, "app", l.Time)
			}
			return nil
		})
		took := time.Since(began).Seconds()
		if err = errors.Join(err, e.Remove(b.Context(), t.ID)); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(size)/1e6/took, "MB/s")
		b.ReportMetric(float64(lines)/took, "lines/s")
		b.ReportMetric(float64(n-lines), "lost")
		b.ReportMetric(float64(wrong), "out-of-order")
	}
}

// BenchmarkFirstStart pulls an image of 200 MB in 5 layers from a registry of this
// host and starts a container of it, in turn with docker pull and docker run, each
// time another image, and reports both.
func BenchmarkFirstStart(b *testing.B) {
	e, h := openEngine(b), containerdHost(b)
	r := newRegistry(b, h.machine)
	e.UseRegistry(r.host, r)
	config := b.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte(login.Username + ":" + login.Password))
	text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.host, auth)
	if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		layers := [][]byte{h.appLayer(b)}
		for i := range 5 {
			layers = append(layers, tarOf(file{name: fmt.Sprintf("part%d", i), mode: 0o444, text: halfRandom(40 << 20)}))
		}
		ref, _ := r.push(b, "v"+unique(), appConfig, layers...)
		began := time.Now()
		name, err := e.Pull(b.Context(), ref, login)
		if err != nil {
			b.Fatal(err)
		}
		t := enginetest.AppTask(name, "run")
		if _, err := e.Create(b.Context(), t); err != nil {
			b.Fatal(err)
		}
		if err := e.Start(b.Context(), t.ID, "app"); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		if err := e.Remove(b.Context(), t.ID); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		dockerDo(b, "--config", config, "pull", "-q", ref)
		dockerDo(b, "run", "-d", "--name", "skylift-first-"+unique(), "--rm", ref, "exit", "0")
		theirs += time.Since(began)
		_ = exec.Command("docker", "rmi", "-f", ref).Run() //nolint:noctx // b's context may have ended
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/ours")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "s/docker")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}

// halfRandom returns bytes of which half can be compressed away.
func halfRandom(n int) []byte {
	text := make([]byte, n)
	for at := 0; at+8 <= n; at += 16 {
		v := rand.Uint64()
		for i := range 8 {
			text[at+i] = byte(v >> (8 * i))
		}
	}
	return text
}
