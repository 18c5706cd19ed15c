package balancers

import (
	"context"

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
	lb, err := a.changeLoadBalancer(ctx, *in.LoadBalancerArn, func(lb *elbv2.LoadBalancer) error {
		lb.Attributes = attributes.Set(lb.Attributes, in.Attributes)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.ModifyLoadBalancerAttributesOutput{Attributes: attributes.All(lb.Attribute)}, nil
}
