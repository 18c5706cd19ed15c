package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/efs"
	efstypes "github.com/aws/aws-sdk-go-v2/service/efs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/credential"
)

// user speaks to an instance as its users do.
type user struct {
	listen string
	ec2    *ec2.Client
	ecr    *ecr.Client
	ecs    *ecs.Client
	efs    *efs.Client
	elb    *elb.Client
	logs   *cloudwatchlogs.Client
}

func newUser(t *testing.T, dir, listen string) *user {
	t.Helper()
	key := ok(credential.Load(dir))(t)
	cfg := aws.Config{
		Region: "us-west-2", BaseEndpoint: aws.String("http://" + listen), HTTPClient: &http.Client{Timeout: time.Minute},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, nil
		}),
	}
	return &user{
		listen, ec2.NewFromConfig(cfg), ecr.NewFromConfig(cfg), ecs.NewFromConfig(cfg), efs.NewFromConfig(cfg), elb.NewFromConfig(cfg),
		cloudwatchlogs.NewFromConfig(cfg),
	}
}

// ok is what a call returned; an error ends the test.
func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fill makes something of everything that 0.1.0 keeps.
func (u *user) fill(t *testing.T) {
	t.Helper()
	vpc := *ok(u.ec2.DescribeVpcs(t.Context(), nil))(t).Vpcs[0].VpcId
	subnets := ok(u.ec2.DescribeSubnets(t.Context(), nil))(t).Subnets
	group := *ok(u.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: new("web"), Description: new("web"), VpcId: &vpc}))(t).GroupId
	ok(u.ec2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{
		{IpProtocol: new("tcp"), FromPort: aws.Int32(8080), ToPort: aws.Int32(8080), IpRanges: []ec2types.IpRange{{CidrIp: new("0.0.0.0/0")}}},
		{IpProtocol: new("-1"), UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: &group}}},
	}}))(t)
	ok(u.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{group}, Tags: []ec2types.Tag{{Key: new("team"), Value: new("web")}}}))(t)
	other := slices.IndexFunc(subnets, func(s ec2types.Subnet) bool { return *s.AvailabilityZone != *subnets[0].AvailabilityZone })
	subnet := []string{*subnets[0].SubnetId, *subnets[other].SubnetId}
	u.fillImages(t)
	u.fillFiles(t, subnet[0], group)
	u.fillLogs(t)
	pool := u.fillBalancer(t, vpc, subnet, group)
	u.fillTasks(t, subnet, group, pool)
}

// fillImages pushes images under many tags, one without, an index and a
// referrer.
func (u *user) fillImages(t *testing.T) {
	t.Helper()
	ok(u.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("app"), Tags: []ecrtypes.Tag{{Key: new("team"), Value: new("web")}}}))(t)
	ok(u.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("team/fixed"), ImageTagMutability: ecrtypes.ImageTagMutabilityImmutable}))(t)
	ok(u.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("empty")}))(t)
	u.push(t, "app", "v0", image("zero"))
	one := u.push(t, "app", "v1", image("one"))
	for i := range 300 {
		u.push(t, "app", fmt.Sprintf("build-%03d", i), image("one"))
	}
	two := u.push(t, "app", "v2", image("two"))
	u.push(t, "app", "latest", image("one"))
	u.push(t, "app", "latest", image("two")) // it moves
	u.push(t, "app", "v0", image("two"))     // the image zero has no tag now
	index := map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{one, two}}
	u.push(t, "app", "both", index)
	signature := image("signature")
	signature["subject"] = two
	u.push(t, "app", "signed", signature)
	u.push(t, "team/fixed", "1", image("one"))
}

