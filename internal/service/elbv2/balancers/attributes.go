package balancers

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
)

var attributes = request.Attributes[types.LoadBalancerAttribute]{
	Of: "Load balancer", Known: elbv2.LoadBalancerAttributes,
	Read: func(t types.LoadBalancerAttribute) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.LoadBalancerAttribute {
		return types.LoadBalancerAttribute{Key: key, Value: value}
	},
}

// DescribeLoadBalancerAttributes lists a balancer's attributes.
func (a *API) DescribeLoadBalancerAttributes(ctx context.Context, in *elb.DescribeLoadBalancerAttributesInput) (*elb.DescribeLoadBalancerAttributesOutput, error) {
	lb, err := a.loadBalancer(ctx, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return &elb.DescribeLoadBalancerAttributesOutput{Attributes: attributes.All(lb.Attribute)}, nil
}

// ModifyLoadBalancerAttributes sets some of a balancer's attributes.
func (a *API) ModifyLoadBalancerAttributes(ctx context.Context, in *elb.ModifyLoadBalancerAttributesInput) (*elb.ModifyLoadBalancerAttributesOutput, error) {
	if err := attributes.Faults(ctx, in.Attributes); err != nil {
		return nil, err
	}
	if err := a.testLogs(ctx, in); err != nil {
		return nil, err
	}
	lb, err := a.changeLoadBalancer(ctx, *in.LoadBalancerArn, func(lb *elbv2.LoadBalancer) error {
		lb.Attributes = attributes.Set(lb.Attributes, in.Attributes)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.ModifyLoadBalancerAttributesOutput{Attributes: attributes.All(lb.Attribute)}, nil
}

// testLogs writes a file where each kind of logs goes that the call is about and leaves on, as AWS does: whoever turns logs on
// learns at once that a bucket's policy doesn't let them in
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html#verify-bucket-permissions).
func (a *API) testLogs(ctx context.Context, in *elb.ModifyLoadBalancerAttributesInput) error {
	if !slices.ContainsFunc(in.Attributes, func(at types.LoadBalancerAttribute) bool { return elbv2.LogKindOf(aws.ToString(at.Key)) != "" }) {
		return nil
	}
	lb, err := a.loadBalancer(ctx, *in.LoadBalancerArn)
	if err != nil {
		return err
	}
	lb.Attributes = attributes.Set(lb.Attributes, in.Attributes)
	for _, kind := range elbv2.LogKinds {
		bucket, prefix, on := lb.LogTo(kind)
		if !on || !slices.ContainsFunc(in.Attributes, func(at types.LoadBalancerAttribute) bool { return elbv2.LogKindOf(aws.ToString(at.Key)) == kind }) {
			continue
		}
		if bucket == "" {
			return request.Misconfigured("Load balancer attribute '%s.bucket' must be set when '%s.enabled' is 'true'", kind, kind)
		}
		err := a.logs.Test(ctx, lb.ARN, kind, bucket, prefix)
		if _, refused := request.Message(err); refused {
			return request.Misconfigured("Access Denied for bucket: %s. Please check S3bucket permission", bucket)
		}
		if err != nil {
			return fmt.Errorf("write to the bucket %s: %w", bucket, err)
		}
	}
	return nil
}
