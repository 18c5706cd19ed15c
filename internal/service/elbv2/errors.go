package elbv2

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// The codes that the SDK has no type for, or that messages come in many forms.
const (
	codeInvalid = "ValidationError"
)

func invalid(format string, args ...any) error { return awserr.New(codeInvalid, format, args...) }

func misconfigured(format string, args ...any) error {
	return &types.InvalidConfigurationRequestException{Message: new(fmt.Sprintf(format, args...))}
}

// foreign refuses members, of an action or a condition that stands at path, that are those of another
// kind than it says to be: by is the member that says so.
func foreign(path, members, by, kind string) error {
	return invalid("%s of '%s' cannot be specified when %s is '%s'", members, path, by, kind)
}

func notPermitted(format string, args ...any) error {
	return &types.OperationNotPermittedException{Message: new(fmt.Sprintf(format, args...))}
}

func inUse(format string, args ...any) error {
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

// get reads the record of a resource of that kind.
func get[T any](tx store.Tx, t *store.Table[T], kind kind, arn string) (T, error) {
	if err := kind.check(arn); err != nil {
		var zero T
		return zero, err
	}
	return handler.Get(tx, t, arn, kind.none)
}

// changed changes the record of a resource of that kind, and returns what it wrote.
func changed[T any](ctx context.Context, db store.DB, t *store.Table[T], kind kind, arn string, change func(*T) error) (T, error) {
	return handler.Update(ctx, db, func(tx store.Tx) (v T, err error) {
		if err := kind.check(arn); err != nil {
			return v, err
		}
		return handler.Change(tx, t, arn, kind.none, change)
	})
}

func getLoadBalancer(tx store.Tx, arn string) (LoadBalancer, error) {
	return get(tx, LoadBalancers, kindLoadBalancer, arn)
}

func getTargetGroup(tx store.Tx, arn string) (TargetGroup, error) {
	return get(tx, TargetGroups, kindTargetGroup, arn)
}

// groupOfTargets is getTargetGroup for operations on targets, whose error names the group:
// https://github.com/kubernetes-sigs/aws-load-balancer-controller logs "TargetGroupNotFound: Target groups 'arn:…' not found".
func groupOfTargets(tx store.Tx, arn string) (TargetGroup, error) {
	kind := kindTargetGroup
	kind.none = func(arn string) error {
		return &types.TargetGroupNotFoundException{Message: new(fmt.Sprintf("Target groups '%s' not found", arn))}
	}
	return get(tx, TargetGroups, kind, arn)
}

func getListener(tx store.Tx, arn string) (Listener, error) {
	return get(tx, Listeners, kindListener, arn)
}

func getRule(tx store.Tx, arn string) (Rule, error) {
	return get(tx, Rules, kindRule, arn)
}

// message returns what err, another service's answer, tells the caller; ok is
// false when it isn't for callers.
func message(err error) (string, bool) {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorFault() == smithy.FaultServer {
		return "", false
	}
	return e.ErrorMessage(), true
}
