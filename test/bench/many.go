package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/proc"
)

const (
	many    = 40 // tasks that are started at once: Fargate's smallest has 512 MiB, and 50 are more than a machine of 24 GiB has for them
	perCall = 10 // the most that one RunTask starts
)

// measureMany measures how long many tasks take until all run, beside as often
// the two plain docker commands, as many of those at once as is best.
func measureMany(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	c, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Down(ctx)) }()
	if err := c.DefineAs(ctx, "small", "256", "512"); err != nil {
		return nil, err
	}
	best, err := bestParallel(ctx, c)
	if err != nil {
		return nil, err
	}
	f := figure.Figure{Name: fmt.Sprintf("%d tasks at once: run-task sent → all are seen RUNNING", many), Unit: "s", Peer: fmt.Sprintf("docker run -d, twice, %d at a time", best), AtMost: 0.4}
	for i := range b.rounds {
		ours, err := runMany(ctx, c)
		if err != nil {
			return nil, err
		}
		theirs, err := plainMany(ctx, c, best)
		if err != nil {
			return nil, err
		}
		progress("many: round %d: %.1f s, docker run: %.1f s", i+1, ours.Seconds(), theirs.Seconds())
		f.Ours, f.Theirs = append(f.Ours, ours.Seconds()), append(f.Theirs, theirs.Seconds())
	}
	return []figure.Figure{f}, nil
}

// bestParallel finds with how many at a time plain docker is fastest.
func bestParallel(ctx context.Context, c *cloud.Cloud) (best int, err error) {
	var least time.Duration
	for _, n := range []int{2, 4, 8, 16} {
		took, err := plainMany(ctx, c, n)
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
func plainMany(ctx context.Context, c *cloud.Cloud, n int) (took time.Duration, err error) {
	names := make([]string, 0, 2*many)
	next := make(chan int, many)
	for i := range many {
		sandbox, app := plainNames(c, i)
		names = append(names, sandbox, app)
		next <- i
	}
	close(next)
	defer func() {
		_, gone := proc.Output(context.WithoutCancel(ctx), "docker", append([]string{"rm", "-f"}, names...)...)
		err = errors.Join(err, gone)
	}()
	began := time.Now()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() {
			for i := range next {
				sandbox, app := plainNames(c, i)
				errs[worker] = errors.Join(errs[worker], plainPair(ctx, c, sandbox, app))
			}
		})
	}
	wg.Wait()
	return time.Since(began), errors.Join(errs...)
}

// runMany starts many tasks and returns after how long all run; then it stops
// them.
func runMany(ctx context.Context, c *cloud.Cloud) (took time.Duration, err error) {
	began := time.Now()
	all, err := startMany(ctx, c, many)
	if err != nil {
		return 0, err
	}
	return time.Since(began), stopMany(ctx, c, all)
}

// startMany starts tasks, all at once, and waits until they run.
func startMany(ctx context.Context, c *cloud.Cloud, n int) (all []string, err error) {
	var wg sync.WaitGroup
	arns, errs := make([][]string, n/perCall), make([]error, n/perCall)
	for i := range arns {
		wg.Go(func() {
			out, err := c.ECS.RunTask(ctx, &ecs.RunTaskInput{
				TaskDefinition: new("small"), Count: new(int32(perCall)), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: c.Networking(),
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
		return nil, err
	}
	for _, some := range arns {
		all = append(all, some...)
	}
	return all, awaitAll(ctx, c, all, "RUNNING")
}

func stopMany(ctx context.Context, c *cloud.Cloud, all []string) error {
	for _, arn := range all {
		if _, err := c.ECS.StopTask(ctx, &ecs.StopTaskInput{Task: &arn}); err != nil {
			return err
		}
	}
	return awaitAll(ctx, c, all, "STOPPED")
}

// awaitAll polls tasks until all have the status.
func awaitAll(ctx context.Context, c *cloud.Cloud, tasks []string, status string) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	for {
		out, err := c.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: tasks})
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
		if err := proc.Pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d tasks are %s: %w", there, len(tasks), status, err)
		}
	}
}
