package authz_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

var ns = arn.Namespace{Region: "us-west-2", Account: "123456789012"}

func none[I, O any](context.Context, *I) (*O, error) { panic("not to be called") }

// show writes a question on a line: action, resource and keys, without what all ARNs begin with.
func show(q authz.Question) string {
	words := []string{q.Action, q.Resource}
	var keys []string
	for k, v := range q.Keys {
		keys = append(keys, k+"="+strings.Join(v, ","))
	}
	slices.Sort(keys)
	text := strings.Join(append(words, keys...), " ")
	for _, s := range []string{"ecs", "ec2", "logs", "elasticloadbalancing"} {
		text = strings.ReplaceAll(text, ns.ARN(s, ""), "")
	}
	return text
}

// tagged is what is known in these tests.
func tagged(_ context.Context, arns []string) (map[string]authz.Known, error) {
	found := map[string]authz.Known{}
	for _, a := range arns {
		switch {
		case strings.HasSuffix(a, "task-definition/web:7"):
			found[a] = authz.Known{Tags: map[string]string{"Team": "blue"}}
		case strings.HasSuffix(a, "sg-1"):
			found[a] = authz.Known{Keys: map[string]string{"ec2:Vpc": "vpc-1"}}
		case strings.HasSuffix(a, "log-group:app"):
			found[a] = authz.Known{Tags: map[string]string{"k": "v"}}
		}
	}
	return found, nil
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	run := wire.Op("RunTask", none[ecs.RunTaskInput, ecs.RunTaskOutput]).Takes("*").On("task-definition: taskDefinition").Makes("task: cluster=default *").
		Keys("ecs:cluster: cluster=default", "ecs:capacity-provider: capacityProviderStrategy.capacityProvider", "ecs:enable-execute-command: enableExecuteCommand", "ecs:enable-ebs-volumes: =false").
		KeyFound("ecs:task-cpu", func(_ context.Context, in *ecs.RunTaskInput) []string { return []string{*in.Overrides.Cpu} }).
		Lacks("ecs:task-memory", "it is for a test").
		Passes("ecs-tasks.amazonaws.com: overrides.taskRoleArn overrides.executionRoleArn")
	group := wire.Op("CreateSecurityGroup", none[ec2.CreateSecurityGroupInput, ec2.CreateSecurityGroupOutput]).Takes("*").On("vpc: VpcId").Makes("security-group: *")
	admit := wire.Op("AuthorizeSecurityGroupEgress", none[ec2.AuthorizeSecurityGroupEgressInput, ec2.AuthorizeSecurityGroupEgressOutput]).Takes("*").On("security-group: GroupId").Makes("security-group-rule: *")
	untag := wire.Op("UntagResource", none[ecs.UntagResourceInput, ecs.UntagResourceOutput]).Takes("*").On("*: resourceArn")
	listen := wire.Op("CreateListener", none[elb.CreateListenerInput, elb.CreateListenerOutput]).Takes("*").On("loadbalancer/*: LoadBalancerArn").Makes("listener/app: LoadBalancerArn").
		Keys("elasticloadbalancing:ListenerProtocol: Protocol").Lacks("elasticloadbalancing:SecurityPolicy", "it is for a test")
	for _, tc := range []struct {
		name, service string
		op            wire.Operation
		in            any
		want          []string
	}{
		{"all of it", "ecs", run, &ecs.RunTaskInput{
			Cluster: aws.String("prod"), TaskDefinition: aws.String("web:7"), EnableExecuteCommand: true,
			CapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE")}, {CapacityProvider: aws.String("FARGATE_SPOT")}},
			Tags:                     []types.Tag{{Key: aws.String("Cost"), Value: aws.String("1")}, {Key: aws.String("B")}},
			Overrides:                &types.TaskOverride{Cpu: aws.String("256"), TaskRoleArn: aws.String("arn:aws:iam::123456789012:role/app/r"), ExecutionRoleArn: aws.String("x")},
		}, []string{
			"ecs:RunTask task-definition/web:7 aws:requesttag/b= aws:requesttag/cost=1 aws:resourcetag/team=blue aws:tagkeys=B,Cost " +
				"ecs:capacity-provider=capacity-provider/FARGATE,capacity-provider/FARGATE_SPOT ecs:cluster=cluster/prod ecs:enable-ebs-volumes=false " +
				"ecs:enable-execute-command=true ecs:resourcetag/team=blue ecs:task-cpu=256",
			"ecs:TagResource task/prod/* aws:requesttag/b= aws:requesttag/cost=1 aws:tagkeys=B,Cost ecs:createaction=RunTask",
			"iam:PassRole arn:aws:iam::123456789012:role/app/r iam:associatedresourcearn=task-definition/web:7 iam:passedtoservice=ecs-tasks.amazonaws.com",
			"iam:PassRole arn:aws:iam::123456789012:role/x iam:associatedresourcearn=task-definition/web:7 iam:passedtoservice=ecs-tasks.amazonaws.com",
		}},
		{"little of it", "ecs", run, &ecs.RunTaskInput{TaskDefinition: aws.String("web"), Overrides: &types.TaskOverride{Cpu: aws.String("256")}}, []string{
			"ecs:RunTask task-definition/web:* ecs:cluster=cluster/default ecs:enable-ebs-volumes=false ecs:enable-execute-command=false ecs:task-cpu=256",
		}},
		{"keys of tags", "ecs", untag, &ecs.UntagResourceInput{ResourceArn: aws.String(ns.ARN("ecs", "cluster/c")), TagKeys: []string{"B", "a"}}, []string{
			"ecs:UntagResource cluster/c aws:tagkeys=B,a",
		}},
		{"tags for one type", "ec2", group, &ec2.CreateSecurityGroupInput{
			GroupName: aws.String("g"), Description: aws.String("d"), VpcId: aws.String("vpc-1"),
			TagSpecifications: []ec2types.TagSpecification{{ResourceType: "security-group", Tags: []ec2types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}},
		}, []string{
			"ec2:CreateSecurityGroup vpc/vpc-1 ec2:region=us-west-2",
			"ec2:CreateSecurityGroup security-group/* aws:requesttag/k=v aws:tagkeys=k ec2:region=us-west-2",
			"ec2:CreateTags security-group/* aws:requesttag/k=v aws:tagkeys=k ec2:createaction=CreateSecurityGroup",
		}},
		{"what the resource tells", "ec2", admit, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: aws.String("sg-1")}, []string{
			"ec2:AuthorizeSecurityGroupEgress security-group/sg-1 ec2:region=us-west-2 ec2:vpc=vpc-1",
		}},
		{"what is made below", "elasticloadbalancing", listen, &elb.CreateListenerInput{
			LoadBalancerArn: aws.String(ns.ARN("elasticloadbalancing", "loadbalancer/app/web/1")), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: []elbtypes.Action{},
			Tags: []elbtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
		}, []string{
			"elasticloadbalancing:CreateListener loadbalancer/app/web/1 aws:requesttag/k=v aws:tagkeys=k elasticloadbalancing:listenerprotocol=HTTP",
			"elasticloadbalancing:AddTags listener/app/web/1/* aws:requesttag/k=v aws:tagkeys=k elasticloadbalancing:createaction=CreateListener",
		}},
		{
			"a log group", "logs", wire.Op("DeleteLogGroup", none[cloudwatchlogs.DeleteLogGroupInput, cloudwatchlogs.DeleteLogGroupOutput]).Takes("*").On("log-group: logGroupName"),
			&cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("app")},
			[]string{"logs:DeleteLogGroup log-group:app:log-stream: aws:resourcetag/k=v logs:resourcetag/k=v"},
		},
		{
			"log groups", "logs", wire.Op("DescribeLogGroups", none[cloudwatchlogs.DescribeLogGroupsInput, cloudwatchlogs.DescribeLogGroupsOutput]).Takes("*").On("log-group: *"),
			&cloudwatchlogs.DescribeLogGroupsInput{},
			[]string{"logs:DescribeLogGroups log-group::log-stream:"},
		},
		{
			"a log group's tags", "logs", wire.Op("TagResource", none[cloudwatchlogs.TagResourceInput, cloudwatchlogs.TagResourceOutput]).Takes("*").On("log-group: resourceArn"),
			&cloudwatchlogs.TagResourceInput{ResourceArn: aws.String(ns.ARN("logs", "log-group:app")), Tags: map[string]string{"a": "b"}},
			[]string{"logs:TagResource log-group:app aws:requesttag/a=b aws:resourcetag/k=v aws:tagkeys=a logs:resourcetag/k=v"},
		},
		{"what is asked besides", "ecs", wire.Op("ListClusters", none[ecs.ListClustersInput, ecs.ListClustersOutput]).Takes("*").Asks(func(context.Context, *ecs.ListClustersInput) []authz.Question {
			return []authz.Question{{Action: "ecs:Other", Resource: ns.ARN("ecs", "task-definition/web:7")}}
		}), &ecs.ListClustersInput{}, []string{"ecs:ListClusters *", "ecs:Other task-definition/web:7 aws:resourcetag/team=blue ecs:resourcetag/team=blue"}},
	} {
		s, err := wiretest.New(tc.service, wire.Known("ec2:SecurityGroupID ec2:Vpc ec2:VpcID ec2:Tenancy", []wire.Operation{tc.op}))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		c, err := s.Decode(t, tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		asked, err := c.Questions(t.Context(), ns, tagged)
		var got []string
		for _, q := range asked {
			got = append(got, show(q))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
	}
}

// TestNothingIsAskedWithoutTheTags has the look-up fail.
func TestNothingIsAskedWithoutTheTags(t *testing.T) {
	t.Parallel()
	s, err := wiretest.New("ecs", []wire.Operation{wire.Op("DeleteCluster", none[ecs.DeleteClusterInput, ecs.DeleteClusterOutput]).Takes("*").On("cluster: cluster")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Decode(t, &ecs.DeleteClusterInput{Cluster: aws.String("c")})
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("away")
	asked, err := c.Questions(t.Context(), ns, func(context.Context, []string) (map[string]authz.Known, error) { return nil, away })
	if asked != nil || !errors.Is(err, away) {
		t.Errorf("got %v, %v", asked, err)
	}
}

// TestDeclarationsAreHeldToTheReference declares too little and too much.
func TestDeclarationsAreHeldToTheReference(t *testing.T) {
	t.Parallel()
	stop := func() wire.Declared[ecs.StopTaskInput] {
		return wire.Op("StopTask", none[ecs.StopTaskInput, ecs.StopTaskOutput]).Takes("*").On("task: cluster=default task")
	}
	create := func() wire.Declared[ecs.CreateCapacityProviderInput] {
		return wire.Op("CreateCapacityProvider", none[ecs.CreateCapacityProviderInput, ecs.CreateCapacityProviderOutput]).Takes("*").
			Lacks("ecs:instance-metadata-tags-propagation ecs:propagate-tags", "it is for a test")
	}
	for _, tc := range []struct {
		op   wire.Operation
		want string // in the error
	}{
		{stop(), "condition key ecs:cluster"},
		{stop().Keys("ecs:cluster: cluster", "ecs:service: task"), "no condition key ecs:service"},
		{stop().Keys("ecs:cluster: clusters"), `no member "clusters"`},
		{stop().Keys("ecs:cluster: cluster").Lacks("ecs:task-cpu", "why"), "no condition key ecs:task-cpu"},
		{stop().Keys("ecs:cluster: cluster").Passes("ecs.amazonaws.com: role"), `no member "role"`},
		{create().On("capacity-provider: name"), "does not declare what it makes"},
		{create().Makes("capacity-provider: nam"), `no member "nam"`},
		{create().Makes("provider: name"), "no such resource type"},
	} {
		if _, err := wire.NewService("ecs", tc.op); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want an error that says %q", err, tc.want)
		}
	}
	for _, op := range []wire.Operation{stop().Keys("ecs:cluster: cluster"), stop().Lacks("ecs:cluster", "why"), create().Makes("capacity-provider: name")} {
		if _, err := wire.NewService("ecs", op); err != nil {
			t.Errorf("%s: %v", op.Name(), err)
		}
	}
}
