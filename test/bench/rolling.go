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
func measureRolling(ctx context.Context, b *bench) (figures []figure, err error) {
	c, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.down(ctx)) }()
	if err := c.rollingService(ctx); err != nil {
		return nil, err
	}
	waits := batches * (checks*checkEvery + drainFor)
	f := figure{
		Name: fmt.Sprintf("rolling deployment of %d tasks, 150 %% at most", rollingTasks), Unit: "s", AtMost: 1.3,
		Peer: fmt.Sprintf("the waits it is configured to: %d batches × (%d checks × %v + %v of draining)", batches, checks, checkEvery, drainFor),
	}
	for i := range b.rounds {
		began := time.Now()
		if _, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Service: new("rolling"), ForceNewDeployment: true}); err != nil {
			return nil, err
		}
		if err := c.completed(ctx, "rolling"); err != nil {
			return nil, err
		}
		took := time.Since(began)
		progress("rolling: round %d: %.1f s, its waits: %.0f s", i+1, took.Seconds(), waits.Seconds())
		f.Ours, f.Theirs = append(f.Ours, took.Seconds()), append(f.Theirs, waits.Seconds())
	}
	return []figure{f}, nil
}

// rollingService makes the service, behind a balancer, and waits until it is
// steady.
func (c *cloud) rollingService(ctx context.Context) error {
	if err := c.defineAs(ctx, "small", "256", "512"); err != nil {
		return err
	}
	out, err := c.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: new("rolling"), Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(appPort)), VpcId: &c.vpc, TargetType: elbtypes.TargetTypeEnumIp,
		HealthyThresholdCount: new(int32(checks)), HealthCheckIntervalSeconds: new(int32(checkEvery.Seconds())), HealthCheckTimeoutSeconds: new(int32(2)),
	})
	if err != nil {
		return err
	}
	group := out.TargetGroups[0].TargetGroupArn
	_, err = c.elb.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: group, Attributes: []elbtypes.TargetGroupAttribute{
		{Key: new("deregistration_delay.timeout_seconds"), Value: new(fmt.Sprint(int(drainFor.Seconds())))},
	}})
	if err != nil {
		return err
	}
	if _, err := c.balancer(ctx, 8080, elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: group}); err != nil {
		return err
	}
	_, err = c.ecs.CreateService(ctx, &ecs.CreateServiceInput{
		ServiceName: new("rolling"), TaskDefinition: new("small"), DesiredCount: new(int32(rollingTasks)), LaunchType: types.LaunchTypeFargate,
		NetworkConfiguration: c.networking(), HealthCheckGracePeriodSeconds: new(int32(60)),
		DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(150))},
		LoadBalancers:           []types.LoadBalancer{{TargetGroupArn: group, ContainerName: new("app"), ContainerPort: new(int32(appPort))}},
	})
	if err != nil {
		return err
	}
	return c.completed(ctx, "rolling")
}

// completed polls a service until its only deployment is complete.
func (c *cloud) completed(ctx context.Context, service string) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	for {
		out, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{service}})
		if err != nil {
			return err
		}
		d := out.Services[0].Deployments
		if len(d) == 1 && d[0].RolloutState == types.DeploymentRolloutStateCompleted {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%d deployments, the newest is %s: %w", len(d), d[0].RolloutState, err)
		}
	}
}
