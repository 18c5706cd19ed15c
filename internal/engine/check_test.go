package engine

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// pair returns a task of two containers called a and b.
func pair() Task { return Task{ID: "t", Containers: []Container{{Name: "a"}, {Name: "b"}}} }

func TestCheck(t *testing.T) {
	t.Parallel()
	health := func(command ...string) func(*Task) {
		return func(t *Task) { t.Containers[1].HealthCheck = &HealthCheck{Command: command} }
	}
	mount := func(m Mount) func(*Task) {
		return func(t *Task) { t.Volumes, t.Containers[1].Mounts = []string{"data"}, []Mount{m} }
	}
	sysctl := func(name string) func(*Task) {
		return func(t *Task) { t.Containers[1].Sysctls = map[string]string{name: "1"} }
	}
	from := func(user, source int) func(*Task) {
		return func(t *Task) {
			t.Containers[user].VolumesFrom = append(t.Containers[user].VolumesFrom, VolumesFrom{Container: string(rune('a' + source))})
		}
	}
	tests := []struct {
		name string
		set  []func(*Task)
		want string // in the reason; "": none
	}{
		{"nothing special", nil, ""},
		{"shared processes", []func(*Task){func(t *Task) { t.PIDMode = "task" }}, ""},
		{"the host's processes", []func(*Task){func(t *Task) { t.PIDMode = "host" }}, `"host"`},
		{"health check of arguments", []func(*Task){health("CMD", "curl", "localhost")}, ""},
		{"health check of a line", []func(*Task){health("CMD-SHELL", "curl localhost || exit 1")}, ""},
		{"no health check", []func(*Task){health("NONE")}, ""},
		{"health check without form", []func(*Task){health("curl", "localhost")}, "must begin with CMD"},
		{"health check without command", []func(*Task){health("CMD")}, "must begin with CMD"},
		{"empty health check", []func(*Task){health()}, "must begin with CMD"},
		{"negative interval", []func(*Task){health("CMD", "x"), func(t *Task) { t.Containers[1].HealthCheck.Interval = -1 }}, "negative"},
		{"volume", []func(*Task){mount(Mount{Source: "data", Target: "/d"})}, ""},
		{"directory", []func(*Task){mount(Mount{Source: "/srv", Target: "/d"})}, ""},
		{"other volume", []func(*Task){mount(Mount{Source: "date", Target: "/d"})}, `"date"`},
		{"relative target", []func(*Task){mount(Mount{Source: "data", Target: "d"})}, `"d" is not`},
		{"tmpfs without size", []func(*Task){func(t *Task) { t.Containers[1].Tmpfs = []Tmpfs{{Target: "/t"}} }}, "needs a size"},
		{"network parameter", []func(*Task){sysctl("net.ipv4.ip_local_port_range")}, ""},
		{"IPC parameter", []func(*Task){sysctl("kernel.sem")}, ""},
		{"queue parameter", []func(*Task){sysctl("fs.mqueue.msg_max")}, ""},
		{"parameter of the host", []func(*Task){sysctl("kernel.panic")}, "kernel.panic"},
		{"volumes of another", []func(*Task){from(1, 0)}, ""},
		{"volumes of itself", []func(*Task){from(1, 1)}, `"b"`},
		{"volumes of nobody", []func(*Task){from(1, 2)}, `"c"`},
		{"volumes in a cycle", []func(*Task){from(1, 0), from(0, 1)}, "takes its own"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			task := pair()
			for _, set := range tc.set {
				set(&task)
			}
			err := task.Check()
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused, ok := errors.AsType[*StartError](err)
			if !ok || !strings.Contains(refused.Reason, tc.want) {
				t.Errorf("%v, want a StartError with %q", err, tc.want)
			}
		})
	}
}

func TestByVolumes(t *testing.T) {
	t.Parallel()
	task := Task{Containers: []Container{
		{Name: "c", VolumesFrom: []VolumesFrom{{Container: "b"}}},
		{Name: "x"},
		{Name: "b", VolumesFrom: []VolumesFrom{{Container: "a"}}},
		{Name: "a"},
	}}
	ordered, cyclic := task.ByVolumes()
	var names []string
	for _, c := range ordered {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "x a b c" || cyclic != "" {
		t.Errorf("order %q, cyclic %q", got, cyclic)
	}
}

func TestHealthCheckDefaults(t *testing.T) {
	t.Parallel()
	for _, h := range []*HealthCheck{nil, {}, {Command: []string{"NONE"}}} {
		if _, ok := h.Active(); ok {
			t.Errorf("%+v is active", h)
		}
	}
	got, ok := (&HealthCheck{Command: []string{"CMD", "x"}, Retries: 5}).Active()
	if !ok || got.Interval != 30*time.Second || got.Timeout != 5*time.Second || got.Retries != 5 || got.StartPeriod != 0 {
		t.Errorf("health check %+v, %v", got, ok)
	}
}

// TestTaskInJSON has a task without secrets go through JSON as it is; of one with them nothing is said.
func TestTaskInJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(pair())
	if err != nil {
		t.Fatal(err)
	}
	var got Task
	if err := json.Unmarshal(text, &got); err != nil || len(got.Containers) != 2 || got.Containers[1].Name != "b" {
		t.Errorf("got %+v, %v", got, err)
	}
	with := pair()
	with.Containers[0].Secrets = Secrets{"A=canary"}
	if text, err := json.Marshal(with); err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestCheckSecrets(t *testing.T) {
	t.Parallel()
	for bad, want := range map[string]string{
		"A=can\x00ary":    "the value for variable A has a NUL byte, which no environment variable can have",
		"A\x00B=canary":   "the name of a variable that is secret is empty or has a NUL byte",
		"=canary":         "the name of a variable that is secret is empty or has a NUL byte",
		"canary without=": "",
		"canary":          "the name of a variable that is secret is empty or has a NUL byte",
	} {
		task := pair()
		task.Containers[1].Secrets = Secrets{"GOOD=x", bad}
		err := task.Check()
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", bad, err)
			}
			continue
		}
		if refused, ok := errors.AsType[*StartError](err); !ok || refused.Container != "b" || refused.Reason != want {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
	}
}
