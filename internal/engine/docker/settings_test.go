package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
)

// printed runs a task of one container and returns what it printed.
func printed(t *testing.T, e *Engine, task engine.Task) string {
	t.Helper()
	lines, status := run(t, e, task)
	if status.ExitCode != 0 {
		t.Errorf("container ended as %+v and said %q", status, lines)
	}
	return strings.Join(lines, "\n")
}

func TestSettingsReachTheContainer(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	const ptrace, netRaw = 1 << 19, 1 << 13
	tests := []struct {
		name    string
		command []string
		set     func(*engine.Task, *engine.Container)
		holds   func(said string) bool
	}{
		{"own init", []string{"read", "/proc/1/comm"}, func(_ *engine.Task, c *engine.Container) { c.Init = true }, is("docker-init")},
		{"no init", []string{"read", "/proc/1/comm"}, func(*engine.Task, *engine.Container) {}, is("app")},
		{"shared processes", []string{"read", "/proc/1/comm"}, func(t *engine.Task, _ *engine.Container) { t.PIDMode = "task" }, is("pause")},
		{"shared processes and init", []string{"read", "/proc/1/comm"}, func(t *engine.Task, c *engine.Container) {
			t.PIDMode, c.Init = "task", true
		}, is("pause")},
		{"orphans with init", []string{"orphan"}, func(_ *engine.Task, c *engine.Container) { c.Init = true }, is("")},
		{"orphans with shared processes", []string{"orphan"}, func(t *engine.Task, _ *engine.Container) { t.PIDMode = "task" }, is("")},
		{"capability added", []string{"read", "/proc/self/status"}, func(_ *engine.Task, c *engine.Container) {
			c.CapAdd = []string{"SYS_PTRACE"}
		}, func(said string) bool { return capabilities(said)&(ptrace|netRaw) == ptrace|netRaw }},
		{"capability dropped", []string{"read", "/proc/self/status"}, func(_ *engine.Task, c *engine.Container) {
			c.CapDrop = []string{"NET_RAW"}
		}, func(said string) bool { return capabilities(said)&(ptrace|netRaw) == 0 && capabilities(said) != 0 }},
		{"all capabilities dropped", []string{"read", "/proc/self/status"}, func(_ *engine.Task, c *engine.Container) {
			c.CapDrop = []string{"ALL"}
		}, func(said string) bool { return capabilities(said) == 0 }},
		{"ulimit", []string{"read", "/proc/self/limits"}, func(_ *engine.Task, c *engine.Container) {
			c.Ulimits = []engine.Ulimit{{Name: "nofile", Soft: 1024, Hard: 1024}, {Name: "core", Soft: 512, Hard: 2048}}
		}, func(said string) bool {
			return has(said, "Max open files 1024 1024 files") && has(said, "Max core file size 512 2048 bytes")
		}},
		{"parameter of the network", []string{"read", "/proc/sys/net/core/somaxconn"}, func(_ *engine.Task, c *engine.Container) {
			c.Sysctls = map[string]string{"net.core.somaxconn": "77"}
		}, is("77")},
		{"parameter of its own", []string{"read", "/proc/sys/kernel/msgmax"}, func(_ *engine.Task, c *engine.Container) {
			c.Sysctls = map[string]string{"kernel.msgmax": "9000"}
		}, is("9000")},
		{"terminal", []string{"link", "/proc/self/fd/1"}, func(_ *engine.Task, c *engine.Container) { c.PseudoTerminal = true }, is("/dev/pts/0")},
		{"closed input", []string{"link", "/proc/self/fd/0"}, func(*engine.Task, *engine.Container) {}, is("/dev/null")},
		{
			"open input",
			[]string{"link", "/proc/self/fd/0"},
			func(_ *engine.Task, c *engine.Container) { c.Interactive = true },
			func(said string) bool { return strings.HasPrefix(said, "pipe:") },
		},
		{"tmpfs", []string{"read", "/proc/self/mounts"}, func(_ *engine.Task, c *engine.Container) {
			c.Tmpfs = []engine.Tmpfs{{Target: "/scratch", Size: 3, Options: []string{"noexec", "mode=0700"}}}
		}, func(said string) bool {
			return has(said, "tmpfs /scratch tmpfs rw,") && has(said, "size=3072k,mode=700") && has(said, ",noexec,")
		}},
		{
			"cgroup of the task",
			[]string{"read", "/proc/self/cgroup"},
			func(*engine.Task, *engine.Container) {},
			func(said string) bool { return !e.cgroups.Usable() || has(said, e.instance) || said == "0::/" }, // v2 hides what is above
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			task := appTask(h, tc.command...)
			tc.set(&task, &task.Containers[0])
			if said := printed(t, e, task); !tc.holds(said) {
				t.Errorf("container said %q", said)
			}
		})
	}
}

