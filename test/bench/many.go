package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const (
	many    = 40 // tasks that are started at once: Fargate's smallest has 512 MiB, and 50 are more than a machine of 24 GiB has for them
	perCall = 10 // the most that one RunTask starts
)

// measureMany measures how long many tasks take until all run, beside as often
// the two plain docker commands, as many of those at once as is best.
func measureMany(ctx context.Context, b *bench) (figures []figure, err error) {
	c, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.down(ctx)) }()
	if err := c.defineAs(ctx, "small", "256", "512"); err != nil {
		return nil, err
	}
	best, err := c.bestParallel(ctx)
	if err != nil {
		return nil, err
	}
	f := figure{Name: fmt.Sprintf("%d tasks at once: run-task sent → all are seen RUNNING", many), Unit: "s", Peer: fmt.Sprintf("docker run -d, twice, %d at a time", best), AtMost: 1.5}
	for i := range b.rounds {
		ours, err := c.runMany(ctx)
		if err != nil {
			return nil, err
		}
		theirs, err := c.plainMany(ctx, best)
		if err != nil {
			return nil, err
		}
		progress("many: round %d: %.1f s, docker run: %.1f s", i+1, ours.Seconds(), theirs.Seconds())
		f.Ours, f.Theirs = append(f.Ours, ours.Seconds()), append(f.Theirs, theirs.Seconds())
	}
	return []figure{f}, nil
}

// bestParallel finds with how many at a time plain docker is fastest.
func (c *cloud) bestParallel(ctx context.Context) (best int, err error) {
	var least time.Duration
	for _, n := range []int{2, 4, 8, 16} {
		took, err := c.plainMany(ctx, n)
		if err != nil {
			return 0, err
		}
		progress("many: docker run, %d at a time: %.1f s", n, took.Seconds())
		if best == 0 || took < least {
			best, least = n, took
		}
	}
	return best, nil
}

// plainMany runs the containers of many tasks by hand, n tasks at a time.
func (c *cloud) plainMany(ctx context.Context, n int) (took time.Duration, err error) {
	image, err := pauseImage(ctx)
	if err != nil {
		return 0, err
	}
	names := make([]string, 0, 2*many)
	next := make(chan int, many)
	for i := range many {
		sandbox, app := c.plainNames(i)
		names = append(names, sandbox, app)
		next <- i
	}
	close(next)
	defer func() {
		_, gone := output(context.WithoutCancel(ctx), "docker", append([]string{"rm", "-f"}, names...)...)
		err = errors.Join(err, gone)
	}()
	began := time.Now()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() {
			for i := range next {
				sandbox, app := c.plainNames(i)
				errs[worker] = errors.Join(errs[worker], c.plainPair(ctx, image, sandbox, app))
			}
		})
	}
	wg.Wait()
	return time.Since(began), errors.Join(errs...)
}

// runMany starts many tasks and returns after how long all run; then it stops
// them.
func (c *cloud) runMany(ctx context.Context) (took time.Duration, err error) {
	var wg sync.WaitGroup
	arns, errs := make([][]string, many/perCall), make([]error, many/perCall)
	began := time.Now()
	for i := range arns {
		wg.Go(func() {
			out, err := c.ecs.RunTask(ctx, &ecs.RunTaskInput{
				TaskDefinition: new("small"), Count: new(int32(perCall)), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: c.networking(),
			})
			if err == nil && len(out.Failures) > 0 {
				err = fmt.Errorf("start %d tasks: %s", perCall, *out.Failures[0].Reason)
			}
			if errs[i] = err; err != nil {
				return
			}
			for _, t := range out.Tasks {
				arns[i] = append(arns[i], *t.TaskArn)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	var all []string
	for _, some := range arns {
		all = append(all, some...)
	}
	if err := c.awaitAll(ctx, all, "RUNNING"); err != nil {
		return 0, err
	}
	took = time.Since(began)
	for _, arn := range all {
		if _, err := c.ecs.StopTask(ctx, &ecs.StopTaskInput{Task: &arn}); err != nil {
			return 0, err
		}
	}
	return took, c.awaitAll(ctx, all, "STOPPED")
}

// awaitAll polls tasks until all have the status.
func (c *cloud) awaitAll(ctx context.Context, tasks []string, status string) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	for {
		out, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: tasks})
		if err != nil {
			return err
		}
		there := 0
		for _, t := range out.Tasks {
			switch *t.LastStatus {
			case status:
				there++
			case "STOPPED":
				return fmt.Errorf("task %s stopped: %s", *t.TaskArn, *t.StoppedReason)
			}
		}
		if there == len(tasks) {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d tasks are %s: %w", there, len(tasks), status, err)
		}
	}
}
