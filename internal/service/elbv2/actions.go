package elbv2

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/store"
)

const maxGroups = 5 // of a forward action

var (
	statusCode   = regexp.MustCompile(`^[245]\d\d$`)
	contentTypes = []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}
)

// readAction returns the action of a rule or a listener, which has one: those
// that could come before it are not supported. parameter is what they are
// called in the request.
func readAction(in []types.Action, parameter string) (Action, error) {
	var none Action
	if len(in) == 0 {
		return none, invalid("%s must be specified", parameter)
	}
	for i, a := range in {
		if a.Type != types.ActionTypeEnumForward && a.Type != types.ActionTypeEnumFixedResponse {
			return none, misconfigured("The value '%s' of parameter '%s.%d.Type' is not supported by Skylift: only 'forward' and 'fixed-response' are", a.Type, parameter, i+1)
		}
	}
	if len(in) > 1 {
		return none, &types.InvalidLoadBalancerActionException{Message: new("You must specify exactly one of the following actions: 'forward' or 'fixed-response'")}
	}
	a := in[0]
	out := Action{Order: a.Order}
	var err error
	if a.Type == types.ActionTypeEnumForward {
		if a.FixedResponseConfig != nil {
			return none, foreign(parameter+".1", "FixedResponseConfig", "Type", string(a.Type))
		}
		out.Forward, err = readForward(a)
		return out, err
	}
	if a.ForwardConfig != nil || a.TargetGroupArn != nil {
		return none, foreign(parameter+".1", "ForwardConfig and TargetGroupArn", "Type", string(a.Type))
	}
	out.Fixed, err = readFixed(a.FixedResponseConfig)
	return out, err
}

// readForward reads either form of a forward action.
func readForward(a types.Action) (*Forward, error) {
	f := &Forward{}
	if c := a.ForwardConfig; c != nil {
		if s := c.TargetGroupStickinessConfig; s != nil {
			if n := or(s.DurationSeconds, 1); n < 1 || n > 604800 {
				return nil, invalid("The duration of target group stickiness must be between 1 and 604800 seconds, inclusive")
			}
			f.Duration = s.DurationSeconds
		}
		for _, g := range c.TargetGroups {
			w := or(g.Weight, 1)
			if w < 0 || w > 999 {
				return nil, invalid("The weight for each target group must be between 0 and 999, inclusive")
			}
			f.Groups = append(f.Groups, WeightedGroup{deref(g.TargetGroupArn), w})
		}
	}
	if a.TargetGroupArn != nil {
		if len(f.Groups) > 1 || len(f.Groups) == 1 && f.Groups[0].ARN != *a.TargetGroupArn {
			return nil, invalid("The target group ARN of a forward action must be that in its forward config")
		}
		if len(f.Groups) == 0 {
			f.Groups = []WeightedGroup{{*a.TargetGroupArn, 1}}
		}
	}
	if len(f.Groups) == 0 {
		return nil, &types.InvalidLoadBalancerActionException{Message: new("A forward action must specify a target group")}
	}
	if len(f.Groups) > maxGroups {
		return nil, &types.TooManyUniqueTargetGroupsPerLoadBalancerException{Message: new("A forward action can have at most '5' target groups")}
	}
	seen := make(map[string]bool)
	for _, g := range f.Groups {
		if err := kindTargetGroup.check(g.ARN); err != nil {
			return nil, err
		}
		if seen[g.ARN] {
			return nil, invalid("Target group '%s' is given more than once", g.ARN)
		}
		seen[g.ARN] = true
	}
	return f, nil
}

func readFixed(c *types.FixedResponseActionConfig) (*Fixed, error) {
	if c == nil {
		return nil, &types.InvalidLoadBalancerActionException{Message: new("A fixed-response action must specify a fixed response config")}
	}
	f := &Fixed{Status: deref(c.StatusCode), ContentType: deref(c.ContentType), Body: deref(c.MessageBody)}
	switch {
	case !statusCode.MatchString(f.Status):
		return nil, invalid("The fixed response status code '%s' must be 2XX, 4XX or 5XX", f.Status)
	case f.ContentType != "" && !slices.Contains(contentTypes, f.ContentType):
		return nil, invalid("The fixed response content type must be one of: '%s'", strings.Join(contentTypes, "', '"))
	case len(f.Body) > 1024:
		return nil, invalid("The fixed response message body cannot be longer than '1024' characters")
	}
	return f, nil
}

// checkGroups checks that r may send requests to its target groups: they are
// there, in the balancer's VPC, and no other balancer's.
func checkGroups(tx store.Tx, r Rule) error {
	if len(r.Action.Groups()) == 0 {
		return nil
	}
	lb, err := getLoadBalancer(tx, r.LoadBalancer)
	if err != nil {
		return err
	}
	for _, arn := range r.Action.Groups() {
		g, err := getTargetGroup(tx, arn)
		if err != nil {
			return err
		}
		if g.VPC != lb.VPC {
			return misconfigured("The target group '%s' is not in the VPC of the load balancer '%s'", arn, lb.ARN)
		}
		used, err := GroupBalancers(tx, arn)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(used, func(o string) bool { return o != lb.ARN }) {
			return &types.TargetGroupAssociationLimitException{Message: new(fmt.Sprintf("The following target groups cannot be associated with more than one load balancer: %s", arn))}
		}
	}
	return nil
}

// wire is a in the form that AWS returns: a single target group in both places.
func (a Action) wire() []types.Action {
	if a.Fixed != nil {
		c := &types.FixedResponseActionConfig{StatusCode: new(a.Fixed.Status)}
		if a.Fixed.ContentType != "" {
			c.ContentType = new(a.Fixed.ContentType)
		}
		if a.Fixed.Body != "" {
			c.MessageBody = new(a.Fixed.Body)
		}
		return []types.Action{{Type: types.ActionTypeEnumFixedResponse, Order: a.Order, FixedResponseConfig: c}}
	}
	out := types.Action{Type: types.ActionTypeEnumForward, Order: a.Order, ForwardConfig: &types.ForwardActionConfig{
		TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{Enabled: new(false), DurationSeconds: a.Forward.Duration},
	}}
	for _, g := range a.Forward.Groups {
		out.ForwardConfig.TargetGroups = append(out.ForwardConfig.TargetGroups, types.TargetGroupTuple{TargetGroupArn: new(g.ARN), Weight: new(g.Weight)})
	}
	if len(a.Forward.Groups) == 1 {
		out.TargetGroupArn = new(a.Forward.Groups[0].ARN)
	}
	return []types.Action{out}
}
