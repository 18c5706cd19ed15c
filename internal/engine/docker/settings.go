package docker

import (
	"errors"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/skylift/skylift/internal/engine"
)

// healthConfig returns a health check as Docker takes it. Without one, that of
// the image doesn't run either.
func healthConfig(h *engine.HealthCheck) *container.HealthConfig {
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

// healthOf puts a container's health into the port's words. Docker calls one
// that has ended unhealthy.
func healthOf(s *container.State) (h engine.Health, log string) {
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

// networkSysctls returns the kernel parameters that the sandbox gets, which owns
// the network namespace.
func networkSysctls(t engine.Task) map[string]string {
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

// ownSysctls returns those that are the container's alone.
func ownSysctls(c engine.Container) map[string]string {
	own := map[string]string{}
	for name, value := range c.Sysctls {
		if !engine.NetworkSysctl(name) {
			own[name] = value
		}
	}
	return own
}

// blame puts the container's name to the error of a sandbox that can't start
// because of a kernel parameter that the container wants.
func blame(t engine.Task, err error) error {
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

func ulimits(c engine.Container) []*container.Ulimit {
	var list []*container.Ulimit
	for _, u := range c.ProcessUlimits() {
		list = append(list, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return list
}

// explain says what the daemon's message means where that is hard to guess.
func explain(reason string) string {
	if strings.Contains(reason, "error setting rlimit") && strings.Contains(reason, "operation not permitted") {
		return "a ulimit is above the hard limit of the Docker daemon, which may not raise it (it has no CAP_SYS_RESOURCE): " + reason
	}
	return reason
}

// mounts returns what a container mounts of the host and of the task's volumes.
func (e *Engine) mounts(t engine.Task, c engine.Container) []mount.Mount {
	var list []mount.Mount
	for _, m := range c.Mounts {
		d := mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		if !strings.HasPrefix(m.Source, "/") {
			d.Type, d.Source = mount.TypeVolume, volumeName(e.instance, t.ID, m.Source)
		}
		list = append(list, d)
	}
	return list
}

// sources returns the containers whose volumes c takes.
func sources(c engine.Container, made map[string]string) []string {
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

func tmpfs(c engine.Container) map[string]string {
	all := map[string]string{}
	for _, m := range c.Tmpfs {
		options := append([]string{"size=" + strconv.FormatInt(m.Size, 10) + "m"}, m.Options...)
		all[m.Target] = strings.Join(options, ",")
	}
	return all
}
