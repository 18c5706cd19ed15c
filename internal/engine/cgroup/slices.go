package cgroup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/skylift/skylift/internal/engine"
)

// Where Docker leaves its cgroups to systemd, a task's cgroup is a slice, and
// only systemd may change its limits: systemd resets what others write.

// sliceOf is the slice of a task, which is inside those of the instance and of
// Skylift by its name.
// https://www.freedesktop.org/software/systemd/man/latest/systemd.slice.html
func sliceOf(instance, task string) string {
	return "skylift-" + instance + "-" + task + ".slice"
}

// slicePath is where a task's slice is in a hierarchy.
func slicePath(instance, task string) string {
	return filepath.Join("skylift.slice", "skylift-"+instance+".slice", sliceOf(instance, task))
}

// askSystemd calls f with a connection to systemd.
func askSystemd(ctx context.Context, f func(*systemd.Conn) error) error {
	conn, err := systemd.NewWithContext(ctx)
	if err != nil {
		return fmt.Errorf("connect to systemd: %w", err)
	}
	defer conn.Close()
	return f(conn)
}

// limitSlice makes a slice with its limits, or gives them to the one that is
// there.
func limitSlice(ctx context.Context, name string, limits []systemd.Property) error {
	return askSystemd(ctx, func(conn *systemd.Conn) error {
		done := make(chan string, 1)
		_, err := conn.StartTransientUnitContext(ctx, name, "replace", limits, done)
		if isBusError(err, "org.freedesktop.systemd1.UnitExists") {
			if err := conn.SetUnitPropertiesContext(ctx, name, true, limits...); err != nil {
				return fmt.Errorf("set the limits of %s: %w", name, err)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		return finished(ctx, "start "+name, done)
	})
}

// finished waits for a job of systemd.
func finished(ctx context.Context, what string, done <-chan string) error {
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("%s: systemd says %s", what, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

func isBusError(err error, name string) bool {
	e, ok := errors.AsType[dbus.Error](err)
	return ok && e.Name == name
}

func property(name string, v any) systemd.Property {
	return systemd.Property{Name: name, Value: dbus.MakeVariant(v)}
}

// poolLimits are those of the slice of an instance. Several instances on a host
// have such a slice each: the one that they are all in is systemd's to make, and
// would stay when they are removed.
func (g Groups) poolLimits() []systemd.Property {
	return []systemd.Property{systemd.PropDescription("Skylift instance " + g.instance), property("TasksMax", uint64(g.pool.All))}
}

// sliceLimits are a task's limits as systemd has them.
// https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html
func sliceLimits(unified bool, t engine.Task, processes int) []systemd.Property {
	limits := []systemd.Property{systemd.PropDescription("Skylift task " + t.ID), property("TasksMax", uint64(processes))}
	memory, perSecond := uint64(t.Memory)*mebibyte, uint64(t.CPU)*1_000_000/1024
	if t.Memory > 0 && unified {
		limits = append(limits, property("MemoryMax", memory), property("MemorySwapMax", uint64(0)))
	} else if t.Memory > 0 {
		limits = append(limits, property("MemoryLimit", memory))
	}
	if t.CPU > 0 && unified {
		limits = append(limits, property("CPUQuotaPerSecUSec", perSecond), property("CPUWeight", uint64(cpuWeight(t.CPU))))
	} else if t.CPU > 0 {
		limits = append(limits, property("CPUQuotaPerSecUSec", perSecond), property("CPUShares", uint64(t.CPU)))
	}
	return limits
}

// stopSlices ends the slices whose names fit patterns. They are empty: what was
// in them is gone.
func stopSlices(ctx context.Context, patterns ...string) error {
	return askSystemd(ctx, func(conn *systemd.Conn) error {
		units, err := conn.ListUnitsByPatternsContext(ctx, nil, patterns)
		if err != nil {
			return fmt.Errorf("list slices: %w", err)
		}
		var errs []error
		for _, u := range units {
			done := make(chan string, 1)
			_, err := conn.StopUnitContext(ctx, u.Name, "replace", done)
			switch {
			case isBusError(err, "org.freedesktop.systemd1.NoSuchUnit"):
			case err != nil:
				errs = append(errs, fmt.Errorf("stop %s: %w", u.Name, err))
			default:
				errs = append(errs, finished(ctx, "stop "+u.Name, done))
			}
		}
		return errors.Join(errs...)
	})
}
