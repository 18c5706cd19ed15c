// Package convert puts what the port of engines says into Docker's words, and back.
package convert

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

// HealthConfig returns a health check as Docker takes it. Without one, that of
// the image doesn't run either.
func HealthConfig(h *engine.HealthCheck) *container.HealthConfig {
	active, ok := h.Active()
	if !ok {
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	return &container.HealthConfig{
		Test:        active.Command,
		Interval:    active.Interval,
		Timeout:     active.Timeout,
		StartPeriod: active.StartPeriod,
		Retries:     active.Retries,
	}
}

// HealthOf puts a container's health into the port's words. Docker calls one
// that has ended unhealthy.
func HealthOf(s *container.State) (h engine.Health, log string) {
	if s.Health == nil {
		return "", ""
	}
	if n := len(s.Health.Log); n > 0 {
		log = s.Health.Log[n-1].Output
	}
	if !s.Running {
		return "", log
	}
	switch s.Health.Status {
	case container.Starting:
		h = engine.HealthStarting
	case container.Healthy:
		h = engine.Healthy
	case container.Unhealthy:
		h = engine.Unhealthy
	}
	return h, log
}

// NetworkSysctls returns the kernel parameters that the sandbox gets, which owns
// the network namespace.
func NetworkSysctls(t engine.Task) map[string]string {
	all := map[string]string{}
	for _, c := range t.Containers {
		for name, value := range c.Sysctls {
			if engine.NetworkSysctl(name) {
				all[name] = value
			}
		}
	}
	return all
}

// OwnSysctls returns those that are the container's alone.
func OwnSysctls(c engine.Container) map[string]string {
	own := map[string]string{}
	for name, value := range c.Sysctls {
		if !engine.NetworkSysctl(name) {
			own[name] = value
		}
	}
	return own
}

// Blame puts the container's name to the error of a sandbox that can't start
// because of a kernel parameter that the container wants.
func Blame(t engine.Task, err error) error {
	refused, ok := errors.AsType[*engine.StartError](err)
	if !ok {
		return err
	}
	for _, c := range t.Containers {
		for name := range c.Sysctls {
			if strings.Contains(refused.Reason, name) || strings.Contains(refused.Reason, strings.ReplaceAll(name, ".", "/")) {
				return &engine.StartError{Container: c.Name, Reason: "kernel parameter " + name + ": " + refused.Reason}
			}
		}
	}
	return err
}

// Ulimits returns the limits of a container's processes.
func Ulimits(c engine.Container) []*container.Ulimit {
	var list []*container.Ulimit
	for _, u := range c.ProcessUlimits() {
		list = append(list, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return list
}

// Explain says what the daemon's message means where that is hard to guess.
func Explain(reason string) string {
	if strings.Contains(reason, "error setting rlimit") && strings.Contains(reason, "operation not permitted") {
		return "a ulimit is above the hard limit of the Docker daemon, which may not raise it (it has no CAP_SYS_RESOURCE): " + reason
	}
	return reason
}

// Sources returns the containers whose volumes c takes.
func Sources(c engine.Container, made map[string]string) []string {
	var list []string
	for _, f := range c.VolumesFrom {
		mode := ":rw"
		if f.ReadOnly {
			mode = ":ro"
		}
		list = append(list, made[f.Container]+mode)
	}
	return list
}

// Tmpfs returns the file systems in memory that a container has.
func Tmpfs(c engine.Container) map[string]string {
	all := map[string]string{}
	for _, m := range c.Tmpfs {
		options := append([]string{"size=" + strconv.FormatInt(m.Size, 10) + "m"}, m.Options...)
		all[m.Target] = strings.Join(options, ",")
	}
	return all
}

// Hosts returns entries as Docker takes them.
func Hosts(entries map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		list = append(list, name+":"+entries[name])
	}
	return list
}

// Moment reads Docker's time; what never happened is the zero time.
func Moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// StartError says why a container can't run, unless the reason is that the daemon
// can't be asked.
func StartError(name string, err error) error {
	if daemon.Unavailable(err) {
		return daemon.Translate("run container "+name, err)
	}
	return &engine.StartError{Container: name, Reason: Explain(err.Error())}
}
