package secretsmanager

import (
	"context"
	"errors"
	"slices"
	"strings"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/store"
)

// readPolicy reads a resource policy, whoever there is.
func readPolicy(text string) (*document.Document, error) {
	d, err := document.Check(text, document.Resource)
	if err == nil {
		err = d.CheckNames()
	}
	return d, badPolicy(err)
}

// badPolicy says in the service's words what is wrong with a policy.
func badPolicy(err error) error {
	if bad, ok := errors.AsType[*document.Malformed](err); ok {
		return &types.MalformedPolicyDocumentException{Message: new(bad.Message)}
	}
	if errors.Is(err, document.ErrNobody) {
		return &types.MalformedPolicyDocumentException{Message: new("This resource policy contains an unsupported principal.")}
	}
	return err
}

// public says whether a policy lets everybody in.
func public(d *document.Document) bool {
	return slices.ContainsFunc(d.Statements, func(s document.Statement) bool {
		return s.Effect == "Allow" && len(s.Conditions) == 0 && s.Principals != nil && (s.Principals.Everybody || s.NotPrincipal)
	})
}

const isPublic = "The resource policy allows broad access to the secret."

func putPolicyFaults(in *sm.PutResourcePolicyInput) []error {
	var f awserr.Faults
	d, err := readPolicy(*in.ResourcePolicy)
	f.Add(err)
	if err == nil && in.BlockPublicPolicy != nil && *in.BlockPublicPolicy && public(d) {
		f.Add(&types.PublicPolicyException{Message: new(isPublic)})
	}
	return f
}

// PutResourcePolicy says who else may do what with a secret.
func (a *API) PutResourcePolicy(ctx context.Context, in *sm.PutResourcePolicyInput) (*sm.PutResourcePolicyOutput, error) {
	if err := awserr.Faults(putPolicyFaults(in)).First(); err != nil {
		return nil, err
	}
	d, err := readPolicy(*in.ResourcePolicy)
	if err != nil {
		return nil, err
	}
	ids, err := d.IDs(ctx, a.ns.Account, a.who)
	if err != nil {
		return nil, badPolicy(err)
	}
	if _, err := policy.Compile(policy.Name{}, d, ids); err != nil {
		return nil, &types.MalformedPolicyDocumentException{Message: new(err.Error())}
	}
	s, err := a.edit(ctx, *in.SecretId, func(_ store.Tx, s *Secret) error {
		s.Policy, s.PolicyIDs = *in.ResourcePolicy, ids
		return nil
	})
	return &sm.PutResourcePolicyOutput{ARN: new(a.arn(s)), Name: &s.Name}, err
}

// GetResourcePolicy returns a secret's policy as it was sent.
func (a *API) GetResourcePolicy(ctx context.Context, in *sm.GetResourcePolicyInput) (*sm.GetResourcePolicyOutput, error) {
	s, err := a.read(ctx, *in.SecretId)
	out := &sm.GetResourcePolicyOutput{ARN: new(a.arn(s)), Name: &s.Name}
	if s.Policy != "" {
		out.ResourcePolicy = &s.Policy
	}
	return out, err
}

// DeleteResourcePolicy removes a secret's policy.
func (a *API) DeleteResourcePolicy(ctx context.Context, in *sm.DeleteResourcePolicyInput) (*sm.DeleteResourcePolicyOutput, error) {
	s, err := a.edit(ctx, *in.SecretId, func(_ store.Tx, s *Secret) error {
		s.Policy, s.PolicyIDs = "", nil
		return nil
	})
	return &sm.DeleteResourcePolicyOutput{ARN: new(a.arn(s)), Name: &s.Name}, err
}

// ValidateResourcePolicy says what is wrong with a policy.
func (a *API) ValidateResourcePolicy(ctx context.Context, in *sm.ValidateResourcePolicyInput) (*sm.ValidateResourcePolicyOutput, error) {
	if in.SecretId != nil {
		if _, err := a.read(ctx, *in.SecretId); err != nil {
			return nil, err
		}
	}
	d, err := readPolicy(*in.ResourcePolicy)
	if err != nil {
		return nil, err
	}
	out := &sm.ValidateResourcePolicyOutput{PolicyValidationPassed: !public(d), ValidationErrors: []types.ValidationErrorsEntry{}}
	if public(d) {
		out.ValidationErrors = append(out.ValidationErrors, types.ValidationErrorsEntry{CheckName: new("ResourcePolicyPublicAccess"), ErrorMessage: new(isPublic)})
	}
	return out, nil
}

// Own returns the policy of the secret that has an ARN; nil when it has none, or there is no such secret.
func (a *API) Own(ctx context.Context, _, resource string) (*policy.Policy, error) {
	if !strings.HasPrefix(resource, a.ns.ARN("secretsmanager", "secret:")) {
		return nil, nil
	}
	s, err := handler.View(ctx, a.db, func(tx store.Tx) (Secret, error) { return a.find(tx, resource) })
	if isNotFound(err) || err == nil && s.Policy == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return a.compiled.Compile(s.id(), policy.Name{Name: "of the secret " + s.Name}, s.Policy, s.PolicyIDs)
}

// TagResource sets tags of a secret.
func (a *API) TagResource(ctx context.Context, in *sm.TagResourceInput) (*sm.TagResourceOutput, error) {
	_, err := a.edit(ctx, *in.SecretId, func(_ store.Tx, s *Secret) (err error) {
		s.Tags, err = tagRules.Add(s.Tags, tagType.From(in.Tags))
		return err
	})
	return &sm.TagResourceOutput{}, err
}

// UntagResource removes tags of a secret.
func (a *API) UntagResource(ctx context.Context, in *sm.UntagResourceInput) (*sm.UntagResourceOutput, error) {
	if err := tagRules.Keys(in.TagKeys); err != nil {
		return nil, err
	}
	_, err := a.edit(ctx, *in.SecretId, func(_ store.Tx, s *Secret) error {
		s.Tags = handler.Without(s.Tags, in.TagKeys)
		return nil
	})
	return &sm.UntagResourceOutput{}, err
}

// Tagged calls each with the ARN and the tags of every secret that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, Secrets, each, func(s *Secret) (string, handler.Tags) { return a.arn(*s), s.Tags })
}

// Tag is TagResource for callers that know nothing of Secrets Manager's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.TagResource(ctx, &sm.TagResourceInput{SecretId: &arn, Tags: tagType.To(tags)})
	return err
}

// Untag is UntagResource for callers that know nothing of Secrets Manager's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &sm.UntagResourceInput{SecretId: &arn, TagKeys: keys})
	return err
}

// Known returns the tags of the secret with that ARN, and the ARN itself, which is a
// condition key; none when there is no such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	s, err := a.find(tx, arn)
	if isNotFound(err) {
		return nil, nil, nil
	}
	return s.Tags, map[string]string{"secretsmanager:SecretId": a.arn(s)}, err
}
