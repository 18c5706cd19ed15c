package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/proc"
)

// costly is how many tasks' cost is measured: as many as a machine of 24 GiB has
// memory for.
const costly = 40

// measureCost measures what a running task costs besides its own processes, in
// memory and, idle, in CPU time, beside Docker's containers.
func measureCost(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	c, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Down(ctx)) }()
	if err := c.DefineAs(ctx, "small", "256", "512"); err != nil {
		return nil, err
	}
	memory := figure.Figure{Name: fmt.Sprintf("memory that a running task costs besides its processes, of %d (PSS)", costly), Unit: "MB", Peer: "Docker's shims, pause and daemon for as many", AtMost: 1}
	cpu := figure.Figure{Name: fmt.Sprintf("idle CPU of %d tasks: Skylift, containerd, shims and keepers", costly), Unit: "% of a core", AtMost: 2}
	ours, used, err := ourCost(ctx, c, b.rounds)
	if err != nil {
		return nil, err
	}
	theirs, err := dockersCost(ctx, c)
	if err != nil {
		return nil, err
	}
	memory.Add(ours, theirs)
	cpu.Ours = used
	return []figure.Figure{memory, cpu}, nil
}

// ourCost is what tasks cost each, in MB, and idle, in percent of a core.
func ourCost(ctx context.Context, c *cloud.Cloud, rounds int) (each float64, idle figure.Series, err error) {
	socket, _, err := c.Containerd()
	if err != nil {
		return 0, nil, err
	}
	of := c.Skylifts(socket)
	before, _, err := of.Sum()
	if err != nil {
		return 0, nil, err
	}
	tasks, err := startMany(ctx, c, costly)
	if err != nil {
		return 0, nil, err
	}
	if err := proc.Pause(ctx, settle); err != nil {
		return 0, nil, err
	}
	for range rounds {
		_, used, err := of.Sum()
		if err != nil {
			return 0, nil, err
		}
		if err := proc.Pause(ctx, window); err != nil {
			return 0, nil, err
		}
		_, later, err := of.Sum()
		if err != nil {
			return 0, nil, err
		}
		idle = append(idle, 100*(later-used).Seconds()/window.Seconds())
	}
	after, _, err := of.Sum()
	if err != nil {
		return 0, nil, err
	}
	return (after - before) / costly / 1e6, idle, stopMany(ctx, c, tasks)
}

// dockersCost is what as many pairs of containers cost each, in MB.
func dockersCost(ctx context.Context, c *cloud.Cloud) (each float64, err error) {
	of := proc.Group(cloud.Docker)
	before, _, err := of.Sum()
	if err != nil {
		return 0, err
	}
	names := make([]string, 0, 2*costly)
	defer func() {
		_, gone := proc.Output(context.WithoutCancel(ctx), "docker", append([]string{"rm", "-f"}, names...)...)
		err = errors.Join(err, gone)
	}()
	for i := range costly {
		sandbox, app := plainNames(c, i)
		names = append(names, sandbox, app)
		if err := plainPair(ctx, c, sandbox, app); err != nil {
			return 0, err
		}
	}
	if err := proc.Pause(ctx, settle); err != nil {
		return 0, err
	}
	after, _, err := of.Sum()
	return (after - before) / costly / 1e6, err
}
