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

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/proc"
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
func measureScale(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	program := filepath.Join(b.Work, "simulated")
	if _, err := proc.Output(ctx, "go", "build", "-trimpath", "-o", program, "./test/bench/simulated"); err != nil {
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
func (b *bench) scale(ctx context.Context, program string, size int) (figures []figure.Figure, err error) {
	c, err := b.simulate(ctx, program)
	if err != nil {
		return nil, err
	}
	defer func() {
		c.Stop()
		err = errors.Join(err, os.RemoveAll(c.Dir))
	}()
	add := func(unit string, atMost float64, name string, values ...float64) {
		if size != bound {
			atMost = 0
		}
		name = fmt.Sprintf("%d services of %d tasks: %s", size/tasksEach, tasksEach, name)
		figures = append(figures, figure.Figure{Name: name, Unit: unit, Ours: values, AtMost: atMost})
		progress("scale: %s: %s %s", name, figures[len(figures)-1].Ours, unit)
	}
	before, err := proc.CPUOf(c.Process.Pid)
	if err != nil {
		return nil, err
	}
	took, err := launch(ctx, c, size)
	if err != nil {
		return nil, err
	}
	after, err := proc.CPUOf(c.Process.Pid)
	if err != nil {
		return nil, err
	}
	add("s", 60, "from the first request until all run", took.Seconds())
	add("ms", 0, "CPU time of a task until all run", ms(after-before)/float64(size))
	cpu, m, err := rested(ctx, c)
	if err != nil {
		return nil, err
	}
	add("% of a core", 5, "idle: CPU", cpu)
	add("MB", 500, "idle: resident memory (RSS)", m.Resident/1e6)
	for _, ask := range []struct {
		what string
		once func(context.Context) error
	}{
		{"DescribeServices of 10", func(ctx context.Context) error { return describeSome(ctx, c, size/tasksEach) }},
		{"ListTasks, a page of 100", func(ctx context.Context) error { return listPage(ctx, c) }},
		{"ListTasks of a service", func(ctx context.Context) error { return listService(ctx, c, size/tasksEach) }},
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
func (b *bench) simulate(ctx context.Context, program string) (*cloud.Cloud, error) {
	in, err := b.StartAs(ctx, func(dir, listen string) []string {
		return append([]string{program, "-data-dir", dir, "-listen", listen, "-lb-address", b.LB}, strings.Fields(b.simulated)...)
	})
	if in == nil {
		return nil, err
	}
	c := &cloud.Cloud{Instance: in}
	if err == nil {
		err = c.Connect(ctx)
	}
	if err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// launch makes services for so many tasks, and returns after how long all of
// them run.
func launch(ctx context.Context, c *cloud.Cloud, size int) (time.Duration, error) {
	c.Image = "example.test/app:1"
	if err := c.Define(ctx); err != nil {
		return 0, err
	}
	subnets, err := c.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	if err != nil {
		return 0, err
	}
	for _, s := range subnets.Subnets {
		c.Subnets = append(c.Subnets, *s.SubnetId)
	}
	began := time.Now()
	ctx, stop := context.WithTimeout(ctx, 20*time.Minute)
	defer stop()
	if err := createServices(ctx, c, size/tasksEach); err != nil {
		return 0, err
	}
	for {
		out, err := c.ECS.DescribeClusters(ctx, &ecs.DescribeClustersInput{})
		if err != nil {
			return 0, err
		}
		if int(out.Clusters[0].RunningTasksCount) == size {
			return time.Since(began), nil
		}
		if err := proc.Pause(ctx, 200*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d of %d tasks run: %w", out.Clusters[0].RunningTasksCount, size, err)
		}
	}
}

func createServices(ctx context.Context, c *cloud.Cloud, n int) error {
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for client := range clients {
		wg.Go(func() {
			for i := client; i < n && errs[client] == nil; i += clients {
				_, errs[client] = c.ECS.CreateService(ctx, &ecs.CreateServiceInput{
					ServiceName: new(serviceName(i)), TaskDefinition: new("app"), DesiredCount: new(int32(tasksEach)), LaunchType: types.LaunchTypeFargate,
					NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: c.Subnets}},
				})
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func serviceName(i int) string { return fmt.Sprintf("service-%05d", i) }

// rested returns the share of a core that the instance takes, and its memory,
// when it has nothing to do.
func rested(ctx context.Context, c *cloud.Cloud) (percent float64, m proc.Memory, err error) {
	if err := proc.Pause(ctx, rest); err != nil {
		return 0, m, err
	}
	before, err := proc.CPUOf(c.Process.Pid)
	if err != nil {
		return 0, m, err
	}
	if err := proc.Pause(ctx, idle); err != nil {
		return 0, m, err
	}
	after, err := proc.CPUOf(c.Process.Pid)
	if err != nil {
		return 0, m, err
	}
	m, err = proc.MemoryOf(c.Process.Pid)
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
func describeSome(ctx context.Context, c *cloud.Cloud, services int) error {
	var names []string
	for _, i := range rand.Perm(services)[:10] {
		names = append(names, serviceName(i))
	}
	out, err := c.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: names})
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

func listPage(ctx context.Context, c *cloud.Cloud) error {
	out, err := c.ECS.ListTasks(ctx, &ecs.ListTasksInput{})
	if err != nil {
		return err
	}
	if len(out.TaskArns) != 100 || aws.ToString(out.NextToken) == "" {
		return fmt.Errorf("a page of %d tasks", len(out.TaskArns))
	}
	return nil
}

func listService(ctx context.Context, c *cloud.Cloud, services int) error {
	out, err := c.ECS.ListTasks(ctx, &ecs.ListTasksInput{ServiceName: new(serviceName(rand.IntN(services)))})
	if err != nil {
		return err
	}
	if len(out.TaskArns) != tasksEach {
		return fmt.Errorf("the service has %d tasks", len(out.TaskArns))
	}
	return nil
}
