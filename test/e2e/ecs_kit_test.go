package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// defineProbe registers a definition of the probe, which logs to /probe, with
// the family as the prefix of its streams.
func (s *stage) defineProbe(t *testing.T, family string, edit ...func(*ecs.RegisterTaskDefinitionInput)) (arn string) {
	t.Helper()
	return s.define(t, family, s.image, append([]func(*ecs.RegisterTaskDefinitionInput){s.toLogs("/probe")}, edit...)...)
}

// toLogs sends a definition's output to a log group.
func (s *stage) toLogs(group string) func(*ecs.RegisterTaskDefinitionInput) {
	return func(in *ecs.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": group, "awslogs-region": region, "awslogs-stream-prefix": *in.Family,
		}}
	}
}

// command makes the probe do something else than to serve.
func command(args ...string) func(*ecs.RegisterTaskDefinitionInput) {
	return func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].Command = args }
}

// started runs a task until the test ends.
func (s *stage) started(t *testing.T, definition string, groups ...string) (arn string) {
	t.Helper()
	if len(groups) == 0 {
		groups = []string{s.open}
	}
	arn = s.runTask(t, definition, groups...)
	s.stopAtEnd(t, arn)
	return arn
}

func (s *stage) stopAtEnd(t *testing.T, arn string) {
	t.Cleanup(func() { _, _ = s.ecs.StopTask(context.Background(), &ecs.StopTaskInput{Task: &arn}) })
}

// serving runs a probe until the test ends, and waits until it listens.
func (s *stage) serving(t *testing.T, definition string, groups ...string) (arn, addr string) {
	t.Helper()
	arn = s.started(t, definition, groups...)
	addr = address(t, s.reaches(t, arn, "RUNNING"))
	listens(t, addr)
	return arn, addr
}

// listens waits until the probe at an address listens, as far as its groups
// let that be seen: RUNNING says that it was started.
func listens(t *testing.T, addr string) {
	t.Helper()
	takes(t, 20*time.Second, addr+" listens", func() bool {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(addr, "8080"), 300*time.Millisecond)
		if err == nil {
			_ = c.Close()
		}
		return !errors.Is(err, syscall.ECONNREFUSED)
	})
}

// address is the task's private address.
func address(t *testing.T, task types.Task) string {
	t.Helper()
	for _, d := range task.Attachments[0].Details {
		if *d.Name == "privateIPv4Address" {
			return netip.MustParseAddr(*d.Value).String()
		}
	}
	t.Fatalf("task without address: %v", task.Attachments)
	return ""
}

// groupOf makes a security group with ingress rules.
func (s *stage) groupOf(t *testing.T, name string, ingress ...ec2types.IpPermission) string {
	t.Helper()
	id := *must(s.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name, VpcId: &s.vpcID}))(t).GroupId
	if len(ingress) > 0 {
		must(s.ec2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: ingress}))(t)
	}
	return id
}

// fromCIDR admits a port from a range; fromGroup from a group.
func fromCIDR(protocol string, port int32, cidr string) ec2types.IpPermission {
	return ec2types.IpPermission{IpProtocol: &protocol, FromPort: &port, ToPort: &port, IpRanges: []ec2types.IpRange{{CidrIp: &cidr}}}
}

func fromGroup(protocol string, port int32, group string) ec2types.IpPermission {
	return ec2types.IpPermission{IpProtocol: &protocol, FromPort: &port, ToPort: &port, UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: &group}}}
}

// pool makes a target group that checks fast, and that no rule uses yet.
func (s *stage) pool(t *testing.T, name string, more ...func(*elb.CreateTargetGroupInput)) string {
	t.Helper()
	in := &elb.CreateTargetGroupInput{
		Name: &name, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: &s.vpcID, TargetType: elbtypes.TargetTypeEnumIp,
		HealthCheckPath: aws.String("/healthz"), HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(2),
		HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2),
	}
	for _, f := range more {
		f(in)
	}
	arn := *must(s.elb.CreateTargetGroup(t.Context(), in))(t).TargetGroups[0].TargetGroupArn
	must(s.elb.ModifyTargetGroupAttributes(t.Context(), &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &arn, Attributes: []elbtypes.TargetGroupAttribute{
		{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("10")},
	}}))(t)
	return arn
}

// front is a balancer with one listener.
type front struct {
	balancer, listener, host string
	port                     int32
}

func (b front) url(path string) string { return fmt.Sprintf("http://%s:%d%s", b.host, b.port, path) }

// front makes a balancer that answers as action says on a port.
func (s *stage) front(t *testing.T, name string, port int32, action elbtypes.Action, groups ...string) front {
	t.Helper()
	if len(groups) == 0 {
		groups = []string{s.open}
	}
	b := must(s.elb.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: &name, Subnets: s.subnets(t), SecurityGroups: groups}))(t).LoadBalancers[0]
	l := must(s.elb.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: b.LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttp, Port: &port, DefaultActions: []elbtypes.Action{action},
	}))(t).Listeners[0]
	return front{*b.LoadBalancerArn, *l.ListenerArn, *b.DNSName, port}
}

func forward(group string) elbtypes.Action {
	return elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}
}

func fixed(status, body string) elbtypes.Action {
	return elbtypes.Action{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{
		StatusCode: &status, ContentType: aws.String("text/plain"), MessageBody: &body,
	}}
}

// deploy makes a service of probes behind a target group, or none when it is
// "", until the test ends.
func (s *stage) deploy(t *testing.T, name, definition, group string, count int32, more ...func(*ecs.CreateServiceInput)) {
	t.Helper()
	in := &ecs.CreateServiceInput{
		ServiceName: &name, TaskDefinition: &definition, DesiredCount: &count, LaunchType: types.LaunchTypeFargate, NetworkConfiguration: s.network(t, s.open),
	}
	if group != "" {
		in.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: &group, ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}}
	}
	for _, f := range more {
		f(in)
	}
	must(s.ecs.CreateService(t.Context(), in))(t)
	t.Cleanup(func() {
		_, _ = s.ecs.DeleteService(context.Background(), &ecs.DeleteServiceInput{Service: &name, Force: aws.Bool(true)})
	})
}

func (s *stage) described(t *testing.T, service string) types.Service {
	t.Helper()
	return must(s.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{service}}))(t).Services[0]
}

// tasksOf lists the tasks of a service with the desired status.
func (s *stage) tasksOf(t *testing.T, service string, desired types.DesiredStatus) []string {
	t.Helper()
	return must(s.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: &service, DesiredStatus: desired}))(t).TaskArns
}

// registers names a target of a group.
func registers(pool, addr string) *elb.RegisterTargetsInput {
	return &elb.RegisterTargetsInput{TargetGroupArn: &pool, Targets: []elbtypes.TargetDescription{{Id: &addr}}}
}
