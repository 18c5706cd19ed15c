package api

import (
	"context"
	"errors"
	"slices"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// fakeLogs writes to a bucket that is called open, and says what was asked of it.
type fakeLogs struct{ asked []string }

func (f *fakeLogs) Test(_ context.Context, _, kind, bucket, prefix string) error {
	f.asked = append(f.asked, kind+" "+bucket+"/"+prefix)
	switch bucket {
	case "open":
		return nil
	case "broken":
		return errors.New("the disk broke")
	}
	return awserr.New("AccessDenied", "Access Denied")
}

// TestLogAttributes: logs are turned on only when the bucket takes them, and each kind is asked for that a call names.
func TestLogAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	logs := &fakeLogs{}
	e.API = New(e.db, arn.Namespace{Region: "us-west-2", Account: "111122223333"}, fakeNetwork{}, fakeCertificates{}, logs, nil)
	lb := e.balancer("web")
	modify := func(pairs ...string) *elb.ModifyLoadBalancerAttributesInput {
		in := &elb.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &lb}
		for i := 0; i < len(pairs); i += 2 {
			in.Attributes = append(in.Attributes, types.LoadBalancerAttribute{Key: &pairs[i], Value: &pairs[i+1]})
		}
		return in
	}
	asked := func(want ...string) {
		t.Helper()
		if !slices.Equal(logs.asked, want) {
			t.Errorf("asked for %q, want %q", logs.asked, want)
		}
		logs.asked = nil
	}
	const on, bucket, prefix = elbv2.AccessLogs + ".enabled", elbv2.AccessLogs + ".bucket", elbv2.AccessLogs + ".prefix"
	must(t, e.ModifyLoadBalancerAttributes, modify(bucket, "shut", prefix, "p")) // they are off
	asked()
	refused(t, "InvalidConfigurationRequest", "Access Denied for bucket: shut. Please check S3bucket permission", e.ModifyLoadBalancerAttributes, modify(on, "true"))
	asked("access_logs.s3 shut/p")
	if _, err := e.ModifyLoadBalancerAttributes(t.Context(), modify(on, "true", bucket, "broken")); err == nil {
		t.Error("a failure of ours turns logs on")
	}
	logs.asked = nil
	refused(t, "InvalidConfigurationRequest", "'access_logs.s3.bucket' must be set", e.ModifyLoadBalancerAttributes, modify(on, "true", bucket, ""))
	refused(t, "ValidationError", "without 'AWSLogs'", e.ModifyLoadBalancerAttributes, modify(prefix, "a/AWSLogs"))
	refused(t, "ValidationError", "the name of an S3 bucket", e.ModifyLoadBalancerAttributes, modify(bucket, "A_b"))
	asked()
	out := must(t, e.ModifyLoadBalancerAttributes, modify(on, "true", bucket, "open", elbv2.HealthLogs+".enabled", "true", elbv2.HealthLogs+".bucket", "open"))
	asked("access_logs.s3 open/p", "health_check_logs.s3 open/")
	for _, a := range out.Attributes {
		if *a.Key == on && *a.Value != "true" || *a.Key == bucket && *a.Value != "open" || *a.Key == prefix && *a.Value != "p" {
			t.Errorf("%s is %s", *a.Key, *a.Value)
		}
	}
	must(t, e.ModifyLoadBalancerAttributes, modify(elbv2.IdleTimeout, "9"))
	asked()
	must(t, e.ModifyLoadBalancerAttributes, modify(on, "false", elbv2.ConnectionLogs+".enabled", "false"))
	asked()
}
