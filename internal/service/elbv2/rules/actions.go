package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
	"github.com/skylift/skylift/internal/store"
)

const maxGroups = 5 // of a forward action

var (
	statusCode   = regexp.MustCompile(`^[245]\d\d$`)
	contentTypes = []string{"text/html", "application/json", "application/javascript", "text/css", "text/plain"}
)

// badAction is an InvalidLoadBalancerAction.
func badAction(format string, args ...any) error {
	return &types.InvalidLoadBalancerActionException{Message: new(fmt.Sprintf(format, args...))}
}

var supported = []types.ActionTypeEnum{types.ActionTypeEnumForward, types.ActionTypeEnumRedirect, types.ActionTypeEnumFixedResponse}

// ReadAction returns the action of a rule or a listener. It has one: actions that
// could come before it are not supported. parameter is their name in the
// request. The action is good when there are no faults.
func ReadAction(in []types.Action, parameter string) (out elbv2.Action, f awserr.Faults) {
	if len(in) == 0 {
		f.Add(request.Invalid("%s must be specified", parameter))
	}
	var known []int
	for i, a := range in {
		if slices.Contains(supported, a.Type) {
			known = append(known, i)
			continue
		}
		f.Add(request.Misconfigured("The value '%s' of parameter '%s.%d.Type' is not supported by Skylift: only 'forward', 'redirect' and 'fixed-response' are", a.Type, parameter, i+1))
	}
	if len(known) > 1 {
		f.Add(badAction("You must specify exactly one of the following actions: 'forward', 'redirect' or 'fixed-response'"))
	}
	for _, i := range known {
		var wrong awserr.Faults
		out, wrong = readOneAction(in[i], fmt.Sprintf("%s.%d", parameter, i+1))
		f.Add(wrong...)
	}
	return out, f
}

// readOneAction reads an action of a type that is supported; it stands at path.
func readOneAction(a types.Action, path string) (out elbv2.Action, f awserr.Faults) {
	out.Order = a.Order
	if n := request.Or(a.Order, 1); n < 1 || n > maxPriority {
		f.Add(request.Invalid("The order '%d' of an action must be between '1' and '%d', inclusive", n, maxPriority))
	}
	if a.Type != types.ActionTypeEnumForward && (a.ForwardConfig != nil || aws.ToString(a.TargetGroupArn) != "") {
		f.Add(foreign(path, "ForwardConfig and TargetGroupArn", "Type", string(a.Type)))
	}
	if a.Type != types.ActionTypeEnumRedirect && a.RedirectConfig != nil {
		f.Add(foreign(path, "RedirectConfig", "Type", string(a.Type)))
	}
	if a.Type != types.ActionTypeEnumFixedResponse && a.FixedResponseConfig != nil {
		f.Add(foreign(path, "FixedResponseConfig", "Type", string(a.Type)))
	}
	var wrong awserr.Faults
	switch a.Type {
	case types.ActionTypeEnumForward:
		out.Forward, wrong = readForward(a)
	case types.ActionTypeEnumRedirect:
		out.Redirect, wrong = readRedirect(a.RedirectConfig)
	default:
		out.Fixed, wrong = readFixed(a.FixedResponseConfig)
	}
	f.Add(wrong...)
	return out, f
}

// readForward reads either form of a forward action.
func readForward(a types.Action) (*elbv2.Forward, awserr.Faults) {
	out := &elbv2.Forward{}
	var f awserr.Faults
	if c := a.ForwardConfig; c != nil {
		if s := c.TargetGroupStickinessConfig; s != nil {
			if n := request.Or(s.DurationSeconds, 1); n < 1 || n > 604800 {
				f.Add(request.Invalid("The duration of target group stickiness must be between 1 and 604800 seconds, inclusive"))
			}
			out.Sticky, out.Duration = aws.ToBool(s.Enabled), s.DurationSeconds
			if out.Sticky && s.DurationSeconds == nil {
				f.Add(badAction("You must specify a duration to enable target group stickiness"))
			}
		}
		heavy := false
		for _, g := range c.TargetGroups {
			w := request.Or(g.Weight, 1)
			heavy = heavy || w < 0 || w > 999
			out.Groups = append(out.Groups, elbv2.WeightedGroup{ARN: aws.ToString(g.TargetGroupArn), Weight: w})
		}
		if heavy {
			f.Add(request.Invalid("The weight for each target group must be between 0 and 999, inclusive"))
		}
	}
	if arn := aws.ToString(a.TargetGroupArn); arn != "" {
		if len(out.Groups) > 1 || len(out.Groups) == 1 && out.Groups[0].ARN != arn {
			f.Add(request.Invalid("The target group ARN of a forward action must be that in its forward config"))
		}
		if len(out.Groups) == 0 {
			out.Groups = []elbv2.WeightedGroup{{ARN: arn, Weight: 1}}
		}
	}
	f.Add(groupFaults(out.Groups)...)
	return out, f
}

