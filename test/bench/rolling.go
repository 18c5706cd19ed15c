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

// What a rolling deployment is configured to wait for: ten tasks, at most five
// more at a time, so two batches. Each batch has to pass its health checks, and
// those whom it replaces have to be drained.
const (
	rollingTasks = 10
	batches      = 2
	checks       = 2 // until a target is healthy
	checkEvery   = 5 * time.Second
	drainFor     = 5 * time.Second
)

// measureRolling measures a rolling deployment beside the sum of those waits.
func measureRolling(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	c, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Down(ctx)) }()
	if err := rollingService(ctx, c); err != nil {
		return nil, err
	}
	waits := batches * (checks*checkEvery + drainFor)
	f := figure.Figure{
		Name: fmt.Sprintf("rolling deployment of %d tasks, 150 %% at most", rollingTasks), Unit: "s", AtMost: 1.3,
		Peer: fmt.Sprintf("the waits it is configured to: %d batches × (%d checks × %v + %v of draining)", batches, checks, checkEvery, drainFor),
	}
	for i := range b.rounds {
		began := time.Now()
		if _, err := c.ECS.UpdateService(ctx, &ecs.UpdateServiceInput{Service: new("rolling"), ForceNewDeployment: true}); err != nil {
			return nil, err
		}
		if err := completed(ctx, c, "rolling"); err != nil {
			return nil, err
		}
		took := time.Since(began)
		progress("rolling: round %d: %.1f s, its waits: %.0f s", i+1, took.Seconds(), waits.Seconds())
		f.Ours, f.Theirs = append(f.Ours, took.Seconds()), append(f.Theirs, waits.Seconds())
	}
	return []figure.Figure{f}, nil
}

// rollingService makes the service, behind a balancer, and waits until it is
// steady.
func rollingService(ctx context.Context, c *cloud.Cloud) error {
	if err := c.DefineAs(ctx, "small", "256", "512"); err != nil {
		return err
	}
	out, err := c.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: new("rolling"), Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(cloud.AppPort)), VpcId: &c.VPC, TargetType: elbtypes.TargetTypeEnumIp,
		HealthyThresholdCount: new(int32(checks)), HealthCheckIntervalSeconds: new(int32(checkEvery.Seconds())), HealthCheckTimeoutSeconds: new(int32(2)),
	})
	if err != nil {
		return err
	}
	group := out.TargetGroups[0].TargetGroupArn
	_, err = c.ELB.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: group, Attributes: []elbtypes.TargetGroupAttribute{
		{Key: new("deregistration_delay.timeout_seconds"), Value: new(fmt.Sprint(int(drainFor.Seconds())))},
	}})
	if err != nil {
		return err
	}
	if _, err := c.Balancer(ctx, 8080, elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: group}); err != nil {
		return err
	}
	_, err = c.ECS.CreateService(ctx, &ecs.CreateServiceInput{
		ServiceName: new("rolling"), TaskDefinition: new("small"), DesiredCount: new(int32(rollingTasks)), LaunchType: types.LaunchTypeFargate,
		NetworkConfiguration: c.Networking(), HealthCheckGracePeriodSeconds: new(int32(60)),
		DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(150))},
		LoadBalancers:           []types.LoadBalancer{{TargetGroupArn: group, ContainerName: new("app"), ContainerPort: new(int32(cloud.AppPort))}},
	})
	if err != nil {
		return err
	}
	return completed(ctx, c, "rolling")
}

// completed polls a service until its only deployment is complete.
func completed(ctx context.Context, c *cloud.Cloud, service string) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	for {
		out, err := c.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{service}})
		if err != nil {
			return err
		}
		d := out.Services[0].Deployments
		if len(d) == 1 && d[0].RolloutState == types.DeploymentRolloutStateCompleted {
			return nil
		}
		if err := proc.Pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%d deployments, the newest is %s: %w", len(d), d[0].RolloutState, err)
		}
	}
}
