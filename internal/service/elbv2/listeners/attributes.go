package listeners

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

var attributes = request.Attributes[types.ListenerAttribute]{
	Of: "Listener", Known: elbv2.ListenerAttributes,
	Read: func(t types.ListenerAttribute) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.ListenerAttribute {
		return types.ListenerAttribute{Key: key, Value: value}
	},
}

// DescribeListenerAttributes lists a listener's attributes.
func (a *API) DescribeListenerAttributes(ctx context.Context, in *elb.DescribeListenerAttributesInput) (*elb.DescribeListenerAttributesOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*elb.DescribeListenerAttributesOutput, error) {
		l, err := request.Listener.Get(tx, *in.ListenerArn)
		return &elb.DescribeListenerAttributesOutput{Attributes: attributes.Some(l.Has, l.Attribute)}, err
	})
}

// ModifyListenerAttributes sets some of a listener's attributes. An empty value
// leaves a header as targets say it, and gives one of the balancer its own name again.
func (a *API) ModifyListenerAttributes(ctx context.Context, in *elb.ModifyListenerAttributesInput) (*elb.ModifyListenerAttributesOutput, error) {
	if err := attributes.Faults(ctx, in.Attributes); err != nil {
		return nil, err
	}
	l, err := request.Listener.Change(ctx, a.db, *in.ListenerArn, func(l *elbv2.Listener) error {
		for _, at := range in.Attributes {
			if key := aws.ToString(at.Key); !l.Has(key) {
				return request.Misconfigured("Listener attribute key '%s' is not supported on listeners with protocol '%s'", key, l.Protocol())
			}
		}
		l.Attributes = attributes.Set(l.Attributes, in.Attributes)
		maps.DeleteFunc(l.Attributes, func(key, value string) bool { return value == "" && elbv2.RequestHeaders[key] != "" })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &elb.ModifyListenerAttributesOutput{Attributes: attributes.Some(l.Has, l.Attribute)}, nil
}
