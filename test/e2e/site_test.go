package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// clients are the SDK's, for the bulk of what a test sets up.
type clients struct {
	ecs  *ecs.Client
	ecr  *ecr.Client
	ec2  *ec2.Client
	elb  *elb.Client
	logs *cloudwatchlogs.Client
	sts  *sts.Client
}

func (s *skylift) connect() *clients {
	s.api = &http.Transport{DialContext: s.dial}
	cfg := aws.Config{
		Region: region, BaseEndpoint: aws.String(s.access["AWS_ENDPOINT_URL"]), RetryMaxAttempts: 1, HTTPClient: &http.Client{Timeout: time.Minute, Transport: ownBody{s.api}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.access["AWS_ACCESS_KEY_ID"], SecretAccessKey: s.access["AWS_SECRET_ACCESS_KEY"]}, nil
		}),
	}
	return &clients{
		ecs.NewFromConfig(cfg), ecr.NewFromConfig(cfg), ec2.NewFromConfig(cfg), elb.NewFromConfig(cfg),
		cloudwatchlogs.NewFromConfig(cfg), sts.NewFromConfig(cfg),
	}
}

// ownBody sends each request with a body of its own. The SDK closes its body
// when an answer is there, which net/http, when it is still looking for the
// body's end, takes for a failure, and hangs up.
type ownBody struct{ http.RoundTripper }

func (o ownBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return o.RoundTripper.RoundTrip(r)
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(b))
	return o.RoundTripper.RoundTrip(r)
}

// push makes an image of the test application with that environment
// ("KEY=value") and pushes it to the registry, into a repository that is made
// if it isn't there.
func (s *skylift) push(t *testing.T, repo, tag string, env ...string) (ref string) {
	t.Helper()
	s.login(t)
	_, err := s.clients().ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &repo})
	if _, there := errors.AsType[*ecrtypes.RepositoryAlreadyExistsException](err); err != nil && !there {
		t.Fatal(err)
	}
	ref, err = s.pushed(repo, tag, env...)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// pushed is push for a repository that is there and a client that has the
// password.
func (s *skylift) pushed(repo, tag string, env ...string) (ref string, err error) {
	ref = s.listen + "/" + repo + ":" + tag
	dockerfile := "FROM " + baseImage + "\n"
	for _, e := range env {
		dockerfile += "ENV " + e + "\n"
	}
	cmd := exec.Command("docker", "build", "-q", "-t", ref, "-")
	cmd.Env, cmd.Stdin = s.env(), strings.NewReader(dockerfile)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", ref, err, out)
	}
	_, err = s.dockerCLI("push", "-q", ref)
	return ref, err
}

// login gives the docker client the registry's password.
func (s *skylift) login(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(s.docker); err == nil {
		return
	}
	out := must(s.clients().ecr.GetAuthorizationToken(t.Context(), nil))(t)
	b, err := json.Marshal(map[string]any{"auths": map[string]any{s.listen: map[string]string{"auth": *out.AuthorizationData[0].AuthorizationToken}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(s.docker, 0o700), os.WriteFile(filepath.Join(s.docker, "config.json"), b, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// subnets are the default ones.
func (s *skylift) subnets(t *testing.T) (ids []string) {
	t.Helper()
	for _, sub := range must(s.clients().ec2.DescribeSubnets(t.Context(), nil))(t).Subnets {
		if aws.ToBool(sub.DefaultForAz) {
			ids = append(ids, *sub.SubnetId)
		}
	}
	return ids
}

// vpc is the default one.
func (s *skylift) vpc(t *testing.T) string {
	t.Helper()
	return *must(s.clients().ec2.DescribeVpcs(t.Context(), nil))(t).Vpcs[0].VpcId
}

// group is a security group of the default VPC that lets the world in on the
// TCP ports.
func (s *skylift) group(t *testing.T, name string, ports ...int32) (id string) {
	t.Helper()
	c := s.clients().ec2
	id = *must(c.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: &name, Description: &name, VpcId: new(s.vpc(t)),
	}))(t).GroupId
	for _, p := range ports {
		must(c.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: &id, IpPermissions: []ec2types.IpPermission{{
				IpProtocol: new("tcp"), FromPort: &p, ToPort: &p, IpRanges: []ec2types.IpRange{{CidrIp: new("0.0.0.0/0")}},
			}},
		}))(t)
	}
	return id
}

// cluster makes a cluster.
func (s *skylift) cluster(t *testing.T, name string) {
	t.Helper()
	must(s.clients().ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: &name}))(t)
}

