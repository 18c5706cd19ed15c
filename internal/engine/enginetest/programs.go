package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// Programs is what the tests of an engine know that runs real programs.
type Programs struct {
	App   string // the image of Images
	Data  string // App with the directory /data of mode 0700 and the file /data/file in it ("of the image"), both user 1000's; "": there is none
	Init  string // the name of a container's init process
	Pause string // the name of a task's init process
}

// RunPrograms holds an engine to what the programs in its containers see.
func RunPrograms(t *testing.T, open func(*testing.T) engine.Engine, p Programs) {
	for name, test := range map[string]func(*testing.T, engine.Engine, Programs){
		"a container gets its settings":         testEnvironment,
		"secrets are the container's":           testSecrets,
		"the task's memory is a limit":          testTaskMemory,
		"a container's memory is a limit":       testContainerMemory,
		"settings reach the container":          testSettingsSeen,
		"settings that can't be":                testSettingsRefused,
		"a health check in a shell":             testHealthShell,
		"a directory of the host":               testHostDirectory,
		"a volume takes over the image's files": testVolumeOfImage,
		"a volume is gone with its task":        testVolumeGone,
		"an exit code by a signal":              testKilled,
		"exec gets its settings":                testExecSettings,
		"exec in a terminal":                    testExecTerminal,
		"exec hands all output on":              testExecOutput,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t), p)
		})
	}
}

// AppTask is a task of one container called app.
func AppTask(image string, command ...string) engine.Task {
	return engine.Task{ID: NewID(), Containers: []engine.Container{{Name: "app", Image: image, Command: command}}}
}

// RunTask starts a task of one container and returns its lines and status at the
// end.
func RunTask(t *testing.T, e engine.Engine, task engine.Task) ([]string, engine.ContainerStatus) {
	t.Helper()
	start(t, e, task)
	name := task.Containers[0].Name
	var lines []string
	for _, l := range read(t, e, task.ID, name, time.Time{}, 0, true) {
		lines = append(lines, l.Text)
	}
	return lines, awaitState(t, e, task.ID, name, engine.Exited)
}

// Printed runs a task of one container and returns what it printed.
func Printed(t *testing.T, e engine.Engine, task engine.Task) string {
	t.Helper()
	lines, status := RunTask(t, e, task)
	if status.ExitCode != 0 {
		t.Errorf("container ended as %+v and said %q", status, lines)
	}
	return strings.Join(lines, "\n")
}

func testEnvironment(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "env")
	task.Hostname = "ip-10-0-0-7"
	task.Hosts = map[string]string{"db.internal": "10.9.8.7"}
	task.DNS = []string{"10.9.8.1"}
	c := &task.Containers[0]
	c.Env, c.WorkingDirectory, c.User = []string{"GREETING=hello"}, "/srv", "1234"
	lines, status := RunTask(t, e, task)
	if len(lines) != 1 || lines[0] != "ip-10-0-0-7 hello /srv 1234 true true" || status.ExitCode != 0 {
		t.Errorf("container saw %q and ended as %+v", lines, status)
	}
}

// testSecrets has a container, its health check and a command in it look at a secret. An engine may refuse secrets.
func testSecrets(t *testing.T, e engine.Engine, p Programs) {
	const want = "13 -end"
	task := AppTask(p.App, "variable", "TOKEN")
	task.Containers[0].Env = []string{"TOKEN=of the definition"}
	task.Containers[0].Secrets = engine.Secrets{"TOKEN=a=secret, end", "TOKEN=secret is-end"}
	_, err := e.Create(t.Context(), task)
	if refused, ok := errors.AsType[*engine.StartError](err); ok && strings.Contains(refused.Reason, "secrets") {
		return // it keeps the promise by refusing
	}
	if said := Printed(t, e, task); said != want {
		t.Errorf("the container has %q, want %q", said, want)
	}
	task = AppTask(p.App, "run")
	c := &task.Containers[0]
	c.Secrets = engine.Secrets{"TOKEN=secret is-end"}
	c.HealthCheck = &engine.HealthCheck{Command: []string{"CMD", "/app", "variable", "TOKEN"}, Interval: 200 * time.Millisecond, Timeout: 10 * time.Second, Retries: 1}
	start(t, e, task)
	status := await(t, e, task.ID, func(s engine.Status) bool { return container(s, "app").Health == engine.Healthy })
	if said := container(status, "app").HealthLog; said != want+"\n" {
		t.Errorf("the health check has %q, want %q", said, want)
	}
	var out bytes.Buffer
	if _, err := e.Exec(t.Context(), task.ID, "app", engine.Exec{Command: []string{"/app", "variable", "TOKEN"}, Stdout: &out}); err != nil || out.String() != want+"\n" {
		t.Errorf("a command has %q, %v, want %q", out.String(), err, want)
	}
}

func testTaskMemory(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "eat", "300")
	task.Memory, task.CPU = 100, 512
	_, status := RunTask(t, e, task)
	if !status.OOMKilled || status.ExitCode != 137 {
		t.Errorf("container %+v, want it killed for its memory", status)
	}
}

func testContainerMemory(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "eat", "300")
	task.Memory, task.Containers[0].Memory = 1024, 100
	_, status := RunTask(t, e, task)
	if !status.OOMKilled || status.ExitCode != 137 {
		t.Errorf("container %+v, want it killed for its memory", status)
	}
}

