package daemon

import (
	"context"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/policy"
)

// owner is a service whose resources have policies of their own.
type owner interface {
	// Own returns the policy of the resource that has an ARN, as far as it may be about an action; nil when it has none.
	Own(ctx context.Context, action, arn string) (*policy.Policy, error)
}

// ownPolicies returns how the gateway finds the policies that resources have of their own.
func ownPolicies(services []part) func(ctx context.Context, action, resource string) (*policy.Policy, error) {
	by := map[string]owner{}
	for _, p := range services {
		if p.own != nil {
			by[p.name] = p.own
		}
	}
	return func(ctx context.Context, action, resource string) (*policy.Policy, error) {
		service, _, _ := strings.Cut(action, ":") // of "*"
		if r, err := arn.Parse(resource); err == nil {
			service = r.Service
		}
		if by[service] == nil {
			return nil, nil
		}
		return by[service].Own(ctx, action, resource)
	}
}
