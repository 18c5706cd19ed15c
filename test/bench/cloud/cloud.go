// Package cloud is Skylift as its users see it: instances, and what the sections of
// the benchmark ask of them.
package cloud

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/test/bench/proc"
)

// AppPort is where the app listens.
const AppPort = 8080

// Cloud is an instance as its users see it, with the app's image in it.
type Cloud struct {
	*Instance
	EC2 *ec2.Client
	ECR *ecr.Client
	ECS *ecs.Client
	ELB *elb.Client

	Image      string // the app's, by digest, in the instance's registry
	VPC, Group string // the group lets everybody in to the app and to balancers
	Subnets    []string
}

// Open starts an instance and pushes the app to it.
func (b Config) Open(ctx context.Context) (*Cloud, error) {
	in, err := b.Start(ctx)
	if err != nil {
		return nil, err
	}
	c := &Cloud{Instance: in}
	for _, step := range []func(context.Context) error{c.Connect, c.network, c.push} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, c.Down(ctx))
		}
	}
	return c, nil
}

// Connect makes clients of the instance, and its default cluster.
func (c *Cloud) Connect(ctx context.Context) error {
	a, err := c.access(ctx)
	if err != nil {
		return err
	}
	config := aws.Config{Region: a.Region, BaseEndpoint: &a.Endpoint, HTTPClient: &http.Client{Transport: whole{}}, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: a.ID, SecretAccessKey: a.Secret}, nil
	})}
	c.EC2, c.ECR, c.ECS, c.ELB = ec2.NewFromConfig(config), ecr.NewFromConfig(config), ecs.NewFromConfig(config), elb.NewFromConfig(config)
	_, err = c.ECS.CreateCluster(ctx, &ecs.CreateClusterInput{})
	return err
}

// whole sends requests in one piece. The body that the SDK gives to net/http is of
// a type of its own, so head and body are sent apart, and when the answer is there
// before net/http has closed that body, which the SDK then has done already, the
// connection is closed under the answer; the SDK tries again after up to two
// seconds. That happens to few requests of a thousand, and only on loopback.
type whole struct{}

// RoundTrip implements http.RoundTripper.
func (whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(b))
	return http.DefaultTransport.RoundTrip(r)
}

// network makes the security group of all that is measured.
func (c *Cloud) network(ctx context.Context) error {
	subnets, err := c.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	if err != nil {
		return err
	}
	for _, s := range subnets.Subnets {
		c.Subnets, c.VPC = append(c.Subnets, *s.SubnetId), *s.VpcId
	}
	group, err := c.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: new("bench"), Description: new("all may come in"), VpcId: &c.VPC})
	if err != nil {
		return err
	}
	c.Group = *group.GroupId
	_, err = c.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &c.Group, IpPermissions: []ec2types.IpPermission{{
		IpProtocol: new("tcp"), FromPort: new(int32(1)), ToPort: new(int32(65535)), IpRanges: []ec2types.IpRange{{CidrIp: new("0.0.0.0/0")}},
	}}})
	return err
}

// Login returns the registry's user and password.
func (c *Cloud) Login(ctx context.Context) (user, password string, err error) {
	out, err := c.ECR.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return "", "", err
	}
	plain, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
	user, password, _ = strings.Cut(string(plain), ":")
	return user, password, err
}

// push builds the app and pushes it to the instance's registry.
func (c *Cloud) push(ctx context.Context) error {
	dir := filepath.Join(c.config.Work, "app")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	dockerfile, err := os.ReadFile("test/bench/app/Dockerfile")
	if err != nil {
		return fmt.Errorf("run it from the root of the repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), dockerfile, 0o644); err != nil {
		return err
	}
	if _, err := proc.Output(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "app"), "./test/bench/app"); err != nil {
		return err
	}
	repository, err := c.ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: new("bench-app")})
	if err != nil {
		return err
	}
	name := *repository.Repository.RepositoryUri
	user, password, err := c.Login(ctx)
	if err != nil {
		return err
	}
	config, err := dockerConfig(c.config.Work, c.Listen, user, password)
	if err != nil {
		return err
	}
	if _, err := proc.Output(ctx, "docker", "build", "-q", "-t", name+":latest", dir); err != nil {
		return err
	}
	c.cleanup = append(c.cleanup, func(ctx context.Context) error {
		for _, ref := range []string{c.Image, name + ":latest"} {
			if _, err := proc.Output(ctx, "docker", "rmi", "-f", ref); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := proc.Output(ctx, "docker", "--config", config, "push", "-q", name+":latest"); err != nil {
		return err
	}
	c.Image, err = proc.Output(ctx, "docker", "image", "inspect", "--format", "{{index .RepoDigests 0}}", name+":latest")
	return err
}

// dockerConfig makes a configuration of the docker command with a login.
func dockerConfig(work, registry, user, password string) (string, error) {
	dir, err := os.MkdirTemp(work, "docker-")
	if err != nil {
		return "", err
	}
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, registry, auth), 0o600)
}