// image is a manifest; its configuration and its layer are made of text.
func image(text string) map[string]any {
	part := func(kind, text string) map[string]any {
		return map[string]any{"mediaType": kind, "digest": digestOf([]byte(text)), "size": len(text), "data": base64.StdEncoding.EncodeToString([]byte(text))}
	}
	return map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": part("application/vnd.oci.image.config.v1+json", `{"architecture":"amd64","os":"linux","comment":"`+text+`"}`),
		"layers": []any{part("application/vnd.oci.image.layer.v1.tar", "layer "+text)},
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// push pushes a manifest, and what it is made of, and returns its descriptor.
func (u *user) push(t *testing.T, repo, ref string, manifest map[string]any) map[string]any {
	t.Helper()
	if config, isImage := manifest["config"]; isImage {
		for _, p := range append([]any{config}, manifest["layers"].([]any)...) {
			part := p.(map[string]any)
			data := ok(base64.StdEncoding.DecodeString(part["data"].(string)))(t)
			at := u.registry(t, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", "", nil, http.StatusAccepted).Get("Location")
			at = strings.TrimPrefix(at, "http://"+u.listen)
			u.registry(t, http.MethodPut, at+"&digest="+part["digest"].(string), "application/octet-stream", data, http.StatusCreated)
		}
	}
	body := ok(json.Marshal(manifest))(t)
	kind := manifest["mediaType"].(string)
	u.registry(t, http.MethodPut, "/v2/"+repo+"/manifests/"+ref, kind, body, http.StatusCreated)
	return map[string]any{"mediaType": kind, "digest": digestOf(body), "size": len(body)}
}

// registry asks the registry, which must answer with that status.
func (u *user) registry(t *testing.T, method, path, kind string, body []byte, want int) http.Header {
	t.Helper()
	login := ok(u.ecr.GetAuthorizationToken(t.Context(), nil))(t)
	req := ok(http.NewRequestWithContext(t.Context(), method, "http://"+u.listen+path, bytes.NewReader(body)))(t)
	req.Header.Set("Authorization", "Basic "+*login.AuthorizationData[0].AuthorizationToken)
	req.Header.Set("Content-Type", kind)
	res := ok(http.DefaultClient.Do(req))(t)
	defer res.Body.Close()
	if text := ok(io.ReadAll(res.Body))(t); res.StatusCode != want {
		t.Fatalf("%s %s: %s %s, want %d", method, path, res.Status, text, want)
	}
	return res.Header
}

func (u *user) fillFiles(t *testing.T, subnet, group string) {
	t.Helper()
	fs := *ok(u.efs.CreateFileSystem(t.Context(), &efs.CreateFileSystemInput{CreationToken: new("shared"), Tags: []efstypes.Tag{{Key: new("Name"), Value: new("shared")}}}))(t).FileSystemId
	u.until(t, "the file system is available", func() bool {
		return ok(u.efs.DescribeFileSystems(t.Context(), &efs.DescribeFileSystemsInput{FileSystemId: &fs}))(t).FileSystems[0].LifeCycleState == efstypes.LifeCycleStateAvailable
	})
	ok(u.efs.CreateMountTarget(t.Context(), &efs.CreateMountTargetInput{FileSystemId: &fs, SubnetId: &subnet, SecurityGroups: []string{group}}))(t)
	ok(u.efs.CreateAccessPoint(t.Context(), &efs.CreateAccessPointInput{
		FileSystemId: &fs, ClientToken: new("point"), PosixUser: &efstypes.PosixUser{Uid: aws.Int64(1000), Gid: aws.Int64(1000)},
		RootDirectory: &efstypes.RootDirectory{Path: new("/data"), CreationInfo: &efstypes.CreationInfo{OwnerUid: aws.Int64(1000), OwnerGid: aws.Int64(1000), Permissions: new("0750")}},
	}))(t)
}

func (u *user) fillLogs(t *testing.T) {
	t.Helper()
	ok(u.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("/web"), Tags: map[string]string{"team": "web"}}))(t)
	ok(u.logs.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: new("/web"), RetentionInDays: aws.Int32(3653)}))(t)
	ok(u.logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: new("/web"), LogStreamName: new("by-hand")}))(t)
	ok(u.logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: new("/web"), LogStreamName: new("by-hand"), LogEvents: []logstypes.InputLogEvent{
		{Message: new("first"), Timestamp: aws.Int64(time.Now().UnixMilli())}, {Message: new("second"), Timestamp: aws.Int64(time.Now().UnixMilli())},
	}}))(t)
}

