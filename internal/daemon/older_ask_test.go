package daemon

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/efs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
)

// answers are what an instance says of all that it has, by the operation that
// was asked.
type answers map[string]any

// ask asks for all that lasts: not for tasks and events, which go on.
func (u *user) ask(t *testing.T) answers {
	t.Helper()
	a := answers{}
	ask := func(name string, out any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var v any
		if err := json.Unmarshal([]byte(strings.NewReplacer(u.listen, "LISTEN", olderAt, "LISTEN").Replace(string(ok(json.Marshal(out))(t)))), &v); err != nil {
			t.Fatal(err)
		}
		delete(v.(map[string]any), "ResultMetadata")
		a[name] = v
	}
	c := t.Context()
	{
		out, err := u.ec2.DescribeVpcs(c, nil)
		ask("vpcs", out, err)
	}
	{
		out, err := u.ec2.DescribeSubnets(c, nil)
		for i := range out.Subnets {
			out.Subnets[i].AvailableIpAddressCount = nil
		}
		ask("subnets", out, err)
	}
	{
		out, err := u.ec2.DescribeSecurityGroups(c, &ec2.DescribeSecurityGroupsInput{})
		ask("security groups", out, err)
	}
	{
		out, err := u.ec2.DescribeSecurityGroupRules(c, nil)
		ask("security group rules", out, err)
	}
	{
		out, err := u.ec2.DescribeRouteTables(c, nil)
		ask("route tables", out, err)
	}
	{
		out, err := u.ecr.DescribeRepositories(c, nil)
		ask("repositories", out, err)
		for _, r := range out.Repositories {
			images, err := u.ecr.DescribeImages(c, &ecr.DescribeImagesInput{RepositoryName: r.RepositoryName})
			for i := range images.ImageDetails {
				slices.Sort(images.ImageDetails[i].ImageTags)
			}
			ask("images of "+*r.RepositoryName, images, err)
			list, err := u.ecr.ListImages(c, &ecr.ListImagesInput{RepositoryName: r.RepositoryName, MaxResults: aws.Int32(1000)})
			sort.Slice(list.ImageIds, func(i, j int) bool {
				a, b := list.ImageIds[i], list.ImageIds[j]
				return *a.ImageDigest+aws.ToString(a.ImageTag) < *b.ImageDigest+aws.ToString(b.ImageTag)
			})
			ask("list of "+*r.RepositoryName, list, err)
		}
	}
	{
		out, err := u.ecs.DescribeClusters(c, &ecs.DescribeClustersInput{Clusters: []string{"default", "other"}})
		for i := range out.Clusters {
			out.Clusters[i].RunningTasksCount, out.Clusters[i].PendingTasksCount = 0, 0
		}
		ask("clusters", out, err)
	}
	{
		out, err := u.ecs.ListTaskDefinitions(c, nil)
		ask("task definitions", out, err)
		for _, arn := range out.TaskDefinitionArns {
			d, err := u.ecs.DescribeTaskDefinition(c, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
			ask("definition "+arn, d, err)
		}
	}
	{
		out, err := u.ecs.DescribeServices(c, &ecs.DescribeServicesInput{Services: []string{"web", "behind"}})
		for i := range out.Services {
			s := &out.Services[i]
			s.RunningCount, s.PendingCount, s.Events, s.Deployments = 0, 0, nil, nil
		}
		ask("services", out, err)
	}
	{
		out, err := u.ecs.ListAccountSettings(c, nil)
		ask("account settings", out, err)
	}
	{
		out, err := u.efs.DescribeFileSystems(c, nil)
		for i := range out.FileSystems {
			out.FileSystems[i].SizeInBytes = nil
		}
		ask("file systems", out, err)
		for _, f := range out.FileSystems {
			targets, err := u.efs.DescribeMountTargets(c, &efs.DescribeMountTargetsInput{FileSystemId: f.FileSystemId})
			ask("mount targets of "+*f.FileSystemId, targets, err)
		}
	}
	{
		out, err := u.efs.DescribeAccessPoints(c, nil)
		ask("access points", out, err)
	}
	{
		out, err := u.elb.DescribeTargetGroups(c, nil)
		ask("target groups", out, err)
	}
	{
		out, err := u.elb.DescribeLoadBalancers(c, nil)
		ask("load balancers", out, err)
		for _, lb := range out.LoadBalancers {
			listeners, err := u.elb.DescribeListeners(c, &elb.DescribeListenersInput{LoadBalancerArn: lb.LoadBalancerArn})
			ask("listeners of "+*lb.LoadBalancerName, listeners, err)
			for _, l := range listeners.Listeners {
				rules, err := u.elb.DescribeRules(c, &elb.DescribeRulesInput{ListenerArn: l.ListenerArn})
				ask("rules of "+*l.ListenerArn, rules, err)
			}
		}
	}
	{
		out, err := u.logs.DescribeLogGroups(c, nil)
		for i := range out.LogGroups {
			out.LogGroups[i].StoredBytes = nil
		}
		ask("log groups", out, err)
		events, err := u.logs.GetLogEvents(c, &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("/web"), LogStreamName: new("by-hand"), StartFromHead: aws.Bool(true)})
		events.NextBackwardToken, events.NextForwardToken = nil, nil
		ask("log events", events, err)
	}
	return a
}
