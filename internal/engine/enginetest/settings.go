package enginetest

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

func itoa(n int) string { return strconv.Itoa(n) }

// checked describes a task of one container with a health check that prints
// "checked" and exits with code.
func (s suite) checked(code int) engine.Task {
	task := s.task("run")
	task.Containers[0].HealthCheck = &engine.HealthCheck{
		Command:  []string{"CMD", s.images.Program, "say", "checked", itoa(code)},
		Interval: 200 * time.Millisecond,
		Timeout:  10 * time.Second,
		Retries:  2,
	}
	return task
}

func testHealth(t *testing.T, s suite) {
	e := s.open(t)
	for code, want := range map[int]engine.Health{0: engine.Healthy, 1: engine.Unhealthy} {
		task := s.checked(code)
		start(t, e, task)
		status := await(t, e, task.ID, func(s engine.Status) bool {
			h := container(s, "run").Health
			return h != "" && h != engine.HealthStarting
		})
		if c := container(status, "run"); c.Health != want || c.HealthLog != "checked\n" {
			t.Errorf("check that exits with %d: %+v, want %s", code, c, want)
		}
		awaitReady(t, e, task.ID, "run")
		if err := e.Signal(t.Context(), task.ID, "run", "SIGTERM"); err != nil {
			t.Fatal(err)
		}
		c := awaitState(t, e, task.ID, "run", engine.Exited)
		late := strings.Contains(c.HealthLog, "cannot exec in a stopped") // Docker's check that began at the container's end
		if c.Health != "" || c.HealthLog != "checked\n" && !late {
			t.Errorf("ended container %+v, want no health and its last check", c)
		}
	}
}

func testNoHealth(t *testing.T, s suite) {
	e, task := s.open(t), s.task("run", "trap")
	task.Containers[1].HealthCheck = &engine.HealthCheck{Command: []string{"NONE"}}
	start(t, e, task)
	status, err := e.Inspect(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range status.Containers {
		if c.State != engine.Running || c.Health != "" || c.HealthLog != "" {
			t.Errorf("container %+v, want it running and without health", c)
		}
	}
}

func testStartPeriod(t *testing.T, s suite) {
	e, task := s.open(t), s.checked(1)
	task.Containers[0].HealthCheck.StartPeriod = time.Hour
	task.Containers = append(task.Containers, s.checked(1).Containers[0])
	task.Containers[1].Name = "other"
	start(t, e, task)
	status := await(t, e, task.ID, func(s engine.Status) bool { return container(s, "other").Health == engine.Unhealthy })
	if got := container(status, "run").Health; got != engine.HealthStarting {
		t.Errorf("in its start period the container is %q, want it starting", got)
	}
}

func testRefused(t *testing.T, s suite) {
	e := s.open(t)
	for name, spoil := range map[string]func(*engine.Task, *engine.Container){
		"process namespace": func(t *engine.Task, _ *engine.Container) { t.PIDMode = "host" },
		"health check form": func(_ *engine.Task, c *engine.Container) {
			c.HealthCheck = &engine.HealthCheck{Command: []string{"curl", "localhost"}}
		},
		"volume": func(_ *engine.Task, c *engine.Container) {
			c.Mounts = []engine.Mount{{Source: "data", Target: "/data"}}
		},
		"parameter of the host": func(_ *engine.Task, c *engine.Container) {
			c.Sysctls = map[string]string{"vm.swappiness": "1"}
		},
		"volumes of nobody": func(_ *engine.Task, c *engine.Container) {
			c.VolumesFrom = []engine.VolumesFrom{{Container: "other"}}
		},
		"cycle": func(t *engine.Task, c *engine.Container) {
			c.VolumesFrom = []engine.VolumesFrom{{Container: "second"}}
			t.Containers = append(t.Containers, engine.Container{
				Name: "second", Image: c.Image, VolumesFrom: []engine.VolumesFrom{{Container: c.Name}},
			})
		},
	} {
		task := s.task("run")
		spoil(&task, &task.Containers[0])
		_, err := e.Create(t.Context(), task)
		if refused, ok := errors.AsType[*engine.StartError](err); !ok || refused.Reason == "" {
			t.Errorf("%s: %v, want a StartError", name, err)
		}
		if _, err := e.Inspect(t.Context(), task.ID); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("%s: inspect: %v, want that nothing was made", name, err)
		}
	}
}

// inTurn starts containers of a task one after the other and returns their exit
// codes.
func inTurn(t *testing.T, e engine.Engine, task engine.Task, names ...string) (codes []int) {
	t.Helper()
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatalf("create: %v", err)
	}
	for _, name := range names {
		if err := e.Start(t.Context(), task.ID, name); err != nil {
			t.Fatalf("start: %v", err)
		}
		codes = append(codes, awaitState(t, e, task.ID, name, engine.Exited).ExitCode)
	}
	return codes
}

