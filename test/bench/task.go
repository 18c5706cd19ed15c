package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// measureTask measures how long a task takes to run, beside the plain docker
// commands for the same two containers.
func measureTask(ctx context.Context, b *bench) (figures []figure, err error) {
	c, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.down(ctx)) }()
	if err := c.define(ctx); err != nil {
		return nil, err
	}
	const peer = "docker run -d, twice"
	seen := figure{Name: "run-task answered → RUNNING is seen", Unit: "ms", Peer: peer, AtMost: 1.5}
	whole := figure{Name: "run-task sent → RUNNING is seen", Unit: "ms", Peer: peer}
	recorded := figure{Name: "the task's own createdAt → startedAt", Unit: "ms", Peer: peer}
	for i := range b.rounds + 1 {
		t, err := c.runTask(ctx)
		if err != nil {
			return nil, err
		}
		if err := c.stopTask(ctx, *t.TaskArn); err != nil {
			return nil, err
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return nil, err
		}
		plain, err := c.plainDocker(ctx)
		if err != nil {
			return nil, err
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return nil, err
		}
		if i == 0 {
			continue // both warm up
		}
		seen.Ours = append(seen.Ours, ms(t.running.Sub(t.accepted)))
		whole.Ours = append(whole.Ours, ms(t.running.Sub(t.asked)))
		recorded.Ours = append(recorded.Ours, ms(t.StartedAt.Sub(*t.CreatedAt)))
		progress("task: round %d: %.0f ms, docker run: %.0f ms", i, ms(t.running.Sub(t.accepted)), ms(plain))
		for _, f := range []*figure{&seen, &whole, &recorded} {
			f.Theirs = append(f.Theirs, ms(plain))
		}
	}
	return []figure{seen, whole, recorded}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// plainDocker runs the task's two containers by hand and returns how long that
// took.
func (c *cloud) plainDocker(ctx context.Context) (took time.Duration, err error) {
	image, err := pauseImage(ctx)
	if err != nil {
		return 0, err
	}
	sandbox, app := c.plainNames(0)
	defer func() {
		_, gone := output(context.WithoutCancel(ctx), "docker", "rm", "-f", sandbox, app)
		err = errors.Join(err, gone)
	}()
	began := time.Now()
	if err := c.plainPair(ctx, image, sandbox, app); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// plainNames are those of the two containers of the i-th pair.
func (c *cloud) plainNames(i int) (sandbox, app string) {
	pair := fmt.Sprintf("skylift-bench-%d-%d", c.Process.Pid, i)
	return pair + "-pause", pair + "-app"
}

// plainPair runs two containers as a task's.
func (c *cloud) plainPair(ctx context.Context, image, sandbox, app string) error {
	if _, err := output(ctx, "docker", "run", "-d", "--name", sandbox, "--network", "none", image); err != nil {
		return err
	}
	_, err := output(ctx, "docker", "run", "-d", "--name", app, "--network", "container:"+sandbox, c.image)
	return err
}

// pauseImage is the image of tasks' sandboxes.
func pauseImage(ctx context.Context) (image string, err error) {
	images, err := output(ctx, "docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "skylift/pause")
	if err != nil {
		return "", err
	}
	if _, err := fmt.Sscan(images, &image); err != nil {
		return "", fmt.Errorf("find the pause image: %w", err)
	}
	return image, nil
}
