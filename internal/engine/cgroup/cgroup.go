// Package cgroup limits, measures and freezes tasks through the kernel's control
// groups, for every engine whose containers run on this host.
//
// The containers of a task share a parent cgroup, /skylift/<instance>/<task> or
// a slice of systemd's. It holds the task's limits of CPU, memory and processes
// together; one above it holds what all tasks may have of processes. Both
// versions of cgroups are served.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
)

// MountPoint is where the host's hierarchies are mounted.
const MountPoint = "/sys/fs/cgroup"

const mebibyte = 1 << 20

// A Host is what an engine knows of the machine that its tasks run on.
type Host struct {
	Instance string // the id of the Skylift instance
	Unified  bool   // cgroup v2
	Slices   bool   // systemd makes the engine's cgroups, as its slices
	Memory   int64  // of the machine, in MiB
	Unusable string // why tasks have no cgroups here; "" where they may have them
}

// Groups makes the parent cgroups in which the containers of a task share
// its limits.
type Groups struct {
	usable   bool
	why      string // why not usable
	root     string
	unified  bool // cgroup v2
	slices   bool // systemd makes them, as its slices
	instance string
	pool     engine.ProcessPool
}

// Open makes the cgroups of an instance, in which those of its tasks will be. If
// that fails, no task has one, and Why says the reason.
func Open(ctx context.Context, h Host) Groups {
	g := Groups{root: MountPoint, unified: h.Unified, slices: h.Slices, instance: h.Instance}
	g.pool = findPool(kernelParameters, h.Memory)
	var err error
	switch {
	case h.Unusable != "":
		err = errors.New(h.Unusable)
	case g.slices:
		err = limitSlice(ctx, "skylift-"+g.instance+".slice", g.poolLimits())
	default:
		err = g.prepare()
	}
	if g.usable = err == nil; !g.usable {
		g.why = err.Error()
	}
	return g
}

// Usable reports whether tasks have cgroups of their own.
func (g Groups) Usable() bool { return g.usable }

// Why says why tasks have no cgroups of their own.
func (g Groups) Why() string { return g.why }

// Pool is what tasks may have of the host's processes.
func (g Groups) Pool() engine.ProcessPool { return g.pool }

// Parent returns the cgroup to make a task's containers in, as runc takes it;
// "" is the engine's default.
func (g Groups) Parent(task string) string {
	switch {
	case !g.usable:
		return ""
	case g.slices:
		return sliceOf(g.instance, task)
	}
	return "/" + g.path(task)
}

// path is where a task's cgroup is in a hierarchy.
func (g Groups) path(task string) string {
	if g.slices {
		return slicePath(g.instance, task)
	}
	return filepath.Join("skylift", g.instance, task)
}

// prepare makes the instance's own cgroups, and on v2 hands the controllers down.
func (g Groups) prepare() error {
	for _, controller := range []string{"memory", "cpu", "pids"} {
		dir := g.hierarchy(controller)
		if err := os.MkdirAll(filepath.Join(dir, "skylift", g.instance), 0o755); err != nil {
			return fmt.Errorf("make the instance's cgroup: %w", err)
		}
		if !g.unified {
			continue
		}
		for _, level := range []string{"", "skylift", filepath.Join("skylift", g.instance)} {
			if err := set(filepath.Join(dir, level), "cgroup.subtree_control", "+cpu +memory +pids"); err != nil {
				return err
			}
		}
	}
	// All instances of the host share the pool.
	return set(filepath.Join(g.hierarchy("pids"), "skylift"), "pids.max", strconv.Itoa(g.pool.All))
}

