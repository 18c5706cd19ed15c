package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/system"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
)

// cgroupRoot is where the host's hierarchies are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// cgroups makes the parent cgroups in which the containers of a task share
// its limits.
type cgroups struct {
	usable   bool
	why      string // why not usable
	root     string
	unified  bool // cgroup v2
	slices   bool // systemd makes them, as its slices
	instance string
	pool     engine.ProcessPool
}

// findCgroups decides whether task cgroups can be made for this daemon.
func findCgroups(ctx context.Context, host string, info system.Info, instance string) cgroups {
	c := cgroups{root: cgroupRoot, unified: info.CgroupVersion == "2", slices: info.CgroupDriver == "systemd", instance: instance}
	c.pool = findPool(kernelParameters, info.MemTotal/mebibyte)
	var err error
	switch {
	case !strings.HasPrefix(host, "unix://"):
		err = errors.New("the Docker daemon is remote")
	case c.slices:
		err = limitSlice(ctx, "skylift-"+instance+".slice", c.poolLimits())
	case info.CgroupDriver == "cgroupfs":
		err = c.prepare()
	default:
		err = errors.New("the Docker daemon uses the cgroup driver " + info.CgroupDriver)
	}
	if c.usable = err == nil; !c.usable {
		c.why = err.Error()
	}
	return c
}

// parent is the CgroupParent of a task's containers; "" is Docker's default.
func (c cgroups) parent(task string) string {
	switch {
	case !c.usable:
		return ""
	case c.slices:
		return sliceOf(c.instance, task)
	}
	return "/" + c.path(task)
}

// path is where a task's cgroup is in a hierarchy.
func (c cgroups) path(task string) string {
	if c.slices {
		return slicePath(c.instance, task)
	}
	return filepath.Join("skylift", c.instance, task)
}

// prepare makes the instance's own cgroups, and on v2 hands the controllers down.
func (c cgroups) prepare() error {
	for _, controller := range []string{"memory", "cpu", "pids"} {
		dir := c.hierarchy(controller)
		if err := os.MkdirAll(filepath.Join(dir, "skylift", c.instance), 0o755); err != nil {
			return fmt.Errorf("make the instance's cgroup: %w", err)
		}
		if !c.unified {
			continue
		}
		for _, level := range []string{"", "skylift", filepath.Join("skylift", c.instance)} {
			if err := setCgroup(filepath.Join(dir, level), "cgroup.subtree_control", "+cpu +memory +pids"); err != nil {
				return err
			}
		}
	}
	// All instances of the host share the pool.
	return setCgroup(filepath.Join(c.hierarchy("pids"), "skylift"), "pids.max", strconv.Itoa(c.pool.All))
}

// limit makes the task's cgroup with its limits.
func (c cgroups) limit(ctx context.Context, t engine.Task) error {
	if !c.usable {
		return nil
	}
	if c.slices {
		return limitSlice(ctx, sliceOf(c.instance, t.ID), sliceLimits(c.unified, t, c.pool.OfTask(t)))
	}
	for _, s := range c.limits(t) {
		dir := filepath.Join(c.hierarchy(s.controller), c.path(t.ID))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the task's cgroup: %w", err)
		}
		if err := setCgroup(dir, s.file, s.value); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
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
func (c cgroups) limits(t engine.Task) []setting {
	s := []setting{{"pids", "pids.max", strconv.Itoa(c.pool.OfTask(t)), false}}
	memory, quota := strconv.FormatInt(t.Memory*mebibyte, 10), strconv.Itoa(t.CPU*cpuPeriod/1024)
	if t.Memory > 0 && c.unified {
		s = append(s, setting{"memory", "memory.max", memory, false}, setting{"memory", "memory.swap.max", "0", true})
	} else if t.Memory > 0 {
		s = append(s, setting{"memory", "memory.limit_in_bytes", memory, false}, setting{"memory", "memory.memsw.limit_in_bytes", memory, true})
	}
	if t.CPU > 0 && c.unified {
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

// remove removes a task's cgroups, which have no processes any more.
func (c cgroups) remove(ctx context.Context, task string) error {
	if !c.usable {
		return nil
	}
	if c.slices {
		return stopSlices(ctx, sliceOf(c.instance, task))
	}
	var errs []error
	for _, dir := range c.allHierarchies() {
		errs = append(errs, removeCgroup(filepath.Join(dir, c.path(task))))
	}
	return errors.Join(errs...)
}

// hierarchy returns the mount that has a controller.
func (c cgroups) hierarchy(controller string) string {
	if c.unified {
		return c.root
	}
	return filepath.Join(c.root, controller)
}

// allHierarchies returns every mount in which runc makes cgroups.
func (c cgroups) allHierarchies() []string {
	if c.unified {
		return []string{c.root}
	}
	mounts, _ := filepath.Glob(filepath.Join(c.root, "*")) // the pattern is well formed
	return mounts
}

// purgeCgroups removes every cgroup of an instance, in either version, whoever
// made it.
func purgeCgroups(ctx context.Context, root, instance string) error {
	var errs []error
	if _, err := os.Stat("/run/systemd/system"); err == nil { // sd_booted(3)
		errs = append(errs, stopSlices(ctx, sliceOf(instance, "*"), "skylift-"+instance+".slice"))
	}
	mounts, _ := filepath.Glob(filepath.Join(root, "*")) // the pattern is well formed
	for _, mount := range append(mounts, root) {
		top := filepath.Join(mount, "skylift", instance)
		tasks, _ := filepath.Glob(filepath.Join(top, "*", "cgroup.procs")) // the pattern is well formed
		for _, t := range tasks {
			errs = append(errs, removeCgroup(filepath.Dir(t)))
		}
		errs = append(errs, removeCgroup(top))
		_ = removeCgroup(filepath.Dir(top)) // other instances may use it
	}
	return errors.Join(errs...)
}

// removeCgroup removes one directory of the hierarchy; its files go with it.
func removeCgroup(dir string) error {
	// ENOTDIR: at the top of v2 there are files beside the cgroups
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}

// setCgroup writes one control file, which exists or not, but is never made.
func setCgroup(dir, name, value string) error {
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