func is(want string) func(string) bool { return func(said string) bool { return said == want } }

// has reports whether a line of said has want in it, spaces apart.
func has(said, want string) bool {
	return strings.Contains(strings.Join(strings.Fields(said), " "), want)
}

// capabilities reads the effective ones from a process's status.
func capabilities(status string) (set uint64) {
	_, hex, _ := strings.Cut(status, "CapEff:")
	_, _ = fmt.Sscanf(hex, "%x", &set) // 0 is none
	return set
}

func TestSettingsThatCantBe(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	tests := map[string]struct {
		spoil func(*engine.Container)
		want  string
	}{
		"limit above the host's": {func(c *engine.Container) {
			c.Ulimits = []engine.Ulimit{{Name: "nofile", Soft: 1 << 40, Hard: 1 << 40}}
		}, "operation not permitted"},
		"unknown limit":      {func(c *engine.Container) { c.Ulimits = []engine.Ulimit{{Name: "files", Soft: 1, Hard: 1}} }, "RLIMIT_FILES"},
		"unknown capability": {func(c *engine.Container) { c.CapAdd = []string{"FLY"} }, "FLY"},
		"unknown parameter": {func(c *engine.Container) {
			c.Sysctls = map[string]string{"net.core.nonsense": "1"}
		}, "kernel parameter net.core.nonsense"},
		"bad value": {func(c *engine.Container) {
			c.Sysctls = map[string]string{"kernel.msgmax": "many"}
		}, "msgmax"},
		"no such directory": {func(c *engine.Container) {
			c.Mounts = []engine.Mount{{Source: "/no/such/directory", Target: "/data"}}
		}, "/no/such/directory"},
		"two mounts in one place": {func(c *engine.Container) {
			c.Mounts = []engine.Mount{{Source: "/tmp", Target: "/data"}, {Source: "/var", Target: "/data"}}
		}, "/data"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := appTask(h, "exit", "0")
			tc.spoil(&task.Containers[0])
			_, err := e.Create(t.Context(), task)
			if err == nil {
				err = e.Start(t.Context(), task.ID, "app")
			}
			refused, ok := errors.AsType[*engine.StartError](err)
			if !ok || refused.Container != "app" || !strings.Contains(refused.Reason, tc.want) {
				t.Errorf("%v, want a StartError of app with %q", err, tc.want)
			}
		})
	}
}

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

func TestHealthCheckInAShell(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "run")
	task.Containers[0].HealthCheck = &engine.HealthCheck{
		Command: []string{"CMD-SHELL", "exit 0"}, Interval: 100 * time.Millisecond, Retries: 1,
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	told := make(chan string, 100)
	go func() { _ = e.Watch(ctx, func(id string) { told <- id }) }()
	if _, err := e.Create(ctx, task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx, task.ID, "app"); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case <-told:
		case <-ctx.Done():
			t.Fatal("the image has no shell, but health isn't told")
		}
		status, err := e.Inspect(ctx, task.ID)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(status.Containers) == 1 && status.Containers[0].Health == engine.Unhealthy {
			if !strings.Contains(status.Containers[0].HealthLog, "/bin/sh") {
				t.Errorf("container %+v, want a health log that names the shell", status.Containers[0])
			}
			return
		}
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
