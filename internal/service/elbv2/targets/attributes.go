package targets

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

var attributes = request.Attributes[types.TargetGroupAttribute]{
	Of: "Target group", Known: elbv2.TargetGroupAttributes,
	Read: func(t types.TargetGroupAttribute) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.TargetGroupAttribute {
		return types.TargetGroupAttribute{Key: key, Value: value}
	},
}

// DescribeTargetGroupAttributes lists a target group's attributes.
func (a *API) DescribeTargetGroupAttributes(ctx context.Context, in *elb.DescribeTargetGroupAttributesInput) (*elb.DescribeTargetGroupAttributesOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeTargetGroupAttributesOutput, error) {
		g, err := request.TargetGroup.Get(tx, *in.TargetGroupArn)
		return &elb.DescribeTargetGroupAttributesOutput{Attributes: attributes.All(g.Attribute)}, err
	})
}

// ModifyTargetGroupAttributes sets some of a target group's attributes.
func (a *API) ModifyTargetGroupAttributes(ctx context.Context, in *elb.ModifyTargetGroupAttributesInput) (*elb.ModifyTargetGroupAttributesOutput, error) {
	for _, at := range in.Attributes {
		if aws.ToString(at.Key) == elbv2.StickinessType && aws.ToString(at.Value) == "source_ip" {
			return nil, request.Misconfigured("Stickiness type 'source_ip' is not supported for target groups with the HTTP protocol")
		}
		if err := attributes.Fault(ctx, at); err != nil {
			return nil, err
		}
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*elb.ModifyTargetGroupAttributesOutput, error) {
		g, err := request.TargetGroup.Get(tx, *in.TargetGroupArn)
		if err != nil {
			return nil, err
		}
		g.Attributes = attributes.Set(g.Attributes, in.Attributes)
		if why := g.AttributesFault(); why != "" {
			return nil, request.Misconfigured("%s", why)
		}
		if err := useFault(tx, g); err != nil {
			return nil, err
		}
		return &elb.ModifyTargetGroupAttributesOutput{Attributes: attributes.All(g.Attribute)}, elbv2.TargetGroups.Put(tx, g.ARN, g)
	})
}

// useFault says why a group can't have its attributes as it is used; nil if it can.
func useFault(tx store.Tx, g elbv2.TargetGroup) error {
	if sticky, _ := g.Sticky(); sticky {
		rules, err := elbv2.Rules.By(tx, "group", g.ARN)
		if err != nil {
			return fmt.Errorf("find rules of %s: %w", g.ARN, err)
		}
		for _, r := range rules {
			if len(r.Action.Forward.Groups) > 1 && !r.Action.Forward.Sticky {
				return request.StickyAlone(r.ARN)
			}
		}
	}
	if g.Attribute(elbv2.CrossZone) != "false" {
		return nil
	}
	targets, err := elbv2.Targets.List(tx, g.ARN+"#")
	if err != nil {
		return fmt.Errorf("list targets of %s: %w", g.ARN, err)
	}
	for _, t := range targets {
		if t.Zone == all && t.DeregisteredAt.IsZero() {
			return request.Misconfigured("You cannot turn off cross-zone load balancing while targets are registered with the Availability Zone 'all': '%s' is", t.Addr)
		}
	}
	return nil
}
