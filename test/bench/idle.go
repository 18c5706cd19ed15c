package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/proc"
)

const (
	services = 10               // that an idle instance has
	settle   = 45 * time.Second // until what their start needed is given back
	window   = 5 * time.Second  // over which CPU time is counted
)

// measureIdle measures what an instance needs that has ten services of a task
// each behind a load balancer, and nothing to do but to check their health.
func measureIdle(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	c, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Down(ctx)) }()
	names, err := serve(ctx, c)
	if err != nil {
		return nil, err
	}
	wait := ecs.NewServicesStableWaiter(c.ECS, func(o *ecs.ServicesStableWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second })
	if err := wait.Wait(ctx, &ecs.DescribeServicesInput{Services: names}, 2*time.Minute); err != nil {
		return nil, fmt.Errorf("wait for %d services: %w", services, err)
	}
	progress("idle: %d services run; letting them settle", services)
	if err := proc.Pause(ctx, settle); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("idle with %d services behind a balancer: ", services)
	resident := figure.Figure{Name: what + "resident memory (RSS)", Unit: "MB", AtMost: 120}
	proportional := figure.Figure{Name: what + "proportional memory (PSS)", Unit: "MB"}
	cpu := figure.Figure{Name: what + "CPU", Unit: "% of a core"}
	for range b.rounds {
		before, err := proc.CPUOf(c.Process.Pid)
		if err != nil {
			return nil, err
		}
		if err := proc.Pause(ctx, window); err != nil {
			return nil, err
		}
		after, err := proc.CPUOf(c.Process.Pid)
		if err != nil {
			return nil, err
		}
		m, err := proc.MemoryOf(c.Process.Pid)
		if err != nil {
			return nil, err
		}
		resident.Ours = append(resident.Ours, m.Resident/1e6)
		proportional.Ours = append(proportional.Ours, m.Proportional/1e6)
		cpu.Ours = append(cpu.Ours, 100*(after-before).Seconds()/window.Seconds())
	}
	return []figure.Figure{resident, proportional, cpu}, nil
}

// serve makes a load balancer and the services behind it, each with a rule.
func serve(ctx context.Context, c *cloud.Cloud) (names []string, err error) {
	if err := c.Define(ctx); err != nil {
		return nil, err
	}
	listener, err := c.Balancer(ctx, 8080, elbtypes.Action{
		Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: new("503")},
	})
	if err != nil {
		return nil, err
	}
	for i := range services {
		name := fmt.Sprintf("site-%d", i)
		group, err := c.TargetGroup(ctx, name)
		if err != nil {
			return nil, err
		}
		_, err = c.ELB.CreateRule(ctx, &elb.CreateRuleInput{
			ListenerArn: &listener, Priority: new(int32(i + 1)),
			Conditions: []elbtypes.RuleCondition{{Field: new("host-header"), Values: []string{name + ".example.test"}}},
			Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}},
		})
		if err != nil {
			return nil, err
		}
		_, err = c.ECS.CreateService(ctx, &ecs.CreateServiceInput{
			ServiceName: &name, TaskDefinition: new("app"), DesiredCount: new(int32(1)), LaunchType: types.LaunchTypeFargate,
			NetworkConfiguration: c.Networking(), HealthCheckGracePeriodSeconds: new(int32(60)),
			LoadBalancers: []types.LoadBalancer{{TargetGroupArn: &group, ContainerName: new("app"), ContainerPort: new(int32(cloud.AppPort))}},
		})
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
