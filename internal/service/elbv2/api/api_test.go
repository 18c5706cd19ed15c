package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// fakeNetwork has vpc-1 with three subnets in three zones, and vpc-2 with one.
type fakeNetwork struct{}

func (fakeNetwork) Subnet(_ context.Context, id string) (elbv2.Subnet, error) {
	switch id {
	case "subnet-a", "subnet-b", "subnet-c":
		return elbv2.Subnet{ID: id, VPC: "vpc-1", AZ: "us-west-2" + id[len(id)-1:]}, nil
	case "subnet-a2":
		return elbv2.Subnet{ID: id, VPC: "vpc-1", AZ: "us-west-2a"}, nil
	case "subnet-other":
		return elbv2.Subnet{ID: id, VPC: "vpc-2", AZ: "us-west-2b"}, nil
	}
	return elbv2.Subnet{}, awserr.New("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

func (fakeNetwork) DefaultGroup(_ context.Context, vpc string) (string, error) {
	return "sg-default-" + vpc, nil
}

func (fakeNetwork) CheckGroups(_ context.Context, _ string, ids []string) error {
	if slices.Contains(ids, "sg-none") {
		return awserr.New("InvalidGroup.NotFound", "The security group 'sg-none' does not exist")
	}
	return nil
}

func (fakeNetwork) CheckVPC(_ context.Context, vpc string) error {
	if vpc == "vpc-1" || vpc == "vpc-2" {
		return nil
	}
	return awserr.New("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", vpc)
}

func (fakeNetwork) Zones(_ context.Context, vpc string) (elbv2.Zones, error) {
	return map[string]elbv2.Zones{"vpc-1": {
		netip.MustParsePrefix("172.31.0.0/20"): "us-west-2a", netip.MustParsePrefix("172.31.16.0/20"): "us-west-2b", netip.MustParsePrefix("198.18.0.0/20"): "us-west-2c",
	}}[vpc], nil
}

// env is an API with an empty store.
type env struct {
	*API
	t *testing.T
}

func newEnv(t *testing.T) env {
	db := memstore.New()
	ns := arn.Namespace{Region: "us-west-2", Account: "111122223333"}
	checkPort := func(p uint16) error {
		if p == 4566 {
			return errors.New("Skylift itself listens there")
		}
		return nil
	}
	return env{New(db, ns, fakeNetwork{}, fakeCertificates{}, &fakeLogs{}, checkPort), t}
}

// must returns what a handler does, which must go well.
func must[I, O any](t *testing.T, h func(context.Context, *I) (*O, error), in *I) *O {
	t.Helper()
	out, err := h(t.Context(), in)
	if err != nil {
		t.Fatalf("%T: %v", in, err)
	}
	return out
}

// refused checks that a handler fails with that code and a message that has
// those words.
func refused[I, O any](t *testing.T, code, words string, h func(context.Context, *I) (*O, error), in *I) {
	t.Helper()
	err := wiretest.Refusal(t, "elasticloadbalancing", (&API{}).Operations(), in)
	if err == nil {
		_, err = h(t.Context(), in)
	}
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("%T: got %v, want %s: …%s…", in, err, code, words)
	}
}

func (e env) balancer(name string) string {
	e.t.Helper()
	out := must(e.t, e.CreateLoadBalancer, &elb.CreateLoadBalancerInput{Name: &name, Subnets: []string{"subnet-b", "subnet-a"}})
	return *out.LoadBalancers[0].LoadBalancerArn
}

func (e env) group(name string) string {
	e.t.Helper()
	out := must(e.t, e.CreateTargetGroup, groupInput(name))
	return *out.TargetGroups[0].TargetGroupArn
}

func groupInput(name string) *elb.CreateTargetGroupInput {
	return &elb.CreateTargetGroupInput{
		Name: &name, Protocol: types.ProtocolEnumHttp, Port: new(int32(8080)), VpcId: new("vpc-1"), TargetType: types.TargetTypeEnumIp,
	}
}

func (e env) listener(lb string, port int32, actions ...types.Action) string {
	e.t.Helper()
	out := must(e.t, e.CreateListener, &elb.CreateListenerInput{LoadBalancerArn: &lb, Protocol: "HTTP", Port: &port, DefaultActions: actions})
	return *out.Listeners[0].ListenerArn
}

func (e env) rule(listener string, priority int32, host string, action types.Action) string {
	e.t.Helper()
	out := must(e.t, e.CreateRule, &elb.CreateRuleInput{
		ListenerArn: &listener, Priority: &priority, Actions: []types.Action{action},
		Conditions: []types.RuleCondition{{Field: new("host-header"), Values: []string{host}}},
	})
	return *out.Rules[0].RuleArn
}

func forward(group string) types.Action {
	return types.Action{Type: types.ActionTypeEnumForward, TargetGroupArn: &group}
}

func fixed(status string) types.Action {
	return types.Action{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: &status}}
}

