package policies

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/ecr/record"
)

// registryName is what the registry's policy is called.
var registryName = policy.Name{Name: "of the registry"}

const invalidRegistry = "Invalid registry policy provided"

// readRegistry reads a registry's policy, whoever there is. It is about ECR's actions on this registry's repositories,
// and on the registry.
func (a *API) readRegistry(text string) (*document.Document, error) {
	d, err := document.Check(text, document.Resource)
	if err != nil || d.CheckNames() != nil {
		return nil, refused(invalidRegistry)
	}
	for _, s := range d.Statements {
		if s.AnyResource || slices.ContainsFunc(s.Resources, a.foreign) || slices.ContainsFunc(s.Actions, foreignAction) {
			return nil, refused(invalidRegistry)
		}
		if slices.ContainsFunc(s.Actions, func(action string) bool { return strings.EqualFold(action, "ecr:ReplicateImage") }) {
			return nil, &types.InvalidParameterException{Message: new("The action 'ecr:ReplicateImage' in 'policyText' is not supported by Skylift: it has no replication.")}
		}
	}
	return d, nil
}

// foreign tells whether a resource can be none of this registry.
func (a *API) foreign(resource string) bool {
	return !strings.HasPrefix(resource, a.records.ARN("")) && !strings.HasPrefix(resource, "*") && !strings.HasPrefix(resource, "arn:aws:ecr:*")
}

func foreignAction(action string) bool {
	return action != "*" && !strings.HasPrefix(strings.ToLower(action), "ecr:")
}

// PutRegistryPolicy says who may do what with the registry and its repositories.
func (a *API) PutRegistryPolicy(ctx context.Context, in *sdk.PutRegistryPolicyInput) (*sdk.PutRegistryPolicyOutput, error) {
	d, err := a.readRegistry(aws.ToString(in.PolicyText))
	if err != nil {
		return nil, err
	}
	ids, err := a.ids(ctx, d)
	if err != nil {
		return nil, err
	}
	p, err := policy.Compile(registryName, d, ids)
	if err != nil {
		return nil, refused(invalidRegistry)
	}
	for _, action := range []string{"ecr:PutRegistryPolicy", "ecr:DeleteRegistryPolicy"} {
		if locksOut(ctx, p, action, "*") {
			return nil, refused("The policy would prevent you from setting another one, or deleting it.")
		}
	}
	if _, err := a.records.ChangeRegistry(ctx, func(r *record.Registry) error {
		r.Policy = record.Policy{Text: *in.PolicyText, IDs: ids}
		return nil
	}); err != nil {
		return nil, err
	}
	return &sdk.PutRegistryPolicyOutput{PolicyText: in.PolicyText, RegistryId: &a.records.NS.Account}, nil
}

func (a *API) noRegistryPolicy() error {
	return &types.RegistryPolicyNotFoundException{Message: new(fmt.Sprintf("Registry policy does not exist in the registry with id '%s'", a.records.NS.Account))}
}

// GetRegistryPolicy returns the policy as it was put.
func (a *API) GetRegistryPolicy(ctx context.Context, _ *sdk.GetRegistryPolicyInput) (*sdk.GetRegistryPolicyOutput, error) {
	r, err := a.records.Registry(ctx)
	if err == nil && r.Policy.Text == "" {
		err = a.noRegistryPolicy()
	}
	if err != nil {
		return nil, err
	}
	return &sdk.GetRegistryPolicyOutput{PolicyText: &r.Policy.Text, RegistryId: &a.records.NS.Account}, nil
}

// DeleteRegistryPolicy removes the policy.
func (a *API) DeleteRegistryPolicy(ctx context.Context, _ *sdk.DeleteRegistryPolicyInput) (*sdk.DeleteRegistryPolicyOutput, error) {
	var was string
	_, err := a.records.ChangeRegistry(ctx, func(r *record.Registry) error {
		if r.Policy.Text == "" {
			return a.noRegistryPolicy()
		}
		was, r.Policy = r.Policy.Text, record.Policy{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteRegistryPolicyOutput{PolicyText: &was, RegistryId: &a.records.NS.Account}, nil
}
