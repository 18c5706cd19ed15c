package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry/upstream"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// most is how many rules there can be
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html).
const most = 50

// newFaults is what is wrong with a request for a rule, whatever rules there are.
func (a *API) newFaults(in *sdk.CreatePullThroughCacheRuleInput) (f awserr.Faults) {
	f.Add(a.records.OwnRegistry("registryId", in.RegistryId))
	host := aws.ToString(in.UpstreamRegistryUrl)
	if in.UpstreamRegistry == types.UpstreamRegistryEcr || ecrHost.MatchString(host) {
		f.Add(&types.UnsupportedUpstreamRegistryException{Message: new("The specified upstream registry isn't supported: Skylift has no role of AWS to authenticate to a registry of Amazon ECR.")})
		return f
	}
	k, ok := at(host)
	if !ok {
		f.Add(&types.UnsupportedUpstreamRegistryException{Message: new(fmt.Sprintf("The specified upstream registry isn't supported: '%s'", host))})
		return f
	}
	if in.UpstreamRegistry != "" && in.UpstreamRegistry != k.kind {
		f.Add(record.Invalid("Invalid parameter at 'upstreamRegistry': the upstream registry at '%s' is '%s', not '%s'", host, k.kind, in.UpstreamRegistry))
	}
	if k.login && aws.ToString(in.CredentialArn) == "" {
		f.Add(record.Constraint("credentialArn", fmt.Sprintf("must be given for the upstream registry '%s'", k.kind)))
	}
	f.Add(a.credentialFault(in.CredentialArn))
	return f
}

// credentialFault refuses a secret of another account or region.
func (a *API) credentialFault(credential *string) error {
	if aws.ToString(credential) == "" {
		return nil
	}
	s, err := arn.Parse(*credential)
	if err != nil || s.Account != a.records.NS.Account || s.Region != a.records.NS.Region {
		return record.Constraint("credentialArn", fmt.Sprintf("must be a secret of the account '%s' in the region '%s'", a.records.NS.Account, a.records.NS.Region))
	}
	return nil
}

// prefix is one as records have it: without a slash at its end.
func prefix(p *string) string { return strings.TrimSuffix(aws.ToString(p), "/") }

func (a *API) none(prefix string) error {
	return &types.PullThroughCacheRuleNotFoundException{Message: new(fmt.Sprintf("The pull through cache rule with the prefix '%s' does not exist in the registry with id '%s'", prefix, a.records.NS.Account))}
}

// CreatePullThroughCacheRule makes a rule. A secret that it names must be there, and be of the form that ECR needs.
func (a *API) CreatePullThroughCacheRule(ctx context.Context, in *sdk.CreatePullThroughCacheRuleInput) (*sdk.CreatePullThroughCacheRuleOutput, error) {
	if err := a.newFaults(in).First(); err != nil {
		return nil, err
	}
	k, _ := at(*in.UpstreamRegistryUrl)
	r := record.Rule{
		Prefix: prefix(in.EcrRepositoryPrefix), Registry: k.kind, Host: *in.UpstreamRegistryUrl, UpstreamPrefix: prefix(in.UpstreamRepositoryPrefix),
		Credential: aws.ToString(in.CredentialArn), CreatedAt: record.Now(),
	}
	r.UpdatedAt = r.CreatedAt
	if _, _, err := a.login(ctx, r.Credential); err != nil {
		return nil, err
	}
	err := a.records.DB.Update(ctx, func(tx store.Tx) error {
		all, err := record.RuleRows.List(tx, "")
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o record.Rule) bool { return o.Prefix == r.Prefix }) {
			return &types.PullThroughCacheRuleAlreadyExistsException{Message: new(fmt.Sprintf("The pull through cache rule with the prefix '%s' already exists in the registry with id '%s'", r.Prefix, a.records.NS.Account))}
		}
		if len(all) >= most {
			return &types.LimitExceededException{Message: new(fmt.Sprintf("A registry can have at most %d pull through cache rules", most))}
		}
		return record.RuleRows.Put(tx, r.Prefix, r)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreatePullThroughCacheRuleOutput{
		CreatedAt: &r.CreatedAt, CredentialArn: in.CredentialArn, EcrRepositoryPrefix: &r.Prefix, RegistryId: &a.records.NS.Account,
		UpstreamRegistry: r.Registry, UpstreamRegistryUrl: &r.Host, UpstreamRepositoryPrefix: handler.Optional(r.UpstreamPrefix),
	}, nil
}