func testKilled(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "deaf")
	start(t, e, task)
	awaitReady(t, e, task.ID, "app")
	if err := e.Signal(t.Context(), task.ID, "app", "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	if got := awaitState(t, e, task.ID, "app", engine.Exited); got.ExitCode != 137 || got.OOMKilled {
		t.Errorf("container %+v, want it killed, and not for its memory", got)
	}
}

func testSettingsSeen(t *testing.T, e engine.Engine, p Programs) {
	const ptrace, netRaw = 1 << 19, 1 << 13
	tests := []struct {
		name    string
		command []string
		set     func(*engine.Task, *engine.Container)
		holds   func(said string) bool
	}{
		{"own init", []string{"read", "/proc/1/comm"}, func(_ *engine.Task, c *engine.Container) { c.Init = true }, is(p.Init)},
		{"no init", []string{"read", "/proc/1/comm"}, func(*engine.Task, *engine.Container) {}, is("app")},
		{"shared processes", []string{"read", "/proc/1/comm"}, func(t *engine.Task, _ *engine.Container) { t.PIDMode = "task" }, is(p.Pause)},
		{"shared processes and init", []string{"read", "/proc/1/comm"}, func(t *engine.Task, c *engine.Container) {
			t.PIDMode, c.Init = "task", true
		}, is(p.Pause)},
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
		{"any port for anybody", []string{"read", "/proc/sys/net/ipv4/ip_unprivileged_port_start"}, func(*engine.Task, *engine.Container) {}, is("0")},
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
		{"shared memory", []string{"read", "/proc/self/mounts"}, func(*engine.Task, *engine.Container) {}, func(said string) bool {
			return has(said, "shm /dev/shm tmpfs rw,") && has(said, "size=65536k")
		}},
		{"cgroups", []string{"read", "/proc/self/mounts"}, func(*engine.Task, *engine.Container) {}, func(said string) bool {
			return has(said, " /sys/fs/cgroup") && has(said, "sysfs /sys sysfs ro,")
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			task := AppTask(p.App, tc.command...)
			tc.set(&task, &task.Containers[0])
			if said := Printed(t, e, task); !tc.holds(said) {
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

func testSettingsRefused(t *testing.T, e engine.Engine, p Programs) {
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
		"no such user":  {func(c *engine.Container) { c.User = "nobody-at-all" }, "nobody-at-all"},
		"no such image": {func(c *engine.Container) { c.Image = "skylift-enginetest/no-such-image:v1" }, "skylift-enginetest/no-such-image:v1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := AppTask(p.App, "exit", "0")
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

// testHealthShell checks health by a shell that the image has not.
func testHealthShell(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "run")
	task.Containers[0].HealthCheck = &engine.HealthCheck{
		Command: []string{"CMD-SHELL", "exit 0"}, Interval: 100 * time.Millisecond, Retries: 1,
	}
	start(t, e, task)
	s := await(t, e, task.ID, func(s engine.Status) bool { return container(s, "app").Health == engine.Unhealthy })
	if c := container(s, "app"); !strings.Contains(c.HealthLog, "/bin/sh") {
		t.Errorf("container %+v, want a health log that names the shell", c)
	}
}

func testHostDirectory(t *testing.T, e engine.Engine, p Programs) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	task := AppTask(p.App, "read", "/data/file")
	task.Containers[0].Mounts = []engine.Mount{{Source: dir, Target: "/data", ReadOnly: true}}
	if said := Printed(t, e, task); said != "kept" {
		t.Errorf("container read %q", said)
	}
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Errorf("after the task's end: %v", err)
	}
}

func testVolumeOfImage(t *testing.T, e engine.Engine, p Programs) {
	if p.Data == "" {
		t.Skip("an image can't be built here")
	}
	task := AppTask(p.App, "write", "/data/new")
	task.Volumes = []string{"data"}
	first := &task.Containers[0]
	first.Image, first.User = p.Data, "1000"
	first.Mounts = []engine.Mount{{Source: "data", Target: "/data"}}
	task.Containers = append(task.Containers, engine.Container{
		Name: "second", Image: p.App, Command: []string{"read", "/other/file"},
		Mounts: []engine.Mount{{Source: "data", Target: "/other"}},
	})
	t.Cleanup(func() { _ = e.Remove(context.Background(), task.ID) }) // before its image
	if codes := inTurn(t, e, task, "app", "second"); codes[0] != 0 || codes[1] != 0 {
		t.Errorf("the containers exited with %v", codes)
	}
	if said := read(t, e, task.ID, "second", time.Time{}, 0, false); len(said) != 1 || said[0].Text != "of the image" {
		t.Errorf("the second container read %+v", said)
	}
}

func testVolumeGone(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "write", "/data/file")
	task.Volumes = []string{"data", strings.Repeat("long", 60)}
	task.Containers[0].Mounts = []engine.Mount{{Source: "data", Target: "/data"}, {Source: task.Volumes[1], Target: "/long"}}
	Printed(t, e, task)
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	task.Containers[0].Command = []string{"read", "/data/file"}
	if _, status := RunTask(t, e, task); status.ExitCode != 1 {
		t.Errorf("container %+v, want a new and empty volume", status)
	}
}
