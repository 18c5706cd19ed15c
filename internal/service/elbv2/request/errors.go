package request

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
)

// Invalid is a ValidationError.
func Invalid(format string, args ...any) error { return awserr.New("ValidationError", format, args...) }

// Misconfigured is an InvalidConfigurationRequest.
func Misconfigured(format string, args ...any) error {
	return &types.InvalidConfigurationRequestException{Message: new(fmt.Sprintf(format, args...))}
}

// StickyAlone refuses a rule whose groups keep clients with their targets, but which
// doesn't keep them with their group.
func StickyAlone(rule string) error {
	return Misconfigured("You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups: '%s'", rule)
}

// NotPermitted is an OperationNotPermitted.
func NotPermitted(format string, args ...any) error {
	return &types.OperationNotPermittedException{Message: new(fmt.Sprintf(format, args...))}
}

// InUse is a ResourceInUse.
func InUse(format string, args ...any) error {
	return &types.ResourceInUseException{Message: new(fmt.Sprintf(format, args...))}
}

func noLoadBalancer(string) error {
	return &types.LoadBalancerNotFoundException{Message: new("One or more load balancers not found")}
}

func noTargetGroup(string) error {
	return &types.TargetGroupNotFoundException{Message: new("One or more target groups not found")}
}

func noListener(string) error {
	return &types.ListenerNotFoundException{Message: new("One or more listeners not found")}
}

func noRule(string) error {
	return &types.RuleNotFoundException{Message: new("One or more rules not found")}
}

// Message returns what err, another service's answer, tells the caller; ok is
// false when it isn't for callers.
func Message(err error) (string, bool) {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorFault() == smithy.FaultServer {
		return "", false
	}
	return e.ErrorMessage(), true
}
