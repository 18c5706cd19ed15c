package policies

import (
	"context"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// v1Actions are those that a registry's policy of version 1 is asked about
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions.html).
var v1Actions = []string{"ecr:ReplicateImage", "ecr:BatchImportUpstreamImage", "ecr:CreateRepository"}

// Own returns what the registry, and the repository that has an ARN, say of an action, compiled; nil when they say nothing.
func (a *API) Own(ctx context.Context, action, resource string) (*policy.Policy, error) {
	repo, is := strings.CutPrefix(resource, a.records.ARN(""))
	if !is && (resource != "*" || !strings.HasPrefix(action, "ecr:")) {
		return nil, nil
	}
	type both struct {
		repository record.Repository
		registry   record.Registry
	}
	r, err := handler.View(ctx, a.records.DB, func(tx store.Tx) (b both, err error) {
		if b.registry, _, err = handler.Find(tx, record.RegistryRows, record.RegistryKey); err == nil && is {
			b.repository, _, err = handler.Find(tx, record.RepositoryRows, repo)
		}
		return b, err
	})
	if err != nil {
		return nil, err
	}
	if r.registry.Scope == scopeV1 && !slices.Contains(v1Actions, action) {
		r.registry.Policy = record.Policy{}
	}
	own, err := a.compile(r.repository.ID, name(repo), r.repository.Policy)
	if err != nil {
		return nil, err
	}
	all, err := a.compile(record.RegistryKey, registryName, r.registry.Policy)
	if err != nil {
		return nil, err
	}
	return policy.Join(own, all), nil
}

// compile compiles a policy, or finds it compiled; nil for none. Of is whose it is.
func (a *API) compile(of string, called policy.Name, is record.Policy) (*policy.Policy, error) {
	if is.Text == "" {
		return nil, nil
	}
	return a.compiled.Compile(of, called, is.Text, is.IDs)
}
