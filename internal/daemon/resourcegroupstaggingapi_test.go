package daemon

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	sdkecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	sdkecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	sdkefs "github.com/aws/aws-sdk-go-v2/service/efs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/gateway/denial"
	"github.com/skylift/skylift/internal/seal"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	eni "github.com/skylift/skylift/internal/service/ec2/interfaces"
	"github.com/skylift/skylift/internal/service/ecs"
	ecsapi "github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/elbv2"
	elbapi "github.com/skylift/skylift/internal/service/elbv2/api"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/logs"
	tagging "github.com/skylift/skylift/internal/service/resourcegroupstaggingapi"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// estate is all services over one store, with one of each resource that can have tags.
type estate struct {
	m     *machine
	all   []part
	parts map[string]part
	api   *tagging.API
	ns    arn.Namespace
	db    store.DB
	// arns has the resources without tags.
	arns []string
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	m := &machine{
		Config: Config{DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)},
		ns:     arn.Namespace{Region: "us-west-2", Account: "123456789012"}, db: memstore.New(), ring: seal.NewKey(),
	}
	m.refusals = ok(denial.Open(filepath.Join(m.DataDir, refusalsDir)))(t)
	t.Cleanup(func() { _ = m.refusals.Close() })
	all, err := parts(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	e := &estate{m: m, all: all, parts: map[string]part{}, ns: m.ns, db: m.db}
	for _, p := range all {
		e.parts[p.name] = p
	}
	e.api = e.parts["tagging"].api.(*tagging.API)
	e.fillNetwork(t)
	e.fillBalancers(t, m.db)
	e.fillFiles(t, m.db)
	e.fillContainers(t, m.db)
	e.fillIdentity(t)
	slices.Sort(e.arns)
	return e
}

func (e *estate) have(service, kind, id string) { e.arns = append(e.arns, e.ns.ARN(service, kind+id)) }

func (e *estate) fillIdentity(t *testing.T) {
	t.Helper()
	api := e.parts["iam"].api.(*iam.API)
	p := ok(api.CreatePolicy(t.Context(), &sdkiam.CreatePolicyInput{PolicyName: new("p"), Path: new("/app/"), PolicyDocument: new(allow(`"s3:Get*"`))}))(t).Policy
	i := ok(api.CreateInstanceProfile(t.Context(), &sdkiam.CreateInstanceProfileInput{InstanceProfileName: new("i")}))(t).InstanceProfile
	o := ok(api.CreateOpenIDConnectProvider(t.Context(), &sdkiam.CreateOpenIDConnectProviderInput{Url: new("https://issuer.test/path"), ThumbprintList: []string{strings.Repeat("a", 40)}}))(t)
	e.arns = append(e.arns, *p.Arn, *i.Arn, *o.OpenIDConnectProviderArn)
}

func (e *estate) fillNetwork(t *testing.T) {
	api := e.parts["ec2"].api.(*ec2api.API)
	vpc := *ok(api.DescribeVpcs(t.Context(), &sdkec2.DescribeVpcsInput{}))(t).Vpcs[0].VpcId
	subnet := *ok(api.DescribeSubnets(t.Context(), &sdkec2.DescribeSubnetsInput{}))(t).Subnets[0].SubnetId
	group := *ok(api.CreateSecurityGroup(t.Context(), &sdkec2.CreateSecurityGroupInput{GroupName: new("web"), Description: new("web"), VpcId: &vpc}))(t).GroupId
	rule := *ok(api.AuthorizeSecurityGroupIngress(t.Context(), &sdkec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{
		{IpProtocol: new("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80), IpRanges: []ec2types.IpRange{{CidrIp: new("10.0.0.0/8")}}},
	}}))(t).SecurityGroupRules[0].SecurityGroupRuleId
	eni := ok(api.CreateInterface(t.Context(), eni.Request{SubnetID: subnet, Owner: "task/1"}))(t).ID
	table := *ok(api.DescribeRouteTables(t.Context(), &sdkec2.DescribeRouteTablesInput{}))(t).RouteTables[0].RouteTableId
	gateway := *ok(api.DescribeInternetGateways(t.Context(), &sdkec2.DescribeInternetGatewaysInput{}))(t).InternetGateways[0].InternetGatewayId
	for kind, id := range map[string]string{
		"vpc/": vpc, "subnet/": subnet, "security-group/": group, "security-group-rule/": rule, "network-interface/": eni, "route-table/": table, "internet-gateway/": gateway,
	} {
		e.have("ec2", kind, id)
	}
}

func (e *estate) fillBalancers(t *testing.T, db store.DB) {
	api := e.parts["elasticloadbalancing"].api.(*elbapi.API)
	network := e.parts["ec2"].api.(*ec2api.API)
	var subnets []string
	for _, s := range ok(network.DescribeSubnets(t.Context(), &sdkec2.DescribeSubnetsInput{}))(t).Subnets[:2] {
		subnets = append(subnets, *s.SubnetId)
	}
	vpc := ok(network.DescribeVpcs(t.Context(), &sdkec2.DescribeVpcsInput{}))(t).Vpcs[0].VpcId
	balancer := *ok(api.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: new("web"), Subnets: subnets}))(t).LoadBalancers[0].LoadBalancerArn
	group := *ok(api.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
		Name: new("web"), VpcId: vpc, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumIp,
	}))(t).TargetGroups[0].TargetGroupArn
	// A listener is written by hand: CreateListener tries the port of this host.
	name, _ := arn.Parse(balancer)
	id := name.Resource[len("loadbalancer/"):] + "/0123456789abcdef"
	listener, rule := e.ns.ARN(name.Service, "listener/"+id), e.ns.ARN(name.Service, "listener-rule/"+id+"/0123456789abcdef")
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		if err := elbv2.Listeners.Put(tx, listener, elbv2.Listener{ARN: listener, LoadBalancer: balancer, Port: 80, DefaultRule: rule}); err != nil {
			return err
		}
		return elbv2.Rules.Put(tx, rule, elbv2.Rule{ARN: rule, Listener: listener, LoadBalancer: balancer})
	}); err != nil {
		t.Fatal(err)
	}
	e.arns = append(e.arns, balancer, group, listener, rule)
}

