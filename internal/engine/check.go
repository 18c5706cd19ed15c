package engine

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Check returns a *StartError for a task that no engine can create, else nil.
func (t Task) Check() error {
	if t.PIDMode != "" && t.PIDMode != "task" {
		return &StartError{Reason: fmt.Sprintf("process namespace mode %q is neither empty nor task", t.PIDMode)}
	}
	for _, c := range t.Containers {
		for _, problem := range []string{c.HealthCheck.problem(), c.sysctlProblem(), c.mountProblem(t), c.sourceProblem(t), c.Secrets.problem()} {
			if problem != "" {
				return &StartError{Container: c.Name, Reason: problem}
			}
		}
	}
	if _, cyclic := t.ByVolumes(); cyclic != "" {
		return &StartError{Container: cyclic, Reason: "its volumes come from a container that takes its own"}
	}
	return nil
}

// problem says what is wrong with a health check.
func (h *HealthCheck) problem() string {
	if h == nil {
		return ""
	}
	form := ""
	if len(h.Command) > 0 {
		form = h.Command[0]
	}
	switch {
	case form == "NONE" && len(h.Command) == 1:
		return ""
	case (form != "CMD" && form != "CMD-SHELL") || len(h.Command) == 1:
		return fmt.Sprintf("health check command %q must begin with CMD or CMD-SHELL and go on, or be NONE", h.Command)
	case h.Interval < 0 || h.Timeout < 0 || h.StartPeriod < 0 || h.Retries < 0:
		return "health check times and retries can't be negative"
	}
	return ""
}

// namespaced are the kernel parameters that a container has of its own, beside
// all below net. and fs.mqueue.
var namespaced = []string{
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
	"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
}

// NetworkSysctl reports whether a kernel parameter is one of the network
// namespace.
func NetworkSysctl(name string) bool { return strings.HasPrefix(name, "net.") }

func (c Container) sysctlProblem() string {
	for name := range c.Sysctls {
		if !NetworkSysctl(name) && !strings.HasPrefix(name, "fs.mqueue.") && !slices.Contains(namespaced, name) {
			return fmt.Sprintf("kernel parameter %s is the host's: a container can't set it", name)
		}
	}
	return ""
}

func (c Container) mountProblem(t Task) string {
	for _, m := range c.Mounts {
		switch {
		case !path.IsAbs(m.Target):
			return fmt.Sprintf("mount target %q is not an absolute path", m.Target)
		case !path.IsAbs(m.Source) && !slices.Contains(t.Volumes, m.Source):
			return fmt.Sprintf("mount source %q is neither an absolute path nor a volume of the task", m.Source)
		}
	}
	for _, m := range c.Tmpfs {
		switch {
		case !path.IsAbs(m.Target):
			return fmt.Sprintf("tmpfs target %q is not an absolute path", m.Target)
		case m.Size <= 0:
			return fmt.Sprintf("tmpfs %s needs a size", m.Target)
		}
	}
	return ""
}

func (c Container) sourceProblem(t Task) string {
	for _, from := range c.VolumesFrom {
		if from.Container == c.Name || !slices.ContainsFunc(t.Containers, func(o Container) bool { return o.Name == from.Container }) {
			return fmt.Sprintf("container %q, whose volumes are wanted, is not another one of the task", from.Container)
		}
	}
	return ""
}

// ByVolumes returns the containers with each after those whose volumes it
// takes, else in their own order; or the name of one that is in a cycle.
func (t Task) ByVolumes() (ordered []Container, cyclic string) {
	placed := make(map[string]bool, len(t.Containers))
	ready := func(c Container) bool {
		return !slices.ContainsFunc(c.VolumesFrom, func(f VolumesFrom) bool { return !placed[f.Container] })
	}
	for len(ordered) < len(t.Containers) {
		before := len(ordered)
		for _, c := range t.Containers {
			if !placed[c.Name] && ready(c) {
				placed[c.Name] = true
				ordered = append(ordered, c)
			}
		}
		if len(ordered) == before {
			i := slices.IndexFunc(t.Containers, func(c Container) bool { return !placed[c.Name] })
			return nil, t.Containers[i].Name
		}
	}
	return ordered, ""
}

// Resolvers parses the task's DNS.
func (t Task) Resolvers() ([]netip.Addr, error) {
	var parsed []netip.Addr
	for _, s := range t.DNS {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("resolver: %w", err)
		}
		parsed = append(parsed, a)
	}
	return parsed, nil
}
