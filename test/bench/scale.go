package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const (
	tasksEach = 10               // of a service
	bound     = 10_000           // the size that the targets are for
	clients   = 4                // that create services at once
	asked     = 1000             // requests of each kind, for their percentiles
	rest      = 20 * time.Second // until what the start needed is given back
	idle      = 2 * time.Minute  // how long it is watched then: every loop goes over all its records once in it
)

// measureScale measures what Skylift itself costs with thousands of tasks. They
// run on a simulated engine: it takes 10 ms for a call, and no machine has room
// for them. Each size is measured once, on a data directory of its own.
func measureScale(ctx context.Context, b *bench) (figures []figure, err error) {
	program := filepath.Join(b.work, "simulated")
	if _, err := output(ctx, "go", "build", "-trimpath", "-o", program, "./test/bench/simulated"); err != nil {
		return nil, err
	}
	for _, size := range b.sizes {
		got, err := b.scale(ctx, program, size)
		if err != nil {
			return nil, fmt.Errorf("%d tasks: %w", size, err)
		}
		figures = append(figures, got...)
	}
	return figures, nil
}

// scale measures one size.
func (b *bench) scale(ctx context.Context, program string, size int) (figures []figure, err error) {
	c, err := b.simulate(ctx, program)
	if err != nil {
		return nil, err
	}
	defer func() {
		c.stop()
		err = errors.Join(err, os.RemoveAll(c.dir))
	}()
	add := func(unit string, atMost float64, name string, values ...float64) {
		if size != bound {
			atMost = 0
		}
		name = fmt.Sprintf("%d services of %d tasks: %s", size/tasksEach, tasksEach, name)
		figures = append(figures, figure{Name: name, Unit: unit, Ours: values, AtMost: atMost})
		progress("scale: %s: %s %s", name, figures[len(figures)-1].Ours, unit)
	}
	before, err := cpuOf(c.Process.Pid)
	if err != nil {
		return nil, err
	}
	took, err := c.launch(ctx, size)
	if err != nil {
		return nil, err
	}
	after, err := cpuOf(c.Process.Pid)
	if err != nil {
		return nil, err
	}
	add("s", 60, "from the first request until all run", took.Seconds())
	add("ms", 0, "CPU time of a task until all run", ms(after-before)/float64(size))
	cpu, m, err := c.idle(ctx)
	if err != nil {
		return nil, err
	}
	add("% of a core", 5, "idle: CPU", cpu)
	add("MB", 500, "idle: resident memory (RSS)", m.resident/1e6)
	for _, ask := range []struct {
		what string
		once func(context.Context) error
	}{
		{"DescribeServices of 10", func(ctx context.Context) error { return c.describeSome(ctx, size/tasksEach) }},
		{"ListTasks, a page of 100", c.listPage},
		{"ListTasks of a service", func(ctx context.Context) error { return c.listService(ctx, size/tasksEach) }},
	} {
		took, err := repeat(ctx, asked, ask.once)
		if err != nil {
			return nil, err
		}
		add("ms", 0, ask.what+", half within", took[len(took)/2])
		add("ms", 10, ask.what+", 99 % within", took[int(math.Ceil(float64(len(took))*0.99))-1])
	}
	return figures, nil
}

// simulate starts Skylift on a simulated host.
func (b *bench) simulate(ctx context.Context, program string) (*cloud, error) {
	in, err := b.startAs(ctx, func(dir, listen string) []string {
		return append([]string{program, "-data-dir", dir, "-listen", listen, "-lb-address", b.lb}, strings.Fields(b.simulated)...)
	})
	if in == nil {
		return nil, err
	}
	c := &cloud{instance: in}
	if err == nil {
		err = c.connect(ctx)
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// launch makes services for so many tasks, and returns after how long all of
// them run.
func (c *cloud) launch(ctx context.Context, size int) (time.Duration, error) {
	c.image = "example.test/app:1"
	if err := c.define(ctx); err != nil {
		return 0, err
	}
	subnets, err := c.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	if err != nil {
		return 0, err
	}
	for _, s := range subnets.Subnets {
		c.subnets = append(c.subnets, *s.SubnetId)
	}
	began := time.Now()
	ctx, stop := context.WithTimeout(ctx, 20*time.Minute)
	defer stop()
	if err := c.createServices(ctx, size/tasksEach); err != nil {
		return 0, err
	}
	for {
		out, err := c.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{})
		if err != nil {
			return 0, err
		}
		if int(out.Clusters[0].RunningTasksCount) == size {
			return time.Since(began), nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d of %d tasks run: %w", out.Clusters[0].RunningTasksCount, size, err)
		}
	}
}

func (c *cloud) createServices(ctx context.Context, n int) error {
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for client := range clients {
		wg.Go(func() {
			for i := client; i < n && errs[client] == nil; i += clients {
				_, errs[client] = c.ecs.CreateService(ctx, &ecs.CreateServiceInput{
					ServiceName: new(serviceName(i)), TaskDefinition: new("app"), DesiredCount: new(int32(tasksEach)), LaunchType: types.LaunchTypeFargate,
					NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: c.subnets}},
				})
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func serviceName(i int) string { return fmt.Sprintf("service-%05d", i) }

// idle returns the share of a core that the instance takes, and its memory,
// when it has nothing to do.
func (c *cloud) idle(ctx context.Context) (percent float64, m memory, err error) {
	if err := pause(ctx, rest); err != nil {
		return 0, m, err
	}
	before, err := cpuOf(c.Process.Pid)
	if err != nil {
		return 0, m, err
	}
	if err := pause(ctx, idle); err != nil {
		return 0, m, err
	}
	after, err := cpuOf(c.Process.Pid)
	if err != nil {
		return 0, m, err
	}
	m, err = memoryOf(c.Process.Pid)
	return 100 * (after - before).Seconds() / idle.Seconds(), m, err
}

// repeat returns how long so many calls took, in milliseconds and in order of
// that.
func repeat(ctx context.Context, n int, call func(context.Context) error) ([]float64, error) {
	var took []float64
	for range n {
		began := time.Now()
		if err := call(ctx); err != nil {
			return nil, err
		}
		took = append(took, ms(time.Since(began)))
	}
	slices.Sort(took)
	return took, nil
}

// describeSome describes ten of the services.
func (c *cloud) describeSome(ctx context.Context, services int) error {
	var names []string
	for _, i := range rand.Perm(services)[:10] {
		names = append(names, serviceName(i))
	}
	out, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: names})
	if err != nil {
		return err
	}
	for _, s := range out.Services {
		if s.RunningCount != tasksEach {
			return fmt.Errorf("service %s has %d running tasks", *s.ServiceName, s.RunningCount)
		}
	}
	return nil
}

func (c *cloud) listPage(ctx context.Context) error {
	out, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{})
	if err != nil {
		return err
	}
	if len(out.TaskArns) != 100 || aws.ToString(out.NextToken) == "" {
		return fmt.Errorf("a page of %d tasks", len(out.TaskArns))
	}
	return nil
}

func (c *cloud) listService(ctx context.Context, services int) error {
	out, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{ServiceName: new(serviceName(rand.IntN(services)))})
	if err != nil {
		return err
	}
	if len(out.TaskArns) != tasksEach {
		return fmt.Errorf("the service has %d tasks", len(out.TaskArns))
	}
	return nil
}