func (e *estate) fillFiles(t *testing.T, db store.DB) {
	api := e.parts["elasticfilesystem"].api.(*efs.API)
	files := ok(api.CreateFileSystem(t.Context(), &sdkefs.CreateFileSystemInput{CreationToken: new("files")}))(t)
	// An access point is written by hand: nothing here makes the directory that it would be in.
	const point = "fsap-0123456789abcdef0"
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return efs.AccessPoints.Put(tx, point, efs.AccessPoint{ID: point, FileSystem: *files.FileSystemId})
	}); err != nil {
		t.Fatal(err)
	}
	e.arns = append(e.arns, *files.FileSystemArn)
	e.have("elasticfilesystem", "access-point/", point)
}

func (e *estate) fillContainers(t *testing.T, db store.DB) {
	repository := ok(e.parts["ecr"].api.(registryAPI).CreateRepository(t.Context(), &sdkecr.CreateRepositoryInput{RepositoryName: new("team/web")}))(t).Repository
	ok(e.parts["logs"].api.(*logs.API).CreateLogGroup(t.Context(), &cwl.CreateLogGroupInput{LogGroupName: new("/web")}))(t)
	api := e.parts["ecs"].api.(*ecsapi.API)
	cluster := ok(api.CreateCluster(t.Context(), &sdkecs.CreateClusterInput{ClusterName: new("shop")}))(t).Cluster
	definition := ok(api.RegisterTaskDefinition(t.Context(), &sdkecs.RegisterTaskDefinitionInput{
		Family: new("web"), Cpu: new("256"), Memory: new("512"), NetworkMode: ecstypes.NetworkModeAwsvpc, RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: new("web"), Image: new("web")}},
	}))(t).TaskDefinition
	service, task := e.ns.ARN("ecs", "service/shop/web"), e.ns.ARN("ecs", "task/shop/0123456789abcdef0123456789abcdef")
	gone, stopped := e.ns.ARN("ecs", "service/shop/gone"), e.ns.ARN("ecs", "task/shop/00000000000000000000000000000000")
	had := map[string]string{"team": "red"}
	// These are written by hand: nothing here would run them.
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		for _, s := range []ecs.Service{
			{Cluster: "shop", Name: "web", ARN: service, Status: ecs.Active}, {Cluster: "shop", Name: "gone", ARN: gone, Status: ecs.Inactive, Tags: had},
		} {
			if err := ecs.Services.Put(tx, s.Cluster+"/"+s.Name, s); err != nil {
				return err
			}
		}
		for _, k := range []ecs.Task{{ARN: task, Cluster: "shop", Status: ecs.Running}, {ARN: stopped, Cluster: "shop", Status: ecs.Stopped, Tags: had}} {
			if err := ecs.Tasks.Put(tx, k.ARN[len(e.ns.ARN("ecs", "task/")):], k); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	e.arns = append(e.arns, *repository.RepositoryArn, e.ns.ARN("logs", "log-group:/web"), *cluster.ClusterArn, *definition.TaskDefinitionArn, service, task)
}

// tags returns what GetResources finds, page by page.
func (e *estate) tags(t *testing.T, in sdk.GetResourcesInput) map[string]map[string]string {
	t.Helper()
	got := map[string]map[string]string{}
	in.ResourcesPerPage = aws.Int32(7)
	for {
		out := ok(e.api.GetResources(t.Context(), &in))(t)
		for _, r := range out.ResourceTagMappingList {
			got[*r.ResourceARN] = map[string]string{}
			for _, tag := range r.Tags {
				got[*r.ResourceARN][*tag.Key] = *tag.Value
			}
		}
		if *out.PaginationToken == "" {
			return got
		}
		in.PaginationToken = out.PaginationToken
	}
}

// each does f for as many resources at a time as a call takes.
func (e *estate) each(t *testing.T, f func(arns []string) (map[string]types.FailureInfo, error)) {
	t.Helper()
	for some := range slices.Chunk(e.arns, 20) {
		for ref, why := range ok(f(some))(t) {
			t.Errorf("%s: %s: %s", ref, why.ErrorCode, *why.ErrorMessage)
		}
	}
}