// balancer makes a load balancer open to the world on port 80, whose listener
// answers 503 where no rule fits.
func (s *skylift) balancer(t *testing.T, name string) (arn, listener string) {
	t.Helper()
	c := s.clients().elb
	arn = *must(c.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{
		Name: &name, Subnets: s.subnets(t), SecurityGroups: []string{s.group(t, name+"-lb", 80)},
	}))(t).LoadBalancers[0].LoadBalancerArn
	listener = *must(c.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: &arn, Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(80)),
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{
			StatusCode: new("503"), ContentType: new("text/plain"), MessageBody: new("nothing here"),
		}}},
	}))(t).Listeners[0].ListenerArn
	return arn, listener
}

// targetGroup makes a target group for port 8080 with quick health checks and
// a short deregistration delay, and a rule that sends host there.
func (s *skylift) targetGroup(t *testing.T, listener, name, host string, priority int32) (arn string) {
	t.Helper()
	c := s.clients().elb
	arn = *must(c.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
		Name: &name, Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(8080)), VpcId: new(s.vpc(t)), TargetType: elbtypes.TargetTypeEnumIp,
		HealthCheckPath: new("/healthz"), HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(2)), HealthyThresholdCount: new(int32(2)),
	}))(t).TargetGroups[0].TargetGroupArn
	must(c.ModifyTargetGroupAttributes(t.Context(), &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &arn, Attributes: []elbtypes.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: new("3")}},
	}))(t)
	must(c.CreateRule(t.Context(), &elb.CreateRuleInput{
		ListenerArn: &listener, Priority: &priority,
		Conditions: []elbtypes.RuleCondition{{Field: new("host-header"), Values: []string{host}}},
		Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &arn}},
	}))(t)
	return arn
}

// define registers a task definition of one container, "web", which edit may
// change before.
func (s *skylift) define(t *testing.T, family, image string, edit ...func(*ecs.RegisterTaskDefinitionInput)) (arn string) {
	t.Helper()
	in := &ecs.RegisterTaskDefinitionInput{
		Family: &family, NetworkMode: ecstypes.NetworkModeAwsvpc, Cpu: new("256"), Memory: new("512"),
		RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		ContainerDefinitions: []ecstypes.ContainerDefinition{{
			Name: new("web"), Image: &image, Essential: new(true), StopTimeout: new(int32(10)),
			PortMappings: []ecstypes.PortMapping{{ContainerPort: new(int32(8080))}},
		}},
	}
	for _, e := range edit {
		e(in)
	}
	return *must(s.clients().ecs.RegisterTaskDefinition(t.Context(), in))(t).TaskDefinition.TaskDefinitionArn
}

// logged sends a definition's output to a log group, which is made.
func (s *skylift) logged(t *testing.T, group string) func(*ecs.RegisterTaskDefinitionInput) {
	t.Helper()
	must(s.clients().logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))(t)
	return func(in *ecs.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].LogConfiguration = &ecstypes.LogConfiguration{
			LogDriver: ecstypes.LogDriverAwslogs,
			Options:   map[string]string{"awslogs-group": group, "awslogs-region": region, "awslogs-stream-prefix": "e2e"},
		}
	}
}

// environment sets a definition's environment ("KEY=value").
func environment(env ...string) func(*ecs.RegisterTaskDefinitionInput) {
	return func(in *ecs.RegisterTaskDefinitionInput) {
		for _, e := range env {
			k, v, _ := strings.Cut(e, "=")
			c := &in.ContainerDefinitions[0]
			c.Environment = append(c.Environment, ecstypes.KeyValuePair{Name: &k, Value: &v})
		}
	}
}

// network places tasks in the default subnets.
func (s *skylift) network(t *testing.T, groups ...string) *ecstypes.NetworkConfiguration {
	t.Helper()
	return &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{Subnets: s.subnets(t), SecurityGroups: groups}}
}

