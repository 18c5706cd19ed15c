// Package policies keeps the policies of repositories, and that of the registry, which say who may do what with them.
package policies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/wire"
)

// API has a handler for every operation about the policies of repositories and of the registry.
type API struct {
	records *record.Records
	who     document.Directory

	compiled policy.Cache
}

// New returns the API.
func New(records *record.Records, who document.Directory) *API {
	return &API{records: records, who: who}
}

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	const on = "repository: repositoryName"
	return []wire.Operation{
		wire.Op("DeleteRegistryPolicy", a.DeleteRegistryPolicy),
		wire.Op("DeleteRepositoryPolicy", a.DeleteRepositoryPolicy).On(on).Takes("registryId repositoryName"),
		wire.Op("GetAccountSetting", a.GetAccountSetting).Keys("ecr:AccountSetting: name").Takes("name"),
		wire.Op("GetRegistryPolicy", a.GetRegistryPolicy),
		wire.Op("GetRepositoryPolicy", a.GetRepositoryPolicy).On(on).Takes("registryId repositoryName"),
		wire.Op("PutAccountSetting", a.PutAccountSetting).Keys("ecr:AccountSetting: name").Takes("name value"),
		wire.Op("PutRegistryPolicy", a.PutRegistryPolicy).Takes("policyText").
			Checks(func(in *sdk.PutRegistryPolicyInput) []error {
				if _, err := a.readRegistry(aws.ToString(in.PolicyText)); err != nil {
					return []error{err}
				}
				return nil
			}),
		wire.Op("SetRepositoryPolicy", a.SetRepositoryPolicy).On(on).Takes("registryId repositoryName policyText force").
			Checks(func(in *sdk.SetRepositoryPolicyInput) []error {
				if _, err := a.read(aws.ToString(in.PolicyText)); err != nil {
					return []error{err}
				}
				return nil
			}),
	}
}

func (a *API) noPolicy(name string) error {
	return &types.RepositoryPolicyNotFoundException{Message: new(fmt.Sprintf("Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, a.records.NS.Account))}
}

func refused(why string) error {
	return &types.InvalidParameterException{Message: new("Invalid parameter at 'PolicyText' failed to satisfy constraint: '" + why + "'")}
}

const invalid = "Invalid repository policy provided"

// read reads a policy, whoever there is. A repository's policy has no Resource: it is about
// the repository
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html).
func (a *API) read(text string) (*document.Document, error) {
	d, err := document.Check(text, document.Resource)
	if err != nil || d.CheckNames() != nil || slices.ContainsFunc(d.Statements, func(s document.Statement) bool { return !s.AnyResource }) {
		return nil, refused(invalid)
	}
	return d, nil
}

// Prepare checks a text that is to be the policy of a repository, and returns it as the repository has it.
func (a *API) Prepare(ctx context.Context, text string) (p record.Policy, err error) {
	d, err := a.read(text)
	if err != nil {
		return p, err
	}
	ids, err := a.ids(ctx, d)
	if err != nil {
		return p, err
	}
	if _, err := policy.Compile(policy.Name{}, d, ids); err != nil {
		return p, refused(invalid)
	}
	return record.Policy{Text: text, IDs: ids}, nil
}

// ids returns the unique ids of the account's users and roles that a policy names.
func (a *API) ids(ctx context.Context, d *document.Document) (map[string]string, error) {
	ids, err := d.IDs(ctx, a.records.NS.Account, a.who)
	if errors.Is(err, document.ErrNobody) {
		return nil, refused("Principal not found")
	}
	return ids, err
}

// SetRepositoryPolicy says who may do what with a repository.
func (a *API) SetRepositoryPolicy(ctx context.Context, in *sdk.SetRepositoryPolicyInput) (*sdk.SetRepositoryPolicyOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	d, err := a.read(aws.ToString(in.PolicyText))
	if err != nil {
		return nil, err
	}
	ids, err := a.ids(ctx, d)
	if err != nil {
		return nil, err
	}
	p, err := policy.Compile(name(*in.RepositoryName), d, ids)
	if err != nil {
		return nil, refused(invalid)
	}
	if !in.Force && locksOut(ctx, p, "ecr:SetRepositoryPolicy", a.records.ARN(*in.RepositoryName)) {
		return nil, refused("The policy would prevent you from setting another one. Set force to set it nevertheless.")
	}
	if _, err := a.records.Change(ctx, *in.RepositoryName, func(r *record.Repository) error {
		r.Policy = record.Policy{Text: *in.PolicyText, IDs: ids}
		return nil
	}); err != nil {
		return nil, err
	}
	return &sdk.SetRepositoryPolicyOutput{PolicyText: in.PolicyText, RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName}, nil
}

// locksOut tells whether a policy denies the caller to set another one by an action on a resource
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_SetRepositoryPolicy.html).
func locksOut(ctx context.Context, p *policy.Policy, action, resource string) bool {
	c := caller.From(ctx)
	who := policy.Principal{Type: policy.User, Account: c.Account, ARN: c.ARN, Entity: c.ARN, EntityID: c.UserID, UserID: c.UserID}
	if strings.HasSuffix(c.ARN, ":root") {
		who = policy.Principal{Type: policy.Root, Account: c.Account, ARN: c.ARN, UserID: c.UserID}
	}
	call := policy.Call{Caller: who, Action: action, Resource: resource, Keys: who.Keys()}
	return policy.Decide(call, policy.Policies{Resource: p}).Effect == policy.ExplicitDeny
}

func name(repo string) policy.Name { return policy.Name{Name: "of the repository " + repo} }

// GetRepositoryPolicy returns the policy as it was set.
func (a *API) GetRepositoryPolicy(ctx context.Context, in *sdk.GetRepositoryPolicyInput) (*sdk.GetRepositoryPolicyOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	r, err := a.records.Find(ctx, *in.RepositoryName)
	if err == nil && r.Policy.Text == "" {
		err = a.noPolicy(r.Name)
	}
	if err != nil {
		return nil, err
	}
	return &sdk.GetRepositoryPolicyOutput{PolicyText: &r.Policy.Text, RegistryId: &a.records.NS.Account, RepositoryName: &r.Name}, nil
}

// DeleteRepositoryPolicy removes the policy.
func (a *API) DeleteRepositoryPolicy(ctx context.Context, in *sdk.DeleteRepositoryPolicyInput) (*sdk.DeleteRepositoryPolicyOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	var was string
	_, err := a.records.Change(ctx, *in.RepositoryName, func(r *record.Repository) error {
		if r.Policy.Text == "" {
			return a.noPolicy(r.Name)
		}
		was, r.Policy = r.Policy.Text, record.Policy{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteRepositoryPolicyOutput{PolicyText: &was, RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName}, nil
}