// TestTagsOfAllServices tags a resource of each kind, finds it, takes the tags off again, and finds that it had some.
func TestTagsOfAllServices(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	if got := e.tags(t, sdk.GetResourcesInput{}); len(got) != 0 {
		t.Errorf("resources that never had tags are found: %v", slices.Sorted(maps.Keys(got)))
	}
	want := map[string]map[string]string{}
	for _, ref := range e.arns {
		want[ref] = map[string]string{"team": "blue", "Größe": "L"}
	}
	e.each(t, func(arns []string) (map[string]types.FailureInfo, error) {
		out, err := e.api.TagResources(t.Context(), &sdk.TagResourcesInput{ResourceARNList: arns, Tags: map[string]string{"team": "blue", "Größe": "L"}})
		return out.FailedResourcesMap, err
	})
	if d := cmp.Diff(want, e.tags(t, sdk.GetResourcesInput{TagFilters: []types.TagFilter{{Key: new("team"), Values: []string{"blue"}}}})); d != "" {
		t.Errorf("tagged resources (-want +got):\n%s", d)
	}
	// The services themselves say the same.
	rows := ok(e.parts["ecs"].api.(*ecsapi.API).ListTagsForResource(t.Context(), &sdkecs.ListTagsForResourceInput{ResourceArn: new(e.ns.ARN("ecs", "service/shop/web"))}))(t)
	if len(rows.Tags) != 2 {
		t.Errorf("ECS says that its service has the tags %v", rows.Tags)
	}

	for range 2 { // taking off what isn't there is fine
		e.each(t, func(arns []string) (map[string]types.FailureInfo, error) {
			out, err := e.api.UntagResources(t.Context(), &sdk.UntagResourcesInput{ResourceARNList: arns, TagKeys: []string{"team", "Größe"}})
			return out.FailedResourcesMap, err
		})
	}
	for ref := range want {
		want[ref] = map[string]string{}
	}
	if d := cmp.Diff(want, e.tags(t, sdk.GetResourcesInput{})); d != "" {
		t.Errorf("resources that had tags (-want +got):\n%s", d)
	}
}

// TestTagsAreTheServices says that a service's own rules hold, whoever asks, and that a resource is told by all of its ARN.
func TestTagsAreTheServices(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("k", i)] = ""
	}
	tag := func(tags map[string]string, arns ...string) map[string]string {
		codes := map[string]string{}
		out := ok(e.api.TagResources(t.Context(), &sdk.TagResourcesInput{ResourceARNList: arns, Tags: tags}))(t)
		for ref, why := range out.FailedResourcesMap {
			codes[ref] = string(why.ErrorCode)
		}
		return codes
	}
	for some := range slices.Chunk(e.arns, 20) {
		if failed := tag(many, some...); len(failed) != 0 {
			t.Errorf("50 tags are refused: %v", failed)
		}
	}
	tooMany := map[string]int{}
	for some := range slices.Chunk(e.arns, 20) {
		for _, code := range tag(map[string]string{"one more": ""}, some...) {
			tooMany[code]++
		}
	}
	if d := cmp.Diff(map[string]int{"TagLimitExceeded": 7, "TooManyTags": 4, "TooManyTagsException": 2, "BadRequest": 2, "InvalidParameterException": 4, "LimitExceeded": 3}, tooMany); d != "" {
		t.Errorf("codes of a 51st tag (-want +got):\n%s", d)
	}
	vpc := *ok(e.parts["ec2"].api.(*ec2api.API).DescribeVpcs(t.Context(), &sdkec2.DescribeVpcsInput{}))(t).Vpcs[0].VpcId
	wrong := map[string]string{
		e.ns.ARN("ec2", "subnet/"+vpc):               "InvalidParameterValue", // it is a VPC
		e.ns.ARN("ec2", "vpc/vpc-00000000"):          "InvalidVpcID.NotFound",
		e.ns.ARN("ecs", "cluster/none"):              "ResourceNotFoundException",
		e.ns.ARN("ecs", "capacity-provider/FARGATE"): "InvalidParameterException",
		e.ns.ARN("ecr", "repository/none"):           "RepositoryNotFoundException",
		e.ns.ARN("logs", "log-group:none"):           "ResourceNotFoundException",
		e.ns.ARN("sts", "session"):                   "InvalidParameterException",
		"arn:aws:iam::123456789012:group/g":          "InvalidInput",
		"arn:aws:iam::123456789012:role/none":        "NoSuchEntity",
		"arn:aws:iam::123456789013:role/none":        "InvalidParameterException",
		"arn:aws:iam:us-west-2:123456789012:role/r":  "InvalidParameterException",
	}
	if d := cmp.Diff(wrong, tag(map[string]string{"k0": ""}, slices.Collect(maps.Keys(wrong))...)); d != "" {
		t.Errorf("codes for what can't be tagged (-want +got):\n%s", d)
	}
}
