package elbv2

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

const maxGroups = 5 // of a forward action

var (
	statusCode   = regexp.MustCompile(`^[245]\d\d$`)
	contentTypes = []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}
)

// readAction returns the action of a rule or a listener, which has one: those
// that could come before it are not supported. parameter is what they are
// called in the request. The action is good when there are no faults.
func readAction(in []types.Action, parameter string) (out Action, f awserr.Faults) {
	if len(in) == 0 {
		f.Add(invalid("%s must be specified", parameter))
	}
	var known []int
	for i, a := range in {
		if a.Type == types.ActionTypeEnumForward || a.Type == types.ActionTypeEnumFixedResponse {
			known = append(known, i)
			continue
		}
		f.Add(misconfigured("The value '%s' of parameter '%s.%d.Type' is not supported by Skylift: only 'forward' and 'fixed-response' are", a.Type, parameter, i+1))
	}
	if len(known) > 1 {
		f.Add(&types.InvalidLoadBalancerActionException{Message: new("You must specify exactly one of the following actions: 'forward' or 'fixed-response'")})
	}
	for _, i := range known {
		var wrong awserr.Faults
		out, wrong = readOneAction(in[i], fmt.Sprintf("%s.%d", parameter, i+1))
		f.Add(wrong...)
	}
	return out, f
}

// readOneAction reads an action of a type that is supported; it stands at path.
func readOneAction(a types.Action, path string) (out Action, f awserr.Faults) {
	out.Order = a.Order
	var wrong awserr.Faults
	if a.Type == types.ActionTypeEnumForward {
		if a.FixedResponseConfig != nil {
			f.Add(foreign(path, "FixedResponseConfig", "Type", string(a.Type)))
		}
		out.Forward, wrong = readForward(a)
	} else {
		if a.ForwardConfig != nil || deref(a.TargetGroupArn) != "" {
			f.Add(foreign(path, "ForwardConfig and TargetGroupArn", "Type", string(a.Type)))
		}
		out.Fixed, wrong = readFixed(a.FixedResponseConfig)
	}
	f.Add(wrong...)
	return out, f
}

// readForward reads either form of a forward action.
func readForward(a types.Action) (*Forward, awserr.Faults) {
	out := &Forward{}
	var f awserr.Faults
	if c := a.ForwardConfig; c != nil {
		if s := c.TargetGroupStickinessConfig; s != nil {
			if n := or(s.DurationSeconds, 1); n < 1 || n > 604800 {
				f.Add(invalid("The duration of target group stickiness must be between 1 and 604800 seconds, inclusive"))
			}
			out.Duration = s.DurationSeconds
		}
		heavy := false
		for _, g := range c.TargetGroups {
			w := or(g.Weight, 1)
			heavy = heavy || w < 0 || w > 999
			out.Groups = append(out.Groups, WeightedGroup{deref(g.TargetGroupArn), w})
		}
		if heavy {
			f.Add(invalid("The weight for each target group must be between 0 and 999, inclusive"))
		}
	}
	if arn := deref(a.TargetGroupArn); arn != "" {
		if len(out.Groups) > 1 || len(out.Groups) == 1 && out.Groups[0].ARN != arn {
			f.Add(invalid("The target group ARN of a forward action must be that in its forward config"))
		}
		if len(out.Groups) == 0 {
			out.Groups = []WeightedGroup{{arn, 1}}
		}
	}
	f.Add(groupFaults(out.Groups)...)
	return out, f
}

// groupFaults is what is wrong with the target groups of a forward action.
func groupFaults(groups []WeightedGroup) (f awserr.Faults) {
	if len(groups) == 0 {
		f.Add(&types.InvalidLoadBalancerActionException{Message: new("A forward action must specify a target group")})
	}
	if len(groups) > maxGroups {
		f.Add(&types.TooManyUniqueTargetGroupsPerLoadBalancerException{Message: new("A forward action can have at most '5' target groups")})
	}
	seen := make(map[string]int)
	for _, g := range groups {
		seen[g.ARN]++
		switch seen[g.ARN] {
		case 1:
			f.Add(kindTargetGroup.check(g.ARN))
		case 2: // said once
			f.Add(invalid("Target group '%s' is given more than once", g.ARN))
		}
	}
	return f
}

func readFixed(c *types.FixedResponseActionConfig) (*Fixed, awserr.Faults) {
	var f awserr.Faults
	if c == nil {
		f.Add(&types.InvalidLoadBalancerActionException{Message: new("A fixed-response action must specify a fixed response config")})
		return nil, f
	}
	out := &Fixed{Status: deref(c.StatusCode), ContentType: deref(c.ContentType), Body: deref(c.MessageBody)}
	if !statusCode.MatchString(out.Status) {
		f.Add(invalid("The fixed response status code '%s' must be 2XX, 4XX or 5XX", out.Status))
	}
	if out.ContentType != "" && !slices.Contains(contentTypes, out.ContentType) {
		f.Add(invalid("The fixed response content type must be one of: '%s'", strings.Join(contentTypes, "', '")))
	}
	if len(out.Body) > 1024 {
		f.Add(invalid("The fixed response message body cannot be longer than '1024' characters"))
	}
	return out, f
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
