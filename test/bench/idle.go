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
)

const (
	services = 10               // that an idle instance has
	settle   = 45 * time.Second // until what their start needed is given back
	window   = 5 * time.Second  // over which CPU time is counted
)

// measureIdle measures what an instance needs that has ten services of a task
// each behind a load balancer, and nothing to do but to check their health.
func measureIdle(ctx context.Context, b *bench) (figures []figure, err error) {
	c, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.down(ctx)) }()
	names, err := c.serve(ctx)
	if err != nil {
		return nil, err
	}
	wait := ecs.NewServicesStableWaiter(c.ecs, func(o *ecs.ServicesStableWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second })
	if err := wait.Wait(ctx, &ecs.DescribeServicesInput{Services: names}, 2*time.Minute); err != nil {
		return nil, fmt.Errorf("wait for %d services: %w", services, err)
	}
	progress("idle: %d services run; letting them settle", services)
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("idle with %d services behind a balancer: ", services)
	resident := figure{Name: what + "resident memory (RSS)", Unit: "MB", AtMost: 120}
	proportional := figure{Name: what + "proportional memory (PSS)", Unit: "MB"}
	cpu := figure{Name: what + "CPU", Unit: "% of a core"}
	for range b.rounds {
		before, err := cpuOf(c.Process.Pid)
		if err != nil {
			return nil, err
		}
		if err := pause(ctx, window); err != nil {
			return nil, err
		}
		after, err := cpuOf(c.Process.Pid)
		if err != nil {
			return nil, err
		}
		m, err := memoryOf(c.Process.Pid)
		if err != nil {
			return nil, err
		}
		resident.Ours = append(resident.Ours, m.resident/1e6)
		proportional.Ours = append(proportional.Ours, m.proportional/1e6)
		cpu.Ours = append(cpu.Ours, 100*(after-before).Seconds()/window.Seconds())
	}
	return []figure{resident, proportional, cpu}, nil
}

// serve makes a load balancer and the services behind it, each with a rule.
func (c *cloud) serve(ctx context.Context) (names []string, err error) {
	if err := c.define(ctx); err != nil {
		return nil, err
	}
	listener, err := c.balancer(ctx, 8080, elbtypes.Action{
		Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: new("503")},
	})
	if err != nil {
		return nil, err
	}
	for i := range services {
		name := fmt.Sprintf("site-%d", i)
		group, err := c.targetGroup(ctx, name)
		if err != nil {
			return nil, err
		}
		_, err = c.elb.CreateRule(ctx, &elb.CreateRuleInput{
			ListenerArn: &listener, Priority: new(int32(i + 1)),
			Conditions: []elbtypes.RuleCondition{{Field: new("host-header"), Values: []string{name + ".example.test"}}},
			Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}},
		})
		if err != nil {
			return nil, err
		}
		_, err = c.ecs.CreateService(ctx, &ecs.CreateServiceInput{
			ServiceName: &name, TaskDefinition: new("app"), DesiredCount: new(int32(1)), LaunchType: types.LaunchTypeFargate,
			NetworkConfiguration: c.networking(), HealthCheckGracePeriodSeconds: new(int32(60)),
			LoadBalancers: []types.LoadBalancer{{TargetGroupArn: &group, ContainerName: new("app"), ContainerPort: new(int32(appPort))}},
		})
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
