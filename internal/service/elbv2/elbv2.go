// Package elbv2 is Elastic Load Balancing v2: application load balancers,
// target groups, listeners and rules as records, and what holds of them for
// whoever reads them.
//
// A handler checks a call, writes what is wanted in one transaction and answers.
// The handlers are in elbv2/balancers, elbv2/listeners, elbv2/rules and
// elbv2/targets; elbv2/api puts them together. What is comes from loops: elbv2/attach gives balancers their
// network interfaces, elbv2/health writes what the data plane finds out about
// targets, and the projection lb makes the table that the data plane runs on.
package elbv2

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/store"
)

// Subnet is what load balancing needs to know of a subnet.
type Subnet struct{ ID, VPC, AZ string }

// Zones says where in a VPC addresses are: the zone of each range.
type Zones map[netip.Prefix]string

// SortRules orders the rules of a listener as they are tried: by priority, the
// default rule last.
func SortRules(rules []Rule) {
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.Place(), b.Place()), cmp.Compare(a.ARN, b.ARN))
	})
}

// Place is the rule's priority, or, for a default rule, a number above all priorities.
func (r Rule) Place() int32 {
	if r.IsDefault() {
		return math.MaxInt32
	}
	return r.Priority
}

// GroupBalancers returns the ARNs of the balancers whose rules send requests to
// a target group.
func GroupBalancers(tx store.Tx, group string) ([]string, error) {
	rules, err := Rules.By(tx, "group", group)
	if err != nil {
		return nil, fmt.Errorf("find rules of %s: %w", group, err)
	}
	var out []string
	for _, r := range rules {
		out = append(out, r.LoadBalancer)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// CertificateUsers returns the ARNs of the balancers that have a listener with a
// certificate.
func CertificateUsers(tx store.Tx, certificate string) ([]string, error) {
	found, err := Listeners.By(tx, "certificate", certificate)
	if err != nil {
		return nil, fmt.Errorf("find listeners with %s: %w", certificate, err)
	}
	var out []string
	for _, l := range found {
		out = append(out, l.LoadBalancer)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// RemoveTarget removes a target along with its health: it is drained, or its
// group goes.
func RemoveTarget(tx store.Tx, t Target) error {
	key := TargetKey(t.Group, t.Addr, t.Port)
	return errors.Join(Targets.Delete(tx, key), Healths.Delete(tx, key))
}

// RemoveListener removes a listener along with its rules.
func RemoveListener(tx store.Tx, arn string) error {
	rules, err := Rules.By(tx, "listener", arn)
	if err != nil {
		return fmt.Errorf("list rules of %s: %w", arn, err)
	}
	for _, r := range rules {
		if err := Rules.Delete(tx, r.ARN); err != nil {
			return err
		}
	}
	return Listeners.Delete(tx, arn)
}