func testVolumes(t *testing.T, s suite) {
	e, task := s.open(t), s.task("read /data/file", "write /data/file", "write /other/file")
	for i, name := range []string{"reader", "writer", "guest"} {
		task.Containers[i].Name = name
	}
	task.Volumes = []string{"data"}
	task.Containers[0].VolumesFrom = []engine.VolumesFrom{{Container: "writer", ReadOnly: true}}
	task.Containers[1].Mounts = []engine.Mount{{Source: "data", Target: "/data"}}
	task.Containers[2].Mounts = []engine.Mount{{Source: "data", Target: "/other", ReadOnly: true}}
	if got, want := inTurn(t, e, task, "writer", "guest", "reader"), []int{0, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("writer, writer on a read-only mount and reader exited with %v, want %v", got, want)
	}
	if got := read(t, e, task.ID, "reader", time.Time{}, 0, false); len(got) != 1 || got[0].Text != "hello" {
		t.Errorf("read %+v, want what was written", got)
	}
}

func testReadOnly(t *testing.T, s suite) {
	e, task := s.open(t), s.task("write /file", "write /file", "write /tmp/file")
	task.Containers[1].Name, task.Containers[2].Name = "kept", "tmpfs"
	task.Containers[1].ReadonlyRootFilesystem = true
	task.Containers[2].ReadonlyRootFilesystem = true
	task.Containers[2].Tmpfs = []engine.Tmpfs{{Target: "/tmp", Size: 1, Options: []string{"noexec"}}}
	if got, want := inTurn(t, e, task, "write", "kept", "tmpfs"), []int{0, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("writers to a file system, a read-only one, and a tmpfs in it exited with %v, want %v", got, want)
	}
}

func testStats(t *testing.T, s suite) {
	e, task := s.open(t), s.task("run", "trap", "exit 0")
	task.Memory, task.Containers[0].Memory = 256, 128
	start(t, e, task)
	awaitState(t, e, task.ID, "exit", engine.Exited)
	awaitReady(t, e, task.ID, "run")
	awaitReady(t, e, task.ID, "trap")
	stats, err := e.Stats(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Containers) != 2 || stats.Containers[0].Name != "run" || stats.Containers[1].Name != "trap" {
		t.Fatalf("stats %+v, want those of run and trap", stats)
	}
	if len(stats.Networks) != 0 {
		t.Errorf("networks %+v, want none: there is but loopback", stats.Networks)
	}
	for i, limit := range []int64{128 << 20, 256 << 20} {
		c := stats.Containers[i]
		if c.Time.IsZero() || c.RuntimeID == "" || c.Processes < 1 || c.CPU.Online < 1 || c.CPU.System <= 0 {
			t.Errorf("stats %+v lack something", c)
		}
		if c.Memory.Usage <= 0 || c.Memory.Usage > limit || c.Memory.Limit != limit {
			t.Errorf("memory %+v, want some, of %d", c.Memory, limit)
		}
	}
	later, err := e.Stats(t.Context(), task.ID)
	if err != nil || later.Containers[0].CPU.Total < stats.Containers[0].CPU.Total || later.Containers[0].CPU.System < stats.Containers[0].CPU.System {
		t.Errorf("stats %+v, %v, then %+v: want counters that never fall", stats, err, later)
	}
	if _, err := e.Stats(t.Context(), NewID()); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("stats of no task: %v, want ErrNotFound", err)
	}
}

func testStorage(t *testing.T, s suite) {
	e, task := s.open(t), s.task("fill /file 3", "fill /data/file 5", "run")
	task.Containers[1].Name = "volume"
	task.Volumes = []string{"data"}
	task.Containers[1].Mounts = []engine.Mount{{Source: "data", Target: "/data"}}
	task.Containers[2].Mounts = task.Containers[1].Mounts
	inTurn(t, e, task)
	storage := func() int64 {
		t.Helper()
		bytes, err := e.Storage(t.Context(), task.ID)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	before := storage()
	for i, name := range []string{"fill", "volume"} {
		inTurn(t, e, task, name)
		want, got := []int64{3 << 20, 8 << 20}[i], storage()-before
		if got < want || got > want+1<<20 {
			t.Errorf("after %s the task wrote %d bytes, want %d", name, got, want)
		}
	}
	if _, err := e.Storage(t.Context(), NewID()); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("storage of no task: %v, want ErrNotFound", err)
	}
}

func testSettings(t *testing.T, s suite) {
	e, task := s.open(t), s.task("exit 0", "exit 0")
	task.PIDMode = "task"
	task.Containers[1].Name = "all"
	c := &task.Containers[1]
	c.Init, c.Interactive, c.PseudoTerminal = true, true, true
	c.CapAdd, c.CapDrop = []string{"SYS_PTRACE"}, []string{"NET_RAW"}
	c.Ulimits = []engine.Ulimit{{Name: "nofile", Soft: 512, Hard: 1024}}
	c.Sysctls = map[string]string{"net.core.somaxconn": "77", "kernel.msgmax": "9000"}
	c.Labels = map[string]string{"team": "web"}
	if got, want := inTurn(t, e, task, "exit", "all"), []int{0, 0}; !slices.Equal(got, want) {
		t.Errorf("containers exited with %v, want %v", got, want)
	}
}