// Define registers the definition of a task that runs the app.
func (c *Cloud) Define(ctx context.Context) error { return c.DefineAs(ctx, "app", "1024", "2048") }

// DefineAs registers the app as a task of another name and size.
func (c *Cloud) DefineAs(ctx context.Context, family, cpu, memory string) error {
	_, err := c.ECS.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: &family, NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		Cpu: &cpu, Memory: &memory,
		ContainerDefinitions: []types.ContainerDefinition{{Name: new("app"), Image: &c.Image, PortMappings: []types.PortMapping{{ContainerPort: new(int32(AppPort))}}}},
	})
	return err
}

// Networking is where the tasks are.
func (c *Cloud) Networking() *types.NetworkConfiguration {
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: c.Subnets, SecurityGroups: []string{c.Group}}}
}

// Started is a task with the times at which the client knew it.
type Started struct {
	types.Task
	Asked, Accepted, Running time.Time
}

// RunTask runs the app and asks every few milliseconds whether it runs.
func (c *Cloud) RunTask(ctx context.Context) (s Started, err error) {
	s.Asked = time.Now()
	out, err := c.ECS.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: new("app"), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: c.Networking()})
	s.Accepted = time.Now()
	if err != nil {
		return s, err
	}
	if len(out.Tasks) != 1 {
		return s, fmt.Errorf("run the app: %v", out.Failures)
	}
	s.Task, err = c.Await(ctx, *out.Tasks[0].TaskArn, "RUNNING")
	s.Running = time.Now()
	return s, err
}

// Await polls a task until it has the status.
func (c *Cloud) Await(ctx context.Context, task, status string) (types.Task, error) {
	for end := time.Now().Add(time.Minute); ; {
		out, err := c.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{task}})
		if err != nil {
			return types.Task{}, err
		}
		if len(out.Tasks) != 1 {
			return types.Task{}, fmt.Errorf("task %s is gone", task)
		}
		t := out.Tasks[0]
		switch {
		case *t.LastStatus == status:
			return t, nil
		case *t.LastStatus == "STOPPED" || time.Now().After(end):
			return t, fmt.Errorf("task %s is %s instead of %s: %s", task, *t.LastStatus, status, aws.ToString(t.StoppedReason))
		}
		if err := proc.Pause(ctx, 5*time.Millisecond); err != nil {
			return t, err
		}
	}
}

// StopTask stops a task and waits until it is stopped.
func (c *Cloud) StopTask(ctx context.Context, task string) error {
	if _, err := c.ECS.StopTask(ctx, &ecs.StopTaskInput{Task: &task}); err != nil {
		return err
	}
	_, err := c.Await(ctx, task, "STOPPED")
	return err
}

// Balancer makes a load balancer with a listener on port and returns its ARN
// and the listener's.
func (c *Cloud) Balancer(ctx context.Context, port int32, action elbtypes.Action) (listener string, err error) {
	made, err := c.ELB.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: new("bench"), Subnets: c.Subnets, SecurityGroups: []string{c.Group}})
	if err != nil {
		return "", err
	}
	l, err := c.ELB.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttp, Port: &port, DefaultActions: []elbtypes.Action{action},
	})
	if err != nil {
		return "", err
	}
	return *l.Listeners[0].ListenerArn, nil
}

// TargetGroup makes a target group of the app and returns its ARN.
func (c *Cloud) TargetGroup(ctx context.Context, name string) (string, error) {
	out, err := c.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &name, Protocol: elbtypes.ProtocolEnumHttp, Port: new(int32(AppPort)), VpcId: &c.VPC, TargetType: elbtypes.TargetTypeEnumIp,
		HealthyThresholdCount: new(int32(2)), HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(2)),
	})
	if err != nil {
		return "", err
	}
	return *out.TargetGroups[0].TargetGroupArn, nil
}
