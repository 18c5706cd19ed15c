package e2e

import (
	"slices"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// What is made twice, tagged, or in use.
func (s *stage) testBalancerRecords(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := s.pool(t, "records")
	again := must(s.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: new("records"), Protocol: types.ProtocolEnumHttp, Port: new(int32(8080)), VpcId: &s.vpcID, TargetType: types.TargetTypeEnumIp,
		HealthCheckPath: new("/healthz"), HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(2)),
		HealthyThresholdCount: new(int32(2)), UnhealthyThresholdCount: new(int32(2)),
	}))(t).TargetGroups[0]
	if *again.TargetGroupArn != pool {
		t.Errorf("made again, the target group is %s, not %s", *again.TargetGroupArn, pool)
	}
	f := s.front(t, "records", 8401, forward(pool))
	same := must(s.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: new("records"), Subnets: s.subnets(t), SecurityGroups: []string{s.open}}))(t).LoadBalancers[0]
	if *same.LoadBalancerArn != f.balancer {
		t.Errorf("made again, the balancer is %s, not %s", *same.LoadBalancerArn, f.balancer)
	}
	groups := must(s.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{LoadBalancerArn: &f.balancer}))(t).TargetGroups
	if len(groups) != 1 || *groups[0].TargetGroupArn != pool || !slices.Equal(groups[0].LoadBalancerArns, []string{f.balancer}) {
		t.Errorf("target groups of the balancer: %+v", groups)
	}
	must(s.elb.AddTags(ctx, &elb.AddTagsInput{ResourceArns: []string{f.balancer, pool}, Tags: []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")}}}))(t)
	must(s.elb.RemoveTags(ctx, &elb.RemoveTagsInput{ResourceArns: []string{pool}, TagKeys: []string{"a"}}))(t)
	tags := must(s.elb.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: []string{f.balancer, pool}}))(t).TagDescriptions
	if len(tags) != 2 || len(tags[0].Tags) != 2 || len(tags[1].Tags) != 1 {
		t.Errorf("tags: %+v", tags)
	}
	if got := s.aws(t, "elbv2", "set-subnets", "--load-balancer-arn", f.balancer, "--subnets", s.subnets(t)[0], s.subnets(t)[1], "--query", "length(AvailabilityZones)"); got != "2" {
		t.Errorf("set-subnets: %s", got)
	}
	_, err := s.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{Names: []string{"none"}})
	refused(t, err, "TargetGroupNotFound", "")
	_, err = s.elb.DescribeListeners(ctx, &elb.DescribeListenersInput{ListenerArns: []string{f.listener + "0"}})
	refused(t, err, "ListenerNotFound", "")
	if _, err := s.elb.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: new(f.balancer + "0")}); err != nil {
		t.Errorf("a balancer that isn't there is deleted: %v", err)
	}
	balancer := must(s.elb.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{}))(t)
	if !slices.ContainsFunc(balancer.LoadBalancers, func(b types.LoadBalancer) bool { return *b.LoadBalancerName == "records" }) {
		t.Error("the balancer isn't listed")
	}
}