// groupFaults returns the faults of the target groups of a forward action.
func groupFaults(groups []elbv2.WeightedGroup) (f awserr.Faults) {
	if len(groups) == 0 {
		f.Add(badAction("A forward action must specify a target group"))
	}
	if len(groups) > maxGroups {
		f.Add(&types.TooManyUniqueTargetGroupsPerLoadBalancerException{Message: new("A forward action can have at most '5' target groups")})
	}
	seen := make(map[string]int)
	for _, g := range groups {
		seen[g.ARN]++
		switch seen[g.ARN] {
		case 1:
			f.Add(request.TargetGroup.Check(g.ARN))
		case 2: // said once
			f.Add(request.Invalid("Target group '%s' is given more than once", g.ARN))
		}
	}
	return f
}

func readFixed(c *types.FixedResponseActionConfig) (*elbv2.Fixed, awserr.Faults) {
	var f awserr.Faults
	if c == nil {
		f.Add(badAction("For actions of type 'fixed-response', you must specify the following fields: 'FixedResponseConfig'"))
		return nil, f
	}
	out := &elbv2.Fixed{Status: aws.ToString(c.StatusCode), ContentType: aws.ToString(c.ContentType), Body: aws.ToString(c.MessageBody)}
	if !statusCode.MatchString(out.Status) {
		f.Add(request.Invalid("The fixed response status code '%s' must be 2XX, 4XX or 5XX", out.Status))
	}
	if out.ContentType != "" && !slices.Contains(contentTypes, out.ContentType) {
		f.Add(badAction("The ContentType must be one of:'%s'", strings.Join(contentTypes, "', '")))
	}
	if len(out.Body) > 1024 {
		f.Add(request.Invalid("The fixed response message body cannot be longer than '1024' characters"))
	}
	return out, f
}

// checkGroups checks that r may send requests to its target groups: they
// exist, are in the balancer's VPC, and belong to no other balancer.
func checkGroups(tx store.Tx, r elbv2.Rule) error {
	if len(r.Action.Groups()) == 0 {
		return nil
	}
	lb, err := request.LoadBalancer.Get(tx, r.LoadBalancer)
	if err != nil {
		return err
	}
	l, err := request.Listener.Get(tx, r.Listener)
	if err != nil {
		return err
	}
	for _, arn := range r.Action.Groups() {
		g, err := request.TargetGroup.Get(tx, arn)
		if err != nil {
			return err
		}
		if g.VPC != lb.VPC {
			return request.Misconfigured("The target group '%s' is not in the VPC of the load balancer '%s'", arn, lb.ARN)
		}
		if err := VersionFault(l, g); err != nil {
			return err
		}
		if sticky, _ := g.Sticky(); sticky && len(r.Action.Forward.Groups) > 1 && !r.Action.Forward.Sticky {
			return request.StickyAlone(r.ARN)
		}
		used, err := elbv2.GroupBalancers(tx, arn)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(used, func(o string) bool { return o != lb.ARN }) {
			return &types.TargetGroupAssociationLimitException{Message: new(fmt.Sprintf("The following target groups cannot be associated with more than one load balancer: %s", arn))}
		}
	}
	return nil
}

// VersionFault says that a listener can't send requests to a group because of its version of HTTP.
func VersionFault(l elbv2.Listener, g elbv2.TargetGroup) error {
	if g.Version != "" && l.TLS == nil {
		return badAction("Listener protocol '%s' is not supported with a target group with the protocol-version '%s'", l.Protocol(), g.Version)
	}
	return nil
}

// WireAction is a in the form that AWS returns: a single target group in both places.
func WireAction(a elbv2.Action) []types.Action {
	switch {
	case a.Fixed != nil:
		c := &types.FixedResponseActionConfig{StatusCode: new(a.Fixed.Status)}
		if a.Fixed.ContentType != "" {
			c.ContentType = new(a.Fixed.ContentType)
		}
		if a.Fixed.Body != "" {
			c.MessageBody = new(a.Fixed.Body)
		}
		return []types.Action{{Type: types.ActionTypeEnumFixedResponse, Order: a.Order, FixedResponseConfig: c}}
	case a.Redirect != nil:
		return []types.Action{{Type: types.ActionTypeEnumRedirect, Order: a.Order, RedirectConfig: wireRedirect(a.Redirect)}}
	}
	out := types.Action{Type: types.ActionTypeEnumForward, Order: a.Order, ForwardConfig: &types.ForwardActionConfig{
		TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{Enabled: new(a.Forward.Sticky), DurationSeconds: a.Forward.Duration},
	}}
	for _, g := range a.Forward.Groups {
		out.ForwardConfig.TargetGroups = append(out.ForwardConfig.TargetGroups, types.TargetGroupTuple{TargetGroupArn: new(g.ARN), Weight: new(g.Weight)})
	}
	if len(a.Forward.Groups) == 1 {
		out.TargetGroupArn = new(a.Forward.Groups[0].ARN)
	}
	return []types.Action{out}
}

// foreign refuses members of an action or a condition at path that belong to another kind than its own. The member
// by says which kind it is.
func foreign(path, members, by, kind string) error {
	return request.Invalid("%s of '%s' cannot be specified when %s is '%s'", members, path, by, kind)
}