// UpdatePullThroughCacheRule gives a rule another secret.
func (a *API) UpdatePullThroughCacheRule(ctx context.Context, in *sdk.UpdatePullThroughCacheRuleInput) (*sdk.UpdatePullThroughCacheRuleOutput, error) {
	if err := errors.Join(a.records.OwnRegistry("registryId", in.RegistryId), a.credentialFault(in.CredentialArn)); err != nil {
		return nil, err
	}
	if aws.ToString(in.CredentialArn) == "" {
		return nil, record.Constraint("credentialArn", "must be given: it is all that can be changed")
	}
	if _, err := a.rule(ctx, in.EcrRepositoryPrefix); err != nil {
		return nil, err
	}
	if _, _, err := a.login(ctx, *in.CredentialArn); err != nil {
		return nil, err
	}
	r, err := handler.Update(ctx, a.records.DB, func(tx store.Tx) (record.Rule, error) {
		return handler.Change(tx, record.RuleRows, prefix(in.EcrRepositoryPrefix), a.none, func(r *record.Rule) error {
			r.Credential, r.UpdatedAt = *in.CredentialArn, record.Now()
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &sdk.UpdatePullThroughCacheRuleOutput{
		CredentialArn: handler.Optional(r.Credential), EcrRepositoryPrefix: &r.Prefix, RegistryId: &a.records.NS.Account, UpdatedAt: &r.UpdatedAt, UpstreamRepositoryPrefix: handler.Optional(r.UpstreamPrefix),
	}, nil
}

// DeletePullThroughCacheRule removes a rule. What was fetched stays.
func (a *API) DeletePullThroughCacheRule(ctx context.Context, in *sdk.DeletePullThroughCacheRuleInput) (*sdk.DeletePullThroughCacheRuleOutput, error) {
	if err := a.records.OwnRegistry("registryId", in.RegistryId); err != nil {
		return nil, err
	}
	r, err := handler.Update(ctx, a.records.DB, func(tx store.Tx) (record.Rule, error) {
		r, err := handler.Get(tx, record.RuleRows, prefix(in.EcrRepositoryPrefix), a.none)
		if err != nil {
			return r, err
		}
		return r, record.RuleRows.Delete(tx, r.Prefix)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeletePullThroughCacheRuleOutput{
		CreatedAt: &r.CreatedAt, CredentialArn: handler.Optional(r.Credential), EcrRepositoryPrefix: &r.Prefix, RegistryId: &a.records.NS.Account,
		UpstreamRegistryUrl: &r.Host, UpstreamRepositoryPrefix: handler.Optional(r.UpstreamPrefix),
	}, nil
}

// rule reads the rule with a prefix.
func (a *API) rule(ctx context.Context, p *string) (record.Rule, error) {
	return handler.View(ctx, a.records.DB, func(tx store.Tx) (record.Rule, error) {
		return handler.Get(tx, record.RuleRows, prefix(p), a.none)
	})
}

// DescribePullThroughCacheRules describes the rules with the prefixes asked for, or all, page by page.
func (a *API) DescribePullThroughCacheRules(ctx context.Context, in *sdk.DescribePullThroughCacheRulesInput) (*sdk.DescribePullThroughCacheRulesOutput, error) {
	if err := a.records.OwnRegistry("registryId", in.RegistryId); err != nil {
		return nil, err
	}
	out := &sdk.DescribePullThroughCacheRulesOutput{PullThroughCacheRules: []types.PullThroughCacheRule{}}
	if len(in.EcrRepositoryPrefixes) > 0 {
		for _, p := range in.EcrRepositoryPrefixes {
			r, err := a.rule(ctx, &p)
			if err != nil {
				return nil, err
			}
			out.PullThroughCacheRules = append(out.PullThroughCacheRules, a.shown(r))
		}
		return out, nil
	}
	page, err := record.Pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	all, err := handler.View(ctx, a.records.DB, func(tx store.Tx) ([]record.Rule, error) { return record.RuleRows.List(tx, "") })
	if err != nil {
		return nil, fmt.Errorf("list pull through cache rules: %w", err)
	}
	part, next := handler.Cut(page, all, func(r record.Rule) string { return r.Prefix })
	for _, r := range part {
		out.PullThroughCacheRules = append(out.PullThroughCacheRules, a.shown(r))
	}
	out.NextToken = next
	return out, nil
}

// shown is a rule as the API shows it.
func (a *API) shown(r record.Rule) types.PullThroughCacheRule {
	return types.PullThroughCacheRule{
		CreatedAt: &r.CreatedAt, CredentialArn: handler.Optional(r.Credential), EcrRepositoryPrefix: &r.Prefix, RegistryId: &a.records.NS.Account, UpdatedAt: &r.UpdatedAt,
		UpstreamRegistry: r.Registry, UpstreamRegistryUrl: &r.Host, UpstreamRepositoryPrefix: handler.Optional(r.UpstreamPrefix),
	}
}

// pingTime is how long an upstream registry may take to be validated.
const pingTime = 20 * time.Second

// ValidatePullThroughCacheRule says whether the upstream registry can be reached, and takes the rule's login.
func (a *API) ValidatePullThroughCacheRule(ctx context.Context, in *sdk.ValidatePullThroughCacheRuleInput) (*sdk.ValidatePullThroughCacheRuleOutput, error) {
	if err := a.records.OwnRegistry("registryId", in.RegistryId); err != nil {
		return nil, err
	}
	r, err := a.rule(ctx, in.EcrRepositoryPrefix)
	if err != nil {
		return nil, err
	}
	out := &sdk.ValidatePullThroughCacheRuleOutput{
		CredentialArn: handler.Optional(r.Credential), EcrRepositoryPrefix: &r.Prefix, RegistryId: &a.records.NS.Account,
		UpstreamRegistryUrl: &r.Host, UpstreamRepositoryPrefix: handler.Optional(r.UpstreamPrefix),
	}
	if why := a.ping(ctx, r); why != "" {
		out.Failure = &why
		return out, nil
	}
	out.IsValid = true
	return out, nil
}

// ping says why a rule's upstream registry gives nothing; "" when it does.
func (a *API) ping(ctx context.Context, r record.Rule) string {
	remote, err := a.remote(ctx, r, "")
	if err == nil {
		var stop func()
		ctx, stop = context.WithTimeout(ctx, pingTime)
		defer stop()
		err = remote.Ping(ctx)
	}
	switch {
	case err == nil:
		return ""
	case errors.Is(err, upstream.ErrDenied):
		return badLogin
	}
	if e := awserr.ForCaller(err); e.ErrorCode() != "ServerException" {
		return e.ErrorMessage()
	}
	return fmt.Sprintf("The upstream registry '%s' could not be reached.", r.Host)
}
