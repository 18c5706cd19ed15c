package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/proc"
)

// measureTask measures how long a task takes to run, beside the plain docker
// commands for the same container and one that holds its network, and beside
// containerd's own client.
func measureTask(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	c, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Down(ctx)) }()
	if err := c.Define(ctx); err != nil {
		return nil, err
	}
	const pair, single = "docker run -d, twice", "ctr run -d"
	seen := figure.Figure{Name: "run-task answered → RUNNING is seen", Unit: "ms", Peer: pair, AtMost: 0.35}
	beside := figure.Figure{Name: "run-task answered → RUNNING is seen", Unit: "ms", Peer: single, AtMost: 1.5}
	whole := figure.Figure{Name: "run-task sent → RUNNING is seen", Unit: "ms", Peer: pair}
	recorded := figure.Figure{Name: "the task's own createdAt → startedAt", Unit: "ms", Peer: pair}
	for i := range b.rounds + 1 {
		t, err := c.RunTask(ctx)
		if err != nil {
			return nil, err
		}
		if err := c.StopTask(ctx, *t.TaskArn); err != nil {
			return nil, err
		}
		docker, err := afterRest(ctx, c, plainDocker)
		if err != nil {
			return nil, err
		}
		ctr, err := afterRest(ctx, c, plainContainerd)
		if err != nil {
			return nil, err
		}
		if err := proc.Pause(ctx, restFor); err != nil {
			return nil, err
		}
		if i == 0 {
			continue // all warm up
		}
		answered := ms(t.Running.Sub(t.Accepted))
		progress("task: round %d: %.0f ms, docker run: %.0f ms, ctr run: %.0f ms", i, answered, ms(docker), ms(ctr))
		seen.Add(answered, ms(docker))
		beside.Add(answered, ms(ctr))
		whole.Add(ms(t.Running.Sub(t.Asked)), ms(docker))
		recorded.Add(ms(t.StartedAt.Sub(*t.CreatedAt)), ms(docker))
	}
	return []figure.Figure{seen, beside, whole, recorded}, nil
}

// restFor is how long the machine is left alone between two measurements.
const restFor = 500 * time.Millisecond

// afterRest measures after a rest.
func afterRest(ctx context.Context, c *cloud.Cloud, measure func(context.Context, *cloud.Cloud) (time.Duration, error)) (time.Duration, error) {
	if err := proc.Pause(ctx, restFor); err != nil {
		return 0, err
	}
	return measure(ctx, c)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// plainDocker runs the task's two containers by hand and returns how long that
// took.
func plainDocker(ctx context.Context, c *cloud.Cloud) (took time.Duration, err error) {
	sandbox, app := plainNames(c, 0)
	defer func() {
		_, gone := proc.Output(context.WithoutCancel(ctx), "docker", "rm", "-f", sandbox, app)
		err = errors.Join(err, gone)
	}()
	began := time.Now()
	if err := plainPair(ctx, c, sandbox, app); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// plainNames are those of the two containers of the i-th pair.
func plainNames(c *cloud.Cloud, i int) (sandbox, app string) {
	pair := fmt.Sprintf("skylift-bench-%d-%d", c.Process.Pid, i)
	return pair + "-pause", pair + "-app"
}

// plainPair runs two containers as a task's.
func plainPair(ctx context.Context, c *cloud.Cloud, sandbox, app string) error {
	if _, err := proc.Output(ctx, "docker", "run", "-d", "--name", sandbox, "--network", "none", c.Image, "/app", "wait"); err != nil {
		return err
	}
	_, err := proc.Output(ctx, "docker", "run", "-d", "--name", app, "--network", "container:"+sandbox, c.Image)
	return err
}

// plainContainerd runs the task's container by hand on the instance's containerd
// and returns how long that took.
func plainContainerd(ctx context.Context, c *cloud.Cloud) (took time.Duration, err error) {
	const name = "skylift-bench-plain"
	defer func() {
		_, killed := ctr(context.WithoutCancel(ctx), c, "task", "rm", "--force", name)
		_, gone := ctr(context.WithoutCancel(ctx), c, "container", "rm", name)
		err = errors.Join(err, killed, gone)
	}()
	began := time.Now()
	_, err = ctr(ctx, c, "run", "-d", "--null-io", c.Image, name)
	return time.Since(began), err
}

// ctr runs containerd's own client.
func ctr(ctx context.Context, c *cloud.Cloud, args ...string) (string, error) {
	socket, namespace, err := c.Containerd()
	if err != nil {
		return "", err
	}
	return proc.Output(ctx, "ctr", append([]string{"--address", socket, "--namespace", namespace}, args...)...)
}
