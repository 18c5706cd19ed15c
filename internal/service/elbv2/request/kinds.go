package request

import (
	"context"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

// A Kind is a kind of resource: what its ARNs look like, and where its records are.
type Kind[T any] struct {
	// Table has its records, by their ARNs.
	Table *store.Table[T]
	// None is the error for an ARN that no resource has.
	None func(arn string) error

	prefix string // that the resource part of its ARNs begins with
	parts  int    // of the resource part
	name   string
}

// The kinds of resources.
var (
	LoadBalancer = Kind[elbv2.LoadBalancer]{elbv2.LoadBalancers, noLoadBalancer, "loadbalancer/app/", 4, "load balancer"}
	TargetGroup  = Kind[elbv2.TargetGroup]{elbv2.TargetGroups, noTargetGroup, "targetgroup/", 3, "target group"}
	Listener     = Kind[elbv2.Listener]{elbv2.Listeners, noListener, "listener/app/", 5, "listener"}
	Rule         = Kind[elbv2.Rule]{elbv2.Rules, noRule, "listener-rule/app/", 6, "rule"}
)

// Is tells whether s has the form of the kind's ARNs.
func (k Kind[T]) Is(s string) bool {
	a, err := arn.Parse(s)
	return err == nil && a.Service == "elasticloadbalancing" &&
		strings.HasPrefix(a.Resource, k.prefix) && strings.Count(a.Resource, "/") == k.parts-1
}

// Check refuses an ARN that hasn't the kind's form.
func (k Kind[T]) Check(s string) error {
	if !k.Is(s) {
		return Invalid("'%s' is not a valid %s ARN", s, k.name)
	}
	return nil
}

// Get reads the record of a resource, or returns the kind's error when there is none.
func (k Kind[T]) Get(tx store.Tx, arn string) (T, error) {
	if err := k.Check(arn); err != nil {
		var zero T
		return zero, err
	}
	return handler.Get(tx, k.Table, arn, k.None)
}

// Change changes the record of a resource in a transaction of its own, and returns what it wrote.
func (k Kind[T]) Change(ctx context.Context, db store.DB, arn string, change func(*T) error) (T, error) {
	return handler.Update(ctx, db, func(tx store.Tx) (v T, err error) {
		if err := k.Check(arn); err != nil {
			return v, err
		}
		return handler.Change(tx, k.Table, arn, k.None, change)
	})
}

// NewARN names a new resource that bears a name.
func (k Kind[T]) NewARN(ns arn.Namespace, name string) string {
	return ns.ARN("elasticloadbalancing", k.prefix+name+"/"+id.Hex(16))
}