// fillBalancer returns the target group for a service.
func (u *user) fillBalancer(t *testing.T, vpc string, subnets []string, group string) (pool string) {
	t.Helper()
	groups := make([]string, 2)
	for i, name := range []string{"web", "site"} {
		groups[i] = *ok(u.elb.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
			Name: &name, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: &vpc, TargetType: elbtypes.TargetTypeEnumIp, HealthCheckPath: new("/healthz"),
		}))(t).TargetGroups[0].TargetGroupArn
	}
	lb := ok(u.elb.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{
		Name: new("web"), Subnets: subnets, SecurityGroups: []string{group}, Tags: []elbtypes.Tag{{Key: new("team"), Value: new("web")}},
	}))(t).LoadBalancers[0]
	l := *ok(u.elb.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(18080),
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &groups[0]}},
	}))(t).Listeners[0].ListenerArn
	ok(u.elb.CreateRule(t.Context(), &elb.CreateRuleInput{
		ListenerArn: &l, Priority: aws.Int32(10), Conditions: []elbtypes.RuleCondition{{Field: new("host-header"), HostHeaderConfig: &elbtypes.HostHeaderConditionConfig{Values: []string{"site.test"}}}},
		Actions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &groups[1]}},
	}))(t)
	ok(u.elb.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: &groups[1], Targets: []elbtypes.TargetDescription{{Id: new("172.31.200.1"), Port: aws.Int32(80)}}}))(t)
	return groups[0]
}

func (u *user) fillTasks(t *testing.T, subnets []string, group, pool string) {
	t.Helper()
	ok(u.ecs.PutAccountSetting(t.Context(), &ecs.PutAccountSettingInput{Name: ecstypes.SettingNameContainerInsights, Value: new("disabled")}))(t)
	ok(u.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: new("default")}))(t)
	ok(u.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: new("other"), Tags: []ecstypes.Tag{{Key: new("team"), Value: new("web")}}}))(t)
	def := &ecs.RegisterTaskDefinitionInput{
		Family: new("web"), Cpu: new("256"), Memory: new("512"), NetworkMode: ecstypes.NetworkModeAwsvpc, RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		ContainerDefinitions: []ecstypes.ContainerDefinition{{
			Name: new("web"), Image: new(u.listen + "/app:v1"), Essential: aws.Bool(true), PortMappings: []ecstypes.PortMapping{{ContainerPort: aws.Int32(8080)}},
			LogConfiguration: &ecstypes.LogConfiguration{LogDriver: ecstypes.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": "/web", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "web",
			}},
		}},
		Tags: []ecstypes.Tag{{Key: new("team"), Value: new("web")}},
	}
	ok(u.ecs.RegisterTaskDefinition(t.Context(), def))(t)
	ok(u.ecs.RegisterTaskDefinition(t.Context(), def))(t)
	net := &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{Subnets: subnets, SecurityGroups: []string{group}}}
	ok(u.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: new("web"), TaskDefinition: new("web:1"), DesiredCount: aws.Int32(2), LaunchType: ecstypes.LaunchTypeFargate, NetworkConfiguration: net,
	}))(t)
	ok(u.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: new("behind"), TaskDefinition: new("web:2"), DesiredCount: aws.Int32(1), LaunchType: ecstypes.LaunchTypeFargate, NetworkConfiguration: net,
		LoadBalancers: []ecstypes.LoadBalancer{{TargetGroupArn: &pool, ContainerName: new("web"), ContainerPort: aws.Int32(8080)}},
	}))(t)
	run := func(token string) string {
		return *ok(u.ecs.RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: new("web:1"), LaunchType: ecstypes.LaunchTypeFargate, NetworkConfiguration: net, ClientToken: &token}))(t).Tasks[0].TaskArn
	}
	stopped := run("one")
	run("two")
	u.until(t, "the tasks run", func() bool { return len(u.tasks(t, "RUNNING")) >= 5 })
	ok(u.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &stopped, Reason: new("enough of it")}))(t)
	u.until(t, "the stopped task has stopped", func() bool { return len(u.tasks(t, "STOPPED")) == 1 })
	ok(u.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("web"), TaskDefinition: new("web:2")}))(t)
	u.until(t, "the update is done", func() bool {
		s := ok(u.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{"web"}}))(t).Services[0]
		return len(s.Deployments) == 1 && s.RunningCount == 2
	})
}

// tasks lists the tasks of the default cluster that are in a status.
func (u *user) tasks(t *testing.T, status string) (arns []string) {
	t.Helper()
	desired := ecstypes.DesiredStatusRunning
	if status == "STOPPED" {
		desired = ecstypes.DesiredStatusStopped
	}
	all := ok(u.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{DesiredStatus: desired}))(t).TaskArns
	if len(all) == 0 {
		return nil
	}
	for _, task := range ok(u.ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: all}))(t).Tasks {
		if *task.LastStatus == status {
			arns = append(arns, *task.TaskArn)
		}
	}
	return arns
}

// until asks until something is true, for a minute at most: the APIs have no
// other way to be told.
func (u *user) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}
