// Package expiry keeps the lifecycle policies of repositories, and removes the images that
// they expire.
//
// An image that a task or a service needs is never removed, whatever a policy says: AWS
// removes it, and the next task that is started fails.
package expiry

import (
	"context"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/wire"
)

// API has a handler for every operation about lifecycle policies.
type API struct {
	records *record.Records
	used    *Users
}

// NewAPI returns the API.
func NewAPI(records *record.Records, used *Users) *API { return &API{records, used} }

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	const on = "repository: repositoryName"
	return []wire.Operation{
		wire.Op("DeleteLifecyclePolicy", a.DeleteLifecyclePolicy).On(on).Takes("registryId repositoryName"),
		wire.Op("GetLifecyclePolicy", a.GetLifecyclePolicy).On(on).Takes("registryId repositoryName"),
		wire.Op("GetLifecyclePolicyPreview", a.GetLifecyclePolicyPreview).On(on).Takes("registryId repositoryName filter{*} imageIds{*} maxResults nextToken"),
		wire.Op("PutLifecyclePolicy", a.PutLifecyclePolicy).On(on).Takes("registryId repositoryName lifecyclePolicyText").
			Checks(func(in *sdk.PutLifecyclePolicyInput) []error { return faults(in.LifecyclePolicyText) }),
		wire.Op("StartLifecyclePolicyPreview", a.StartLifecyclePolicyPreview).On(on).Takes("registryId repositoryName lifecyclePolicyText").
			Checks(func(in *sdk.StartLifecyclePolicyPreviewInput) []error { return faults(in.LifecyclePolicyText) }),
	}
}

// faults returns what is wrong with a policy's text, if there is one.
func faults(text *string) (f awserr.Faults) {
	if text == nil {
		return nil
	}
	if _, err := lifecycle.Parse(*text); err != nil {
		f.Add(&types.InvalidParameterException{Message: new(fmt.Sprintf(
			"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: %v'", err))})
	}
	return f
}

func (a *API) noPolicy(name string) error {
	return &types.LifecyclePolicyNotFoundException{Message: new(fmt.Sprintf("Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", name, a.records.NS.Account))}
}

func (a *API) noPreview(name string) error {
	return &types.LifecyclePolicyPreviewNotFoundException{Message: new(fmt.Sprintf("Lifecycle policy preview does not exist for the repository with name '%s' in the registry with id '%s'", name, a.records.NS.Account))}
}

// PutLifecyclePolicy sets the policy. It is applied soon.
func (a *API) PutLifecyclePolicy(ctx context.Context, in *sdk.PutLifecyclePolicyInput) (*sdk.PutLifecyclePolicyOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if err := faults(in.LifecyclePolicyText).First(); err != nil {
		return nil, err
	}
	_, err := a.records.Change(ctx, *in.RepositoryName, func(r *record.Repository) error {
		r.Lifecycle = lifecycle.Setting{Text: *in.LifecyclePolicyText, Set: now()}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutLifecyclePolicyOutput{LifecyclePolicyText: in.LifecyclePolicyText, RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName}, nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// GetLifecyclePolicy returns the policy as it was put.
func (a *API) GetLifecyclePolicy(ctx context.Context, in *sdk.GetLifecyclePolicyInput) (*sdk.GetLifecyclePolicyOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	r, err := a.records.Find(ctx, *in.RepositoryName)
	if err == nil && r.Lifecycle.Text == "" {
		err = a.noPolicy(r.Name)
	}
	if err != nil {
		return nil, err
	}
	return &sdk.GetLifecyclePolicyOutput{
		LifecyclePolicyText: &r.Lifecycle.Text, LastEvaluatedAt: evaluated(r.Lifecycle), RegistryId: &a.records.NS.Account, RepositoryName: &r.Name,
	}, nil
}

// evaluated is when a policy was applied last; nil if it never was.
func evaluated(l lifecycle.Setting) *time.Time {
	if l.Done.IsZero() {
		return nil
	}
	return &l.Done
}

// DeleteLifecyclePolicy removes the policy.
func (a *API) DeleteLifecyclePolicy(ctx context.Context, in *sdk.DeleteLifecyclePolicyInput) (*sdk.DeleteLifecyclePolicyOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	var was lifecycle.Setting
	_, err := a.records.Change(ctx, *in.RepositoryName, func(r *record.Repository) error {
		if r.Lifecycle.Text == "" {
			return a.noPolicy(r.Name)
		}
		was, r.Lifecycle = r.Lifecycle, lifecycle.Setting{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteLifecyclePolicyOutput{
		LifecyclePolicyText: &was.Text, LastEvaluatedAt: evaluated(was), RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName,
	}, nil
}