// Limit makes the task's cgroup with its limits.
func (g Groups) Limit(ctx context.Context, t engine.Task) error {
	if !g.usable {
		return nil
	}
	if g.slices {
		return limitSlice(ctx, sliceOf(g.instance, t.ID), sliceLimits(g.unified, t, g.pool.OfTask(t)))
	}
	for _, s := range g.limits(t) {
		dir := filepath.Join(g.hierarchy(s.controller), g.path(t.ID))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the task's cgroup: %w", err)
		}
		if err := set(dir, s.file, s.value); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

// setting is one control file and what it should say.
type setting struct {
	controller, file, value string
	optional                bool // kernels without swap accounting lack it
}

// limits returns the control files that hold t's limits.
func (g Groups) limits(t engine.Task) []setting {
	s := []setting{{"pids", "pids.max", strconv.Itoa(g.pool.OfTask(t)), false}}
	memory, quota := strconv.FormatInt(t.Memory*mebibyte, 10), strconv.Itoa(t.CPU*cpuPeriod/1024)
	if t.Memory > 0 && g.unified {
		s = append(s, setting{"memory", "memory.max", memory, false}, setting{"memory", "memory.swap.max", "0", true})
	} else if t.Memory > 0 {
		s = append(s, setting{"memory", "memory.limit_in_bytes", memory, false}, setting{"memory", "memory.memsw.limit_in_bytes", memory, true})
	}
	if t.CPU > 0 && g.unified {
		s = append(s, setting{"cpu", "cpu.max", quota + " " + strconv.Itoa(cpuPeriod), false}, setting{"cpu", "cpu.weight", strconv.Itoa(cpuWeight(t.CPU)), false})
	} else if t.CPU > 0 {
		s = append(s, setting{"cpu", "cpu.cfs_quota_us", quota, false}, setting{"cpu", "cpu.shares", strconv.Itoa(t.CPU), false})
	}
	return s
}

// cpuWeight is cgroup v2's for a number of CPU units, which are v1's shares.
func cpuWeight(units int) int { return 1 + (min(max(units, 2), 262144)-2)*9999/262142 }

// cpuPeriod is the kernel's default, in microseconds.
const cpuPeriod = 100_000

// Remove removes a task's cgroups, which have no processes any more.
func (g Groups) Remove(ctx context.Context, task string) error {
	if !g.usable {
		return nil
	}
	if g.slices {
		return stopSlices(ctx, sliceOf(g.instance, task))
	}
	var errs []error
	for _, dir := range g.Dirs(task) {
		errs = append(errs, removeDir(dir))
	}
	return errors.Join(errs...)
}

// Dirs returns the directories that a task's cgroups have, or would have.
func (g Groups) Dirs(task string) []string {
	var dirs []string
	for _, mount := range g.allHierarchies() {
		dirs = append(dirs, filepath.Join(mount, g.path(task)))
	}
	return dirs
}

// hierarchy returns the mount that has a controller.
func (g Groups) hierarchy(controller string) string {
	if g.unified {
		return g.root
	}
	return filepath.Join(g.root, controller)
}

// allHierarchies returns every mount in which runc makes cgroups.
func (g Groups) allHierarchies() []string {
	if g.unified {
		return []string{g.root}
	}
	mounts, _ := filepath.Glob(filepath.Join(g.root, "*")) // the pattern is well formed
	return mounts
}

// Purge removes every cgroup of an instance, in either version, whoever made it,
// and kills the processes in them.
func Purge(ctx context.Context, instance string) error { return purge(ctx, MountPoint, instance) }

func purge(ctx context.Context, root, instance string) error {
	var errs []error
	if _, err := os.Stat("/run/systemd/system"); err == nil { // sd_booted(3)
		errs = append(errs, stopSlices(ctx, sliceOf(instance, "*"), "skylift-"+instance+".slice"))
	}
	mounts, _ := filepath.Glob(filepath.Join(root, "*")) // the pattern is well formed
	deadline := time.Now().Add(sweepWait)
	for _, mount := range append(mounts, root) {
		top := filepath.Join(mount, "skylift", instance)
		_ = set(top, "freezer.state", "THAWED") // one that is frozen isn't killed; most hierarchies have no such file
		_ = set(top, "cgroup.freeze", "0")
		errs = append(errs, sweep(top, deadline), removeDir(top))
		_ = removeDir(filepath.Dir(top)) // other instances may use it
	}
	return errors.Join(errs...)
}

// removeDir removes one directory of the hierarchy; its files go with it.
func removeDir(dir string) error {
	// ENOTDIR: at the top of v2 there are files beside the cgroups
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}

// set writes one control file, which exists or not, but is never made.
func set(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set cgroup %s: %w", name, err)
	}
	_, err = f.WriteString(value)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("set cgroup %s to %s: %w", name, value, err)
	}
	return nil
}