var exact = cmpopts.IgnoreUnexported(
	types.LoadBalancer{}, types.LoadBalancerState{}, types.AvailabilityZone{}, types.Action{}, types.ForwardActionConfig{},
	types.TargetGroupTuple{}, types.TargetGroupStickinessConfig{}, types.FixedResponseActionConfig{}, types.RuleCondition{},
	types.HostHeaderConditionConfig{}, types.PathPatternConditionConfig{}, types.HttpHeaderConditionConfig{}, types.QueryStringConditionConfig{},
	types.QueryStringKeyValuePair{}, types.HttpRequestMethodConditionConfig{}, types.SourceIpConditionConfig{}, types.RedirectActionConfig{},
	types.RuleTransform{}, types.HostHeaderRewriteConfig{}, types.UrlRewriteConfig{}, types.RewriteConfig{}, types.Rule{}, types.Listener{}, types.TargetGroup{},
	types.Matcher{}, types.Tag{}, types.TargetHealthDescription{}, types.TargetDescription{}, types.TargetHealth{})

func TestOperationsFitTheWire(t *testing.T) {
	t.Parallel()
	if _, err := wire.NewService("elasticloadbalancing", newEnv(t).Operations()...); err != nil {
		t.Error(err)
	}
}

func TestCreateLoadBalancer(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	in := &elb.CreateLoadBalancerInput{Name: new("apps"), Subnets: []string{"subnet-b", "subnet-a"}, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}
	got := must(t, e.CreateLoadBalancer, in).LoadBalancers[0]

	if !strings.HasPrefix(*got.LoadBalancerArn, "arn:aws:elasticloadbalancing:us-west-2:111122223333:loadbalancer/app/apps/") || !request.LoadBalancer.Is(*got.LoadBalancerArn) {
		t.Errorf("ARN %s", *got.LoadBalancerArn)
	}
	if !strings.HasPrefix(*got.DNSName, "apps-") || !strings.HasSuffix(*got.DNSName, ".us-west-2.elb.localhost") {
		t.Errorf("DNS name %s", *got.DNSName)
	}
	want := types.LoadBalancer{
		LoadBalancerArn: got.LoadBalancerArn, DNSName: got.DNSName, CreatedTime: got.CreatedTime,
		LoadBalancerName: new("apps"), CanonicalHostedZoneId: new("Z1H1FL5HABSF5"), Scheme: "internet-facing", VpcId: new("vpc-1"),
		State: &types.LoadBalancerState{Code: "provisioning"}, Type: "application", IpAddressType: "ipv4",
		AvailabilityZones: []types.AvailabilityZone{
			{ZoneName: new("us-west-2a"), SubnetId: new("subnet-a"), LoadBalancerAddresses: []types.LoadBalancerAddress{}},
			{ZoneName: new("us-west-2b"), SubnetId: new("subnet-b"), LoadBalancerAddresses: []types.LoadBalancerAddress{}},
		},
		SecurityGroups: []string{"sg-default-vpc-1"},
	}
	if diff := cmp.Diff(want, got, exact); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again := must(t, e.CreateLoadBalancer, in).LoadBalancers[0]
	if *again.LoadBalancerArn != *got.LoadBalancerArn {
		t.Error("created twice")
	}
	in.Scheme = "internal"
	refused(t, "DuplicateLoadBalancerName", "'apps'", e.CreateLoadBalancer, in)
}

func TestCreateLoadBalancerRefuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	two := []string{"subnet-a", "subnet-b"}
	for _, tt := range []struct {
		code, words string
		in          elb.CreateLoadBalancerInput
	}{
		{"ValidationError", "'32' characters", elb.CreateLoadBalancerInput{Name: new(strings.Repeat("a", 33)), Subnets: two}},
		{"ValidationError", "alphanumeric", elb.CreateLoadBalancerInput{Name: new("a_b"), Subnets: two}},
		{"ValidationError", "begin or end with '-'", elb.CreateLoadBalancerInput{Name: new("a-"), Subnets: two}},
		{"ValidationError", "'internal-'", elb.CreateLoadBalancerInput{Name: new("internal-a"), Subnets: two}},
		{"ValidationError", "At least two subnets", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: two[:1]}},
		{"ValidationError", "not both", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: two, SubnetMappings: []types.SubnetMapping{{SubnetId: new("subnet-a")}}}},
		{"InvalidConfigurationRequest", "same Availability Zone", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: []string{"subnet-a", "subnet-a2"}}},
		{"InvalidConfigurationRequest", "same VPC", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: []string{"subnet-a", "subnet-other"}}},
		{"SubnetNotFound", "'subnet-x'", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: []string{"subnet-a", "subnet-x"}}},
		{"InvalidSecurityGroup", "sg-none", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: two, SecurityGroups: []string{"sg-none"}}},
		{"InvalidConfigurationRequest", "'Type'", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: two, Type: "network"}},
		{"InvalidConfigurationRequest", "'IpAddressType'", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: two, IpAddressType: "dualstack"}},
		{"InvalidConfigurationRequest", "'IpamPools'", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: two, IpamPools: &types.IpamPools{Ipv4IpamPoolId: new("ipam-pool-1")}}},
		{"InvalidConfigurationRequest", "'SubnetMappings.1.member.AllocationId'", elb.CreateLoadBalancerInput{Name: new("a"), SubnetMappings: []types.SubnetMapping{{SubnetId: new("subnet-a"), AllocationId: new("e")}}}},
		{"DuplicateTagKeys", "'k'", elb.CreateLoadBalancerInput{Name: new("a"), Subnets: two, Tags: []types.Tag{{Key: new("k")}, {Key: new("k")}}}},
	} {
		refused(t, tt.code, tt.words, e.CreateLoadBalancer, &tt.in)
	}
}

func TestDescribeLoadBalancers(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var arns []string
	for i := range 5 {
		arns = append(arns, e.balancer(fmt.Sprintf("lb%d", i)))
	}
	var paged []string
	in := &elb.DescribeLoadBalancersInput{PageSize: new(int32(2))}
	for {
		out := must(t, e.DescribeLoadBalancers, in)
		for _, lb := range out.LoadBalancers {
			paged = append(paged, *lb.LoadBalancerArn)
		}
		if in.Marker = out.NextMarker; in.Marker == nil {
			break
		}
	}
	if diff := cmp.Diff(arns, paged); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	named := must(t, e.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{Names: []string{"lb3", "lb1"}})
	if len(named.LoadBalancers) != 2 || *named.LoadBalancers[0].LoadBalancerName != "lb1" {
		t.Errorf("by name: %+v", named.LoadBalancers)
	}
	refused(t, "LoadBalancerNotFound", "'[nope]'", e.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{Names: []string{"nope"}})
	refused(t, "LoadBalancerNotFound", "One or more", e.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arns[0] + "0"}})
	refused(t, "ValidationError", "'nonsense' is not a valid load balancer ARN", e.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{"nonsense"}})
	refused(t, "ValidationError", "Marker", e.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{Marker: new("?")})
}

func TestLoadBalancerAttributesAndDeletion(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb := e.balancer("apps")
	modify := func(key, value string) *elb.ModifyLoadBalancerAttributesInput {
		return &elb.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &lb, Attributes: []types.LoadBalancerAttribute{{Key: &key, Value: &value}}}
	}
	must(t, e.ModifyLoadBalancerAttributes, modify(elbv2.DeletionProtection, "true"))
	must(t, e.ModifyLoadBalancerAttributes, modify(elbv2.IdleTimeout, "7"))
	must(t, e.ModifyLoadBalancerAttributes, modify("routing.http2.enabled", "true"))
	refused(t, "InvalidConfigurationRequest", "'access_logs.s3.bucket'", e.ModifyLoadBalancerAttributes, modify("access_logs.s3.enabled", "true"))
	refused(t, "ValidationError", "'0'", e.ModifyLoadBalancerAttributes, modify(elbv2.IdleTimeout, "0"))
	refused(t, "ValidationError", "'no.such' is not recognized", e.ModifyLoadBalancerAttributes, modify("no.such", "1"))
	for key, values := range map[string][]string{
		elbv2.ClientKeepAlive: {"60", "604800", "!59", "!604801", "!"}, elbv2.DesyncMode: {"monitor", "strictest", "!off"}, elbv2.DropInvalidHeaders: {"true", "!yes"},
		elbv2.PreserveHost: {"true"}, elbv2.ForwardedClientPort: {"true"}, elbv2.ForwardedMode: {"preserve", "remove", "!replace"},
	} {
		for _, v := range values {
			if bad, ok := strings.CutPrefix(v, "!"); ok {
				refused(t, "ValidationError", "'"+bad+"'", e.ModifyLoadBalancerAttributes, modify(key, bad))
				continue
			}
			must(t, e.ModifyLoadBalancerAttributes, modify(key, v))
		}
	}
	got := make(map[string]string)
	for _, a := range must(t, e.DescribeLoadBalancerAttributes, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &lb}).Attributes {
		got[*a.Key] = *a.Value
	}
	if len(got) != len(elbv2.LoadBalancerAttributes) || got[elbv2.DeletionProtection] != "true" || got[elbv2.IdleTimeout] != "7" || got["routing.http2.enabled"] != "true" {
		t.Errorf("attributes: %v", got)
	}

	in := &elb.DeleteLoadBalancerInput{LoadBalancerArn: &lb}
	refused(t, "OperationNotPermitted", "deletion protection", e.DeleteLoadBalancer, in)
	must(t, e.ModifyLoadBalancerAttributes, modify(elbv2.DeletionProtection, "false"))
	group := e.group("web")
	listener := e.listener(lb, 80, forward(group))
	must(t, e.DeleteLoadBalancer, in)
	must(t, e.DeleteLoadBalancer, in)
	refused(t, "ListenerNotFound", "One or more listeners not found", e.DescribeRules, &elb.DescribeRulesInput{ListenerArn: &listener})
	must(t, e.DeleteTargetGroup, &elb.DeleteTargetGroupInput{TargetGroupArn: &group})
}

