package templates

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// ForPush fails unless there is a repository of that name, or a template says that a push makes it: then it does.
func (a *API) ForPush(ctx context.Context, name string) error {
	missing := a.records.Repository(ctx, name)
	e, ok := errors.AsType[*registry.Error](missing)
	if !ok || e.Code != "NAME_UNKNOWN" {
		return missing
	}
	t, ok, err := a.find(ctx, name, types.RCTAppliedForCreateOnPush)
	if err != nil {
		return err
	}
	if !ok || record.CheckName("", name) != nil {
		return missing
	}
	return a.make(ctx, name, t)
}

// ForPull makes the repository of that name, which isn't there, for a pull through the cache.
func (a *API) ForPull(ctx context.Context, name string) error {
	if err := record.CheckName("repositoryName", name); err != nil {
		return registry.NameUnknown(err.Error())
	}
	t, _, err := a.find(ctx, name, types.RCTAppliedForPullThroughCache)
	if err != nil {
		return err
	}
	return a.make(ctx, name, t)
}

// find returns the template for a repository that is made for a reason: the one with the longest prefix.
func (a *API) find(ctx context.Context, name string, why types.RCTAppliedFor) (best record.Template, ok bool, err error) {
	err = a.records.DB.View(ctx, func(tx store.Tx) error {
		best, ok = record.Template{}, false
		for dir := name; ; {
			i := strings.LastIndexByte(dir, '/')
			dir = dir[:max(i, 0)]
			key := dir
			if i < 0 {
				key = record.RootPrefix
			}
			t, there, err := handler.Find(tx, record.TemplateRows, key)
			if err != nil {
				return err
			}
			if there && slices.Contains(t.AppliedFor, why) {
				best, ok = t, true
				return nil
			}
			if i < 0 {
				return nil
			}
		}
	})
	return best, ok, err
}

// make makes a repository from a template, if the caller may, and the template's role. The zero template is AWS's defaults.
func (a *API) make(ctx context.Context, name string, t record.Template) error {
	if err := a.allowed(ctx, name, t); err != nil {
		return denied(err)
	}
	repo := record.New(name)
	if t.Mutability != "" {
		repo.Mutability, repo.Exclusions = t.Mutability, t.Exclusions
	}
	repo.Tags = t.Tags
	if t.Lifecycle != "" {
		repo.Lifecycle = lifecycle.Setting{Text: t.Lifecycle, Set: record.Now()}
	}
	if t.Policy != "" {
		policy, err := a.policies.Prepare(ctx, t.Policy)
		if err != nil {
			return denied(err) // somebody whom it names is gone
		}
		repo.Policy = policy
	}
	err := a.records.Create(ctx, repo)
	if _, already := errors.AsType[*types.RepositoryAlreadyExistsException](err); already {
		return nil
	}
	return err
}

func (a *API) allowed(ctx context.Context, name string, t record.Template) error {
	const create = "ecr:CreateRepository"
	if err := caller.Allowed(ctx, create, a.records.ARN(name), nil); err != nil || t.Role == "" {
		return err
	}
	as, err := a.roles.As(ctx, t.Role)
	if err != nil {
		return err
	}
	actions := []string{create}
	if len(t.Tags) > 0 {
		actions = append(actions, "ecr:TagResource")
	}
	for _, action := range actions {
		if err := caller.Allowed(as, action, a.records.ARN(name), nil); err != nil {
			return err
		}
	}
	return nil
}

// denied is a refusal as the registry says it.
func denied(err error) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return registry.Denied(e.ErrorMessage())
	}
	return fmt.Errorf("make the repository: %w", err)
}