// service makes a service in cluster "default", behind the target group unless
// that is "".
func (s *skylift) service(t *testing.T, name, definition string, desired int32, targetGroup string, groups ...string) {
	t.Helper()
	in := &ecs.CreateServiceInput{
		ServiceName: &name, TaskDefinition: &definition, DesiredCount: &desired, LaunchType: ecstypes.LaunchTypeFargate,
		NetworkConfiguration: s.network(t, groups...),
	}
	if targetGroup != "" {
		in.LoadBalancers = []ecstypes.LoadBalancer{{TargetGroupArn: &targetGroup, ContainerName: new("web"), ContainerPort: new(int32(8080))}}
		in.HealthCheckGracePeriodSeconds = new(int32(30))
	}
	must(s.clients().ecs.CreateService(t.Context(), in))(t)
}

// site is all that a web site needs: cluster, balancer, target group, rule for
// host name.test, and a stable service of that many tasks.
func (s *skylift) site(t *testing.T, name string, desired int32) {
	t.Helper()
	image := s.push(t, name, "latest", "SITE="+name)
	s.cluster(t, "default")
	_, listener := s.balancer(t, "front")
	tg := s.targetGroup(t, listener, name, name+".test", 1)
	s.service(t, name, s.define(t, name, image), desired, tg, s.group(t, name, 8080))
	s.stable(t, name)
	s.answers(t, name+".test", "site="+name+" version=1")
}

// redeploy pushes a new version of the site's image and has the service take it.
func (s *skylift) redeploy(t *testing.T, name, version string) {
	t.Helper()
	s.push(t, name, "latest", "SITE="+name, "VERSION="+version)
	must(s.clients().ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: &name, ForceNewDeployment: true}))(t)
}

// stable waits until a service of cluster "default" has one deployment, which
// is done, and as many tasks as it is to have.
func (s *skylift) stable(t *testing.T, name string) {
	t.Helper()
	waitFor(t, 2*time.Minute, "service "+name+" to be stable", func() error {
		out, err := s.clients().ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{name}})
		if err != nil {
			return err
		}
		svc := out.Services[0]
		if len(svc.Deployments) != 1 || svc.RunningCount != svc.DesiredCount || svc.PendingCount != 0 ||
			svc.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateCompleted {
			events := ""
			for _, e := range svc.Events[:min(3, len(svc.Events))] {
				events += "\n" + *e.Message
			}
			return fmt.Errorf("%d deployments, %d of %d running, %d pending, %s%s", len(svc.Deployments), svc.RunningCount, svc.DesiredCount,
				svc.PendingCount, svc.Deployments[0].RolloutState, events)
		}
		return nil
	})
}

// tasks are the ARNs of the tasks of cluster "default" that are to run.
func (s *skylift) tasks(t *testing.T) []string {
	t.Helper()
	arns := must(s.clients().ecs.ListTasks(t.Context(), &ecs.ListTasksInput{}))(t).TaskArns
	slices.Sort(arns)
	return arns
}

// task describes a task of cluster "default".
func (s *skylift) task(t *testing.T, arn string) ecstypes.Task {
	t.Helper()
	out := must(s.clients().ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn}}))(t)
	if len(out.Tasks) != 1 {
		t.Fatalf("task %s: %v", arn, out.Failures)
	}
	return out.Tasks[0]
}

// runTask runs one task in cluster "default", which is there.
func (s *skylift) runTask(t *testing.T, definition string, groups ...string) (arn string) {
	t.Helper()
	out := must(s.clients().ecs.RunTask(t.Context(), &ecs.RunTaskInput{
		TaskDefinition: &definition, LaunchType: ecstypes.LaunchTypeFargate, NetworkConfiguration: s.network(t, groups...),
	}))(t)
	if len(out.Tasks) != 1 {
		t.Fatalf("RunTask: %v", out.Failures)
	}
	return *out.Tasks[0].TaskArn
}

// reaches waits until the task has that last status, and describes it.
func (s *skylift) reaches(t *testing.T, arn, status string) (task ecstypes.Task) {
	t.Helper()
	waitFor(t, time.Minute, "task "+arn+" to be "+status, func() error {
		if task = s.task(t, arn); *task.LastStatus != status {
			return fmt.Errorf("is %s (%s)", *task.LastStatus, aws.ToString(task.StoppedReason))
		}
		return nil
	})
	return task
}

// sameTasks checks that nothing became of the tasks but that they run on.
func sameTasks(t *testing.T, before, after []string) {
	t.Helper()
	if !slices.Equal(before, after) {
		t.Errorf("tasks before:\n%s\nand after:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}