func TestSetSecurityGroupsAndSubnets(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb := e.balancer("apps")
	must(t, e.SetSecurityGroups, &elb.SetSecurityGroupsInput{LoadBalancerArn: &lb, SecurityGroups: []string{"sg-2", "sg-1"}})
	must(t, e.SetSubnets, &elb.SetSubnetsInput{LoadBalancerArn: &lb, Subnets: []string{"subnet-c", "subnet-b"}})
	refused(t, "ValidationError", "At least one security group", e.SetSecurityGroups, &elb.SetSecurityGroupsInput{LoadBalancerArn: &lb, SecurityGroups: []string{}})
	refused(t, "InvalidSecurityGroup", "sg-none", e.SetSecurityGroups, &elb.SetSecurityGroupsInput{LoadBalancerArn: &lb, SecurityGroups: []string{"sg-none"}})
	got := must(t, e.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{}).LoadBalancers[0]
	if !slices.Equal(got.SecurityGroups, []string{"sg-1", "sg-2"}) || *got.AvailabilityZones[0].SubnetId != "subnet-b" || *got.AvailabilityZones[1].SubnetId != "subnet-c" {
		t.Errorf("got %v in %v", got.SecurityGroups, got.AvailabilityZones)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lb, group := e.balancer("apps"), e.group("web")
	listener := e.listener(lb, 80, forward(group))
	rule := e.rule(listener, 1, "a.test", forward(group))
	all := []string{lb, group, listener, rule}
	must(t, e.AddTags, &elb.AddTagsInput{ResourceArns: all, Tags: []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("1")}}})
	must(t, e.AddTags, &elb.AddTagsInput{ResourceArns: all, Tags: []types.Tag{{Key: new("b"), Value: new("2")}}})
	must(t, e.RemoveTags, &elb.RemoveTagsInput{ResourceArns: all, TagKeys: []string{"a", "z"}})
	for i, d := range must(t, e.DescribeTags, &elb.DescribeTagsInput{ResourceArns: all}).TagDescriptions {
		if diff := cmp.Diff([]types.Tag{{Key: new("b"), Value: new("2")}}, d.Tags, exact); *d.ResourceArn != all[i] || diff != "" {
			t.Errorf("%s:\n%s", *d.ResourceArn, diff)
		}
	}
	refused(t, "RuleNotFound", "One or more rules", e.DescribeTags, &elb.DescribeTagsInput{ResourceArns: []string{lb, rule + "0"}})
	refused(t, "ValidationError", "Cannot have more than 20 resources described", e.DescribeTags, &elb.DescribeTagsInput{ResourceArns: slices.Repeat([]string{lb}, 21)})
	refused(t, "ValidationError", "more than 20", e.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{LoadBalancerArns: slices.Repeat([]string{lb}, 21)})
	refused(t, "ValidationError", "'x'", e.DescribeTags, &elb.DescribeTagsInput{ResourceArns: []string{"x"}})
	many := make([]types.Tag, 51)
	for i := range many {
		many[i].Key = new(fmt.Sprint(i))
	}
	refused(t, "TooManyTags", "'50'", e.AddTags, &elb.AddTagsInput{ResourceArns: []string{lb}, Tags: many})
}

// fakeCertificates has any certificate, but for "missing"; "unfit" can't be used.
type fakeCertificates struct{}

func (fakeCertificates) Servable(_ store.Tx, arn string) (there, can bool, err error) {
	return !strings.HasSuffix(arn, "missing"), !strings.HasSuffix(arn, "unfit"), nil
}
