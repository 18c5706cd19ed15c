package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/store"
)

// policyName is that of a key's only policy.
const policyName = "default"

// maxPolicy is the length of the longest key policy, in bytes
// (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying.html).
const maxPolicy = 32768

// defaultPolicy is that of a key which is made without one: IAM decides who may use
// it (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html).
func (a *API) defaultPolicy() string {
	return fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "%s"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`, a.root())
}

func (a *API) root() string { return "arn:aws:iam::" + a.ns.Account + ":root" }

// policyFaults is what is wrong with a key policy. One that takes something from
// somebody whom IAM lets in is refused: a policy without the account in it, and one
// that denies.
func (a *API) policyFaults(text string) (f awserr.Faults) {
	if len(text) > maxPolicy {
		f.Add(&types.LimitExceededException{Message: new("The key policy is longer than 32 KB.")})
		return f
	}
	d, err := document.Check(text, document.Resource)
	if bad, ok := errors.AsType[*document.Malformed](err); ok {
		f.Add(&types.MalformedPolicyDocumentException{Message: new(bad.Message)})
		return f
	}
	if err != nil {
		f.Add(err)
		return f
	}
	if slices.ContainsFunc(d.Statements, func(s document.Statement) bool { return s.Effect == "Deny" }) {
		f.Add(unsupported("A key policy with a statement that denies is not supported by Skylift: deny it in IAM policies."))
	}
	if !slices.ContainsFunc(d.Statements, a.delegates) {
		f.Add(unsupported("A key policy without a statement that allows %s to kms:* on * is not supported by Skylift: IAM policies decide who may use a key.", a.root()))
	}
	return f
}

// delegates says whether s leaves it to IAM policies who may do what with the key.
func (a *API) delegates(s document.Statement) bool {
	all := func(list []string, words ...string) bool {
		return slices.ContainsFunc(list, func(v string) bool { return slices.Contains(words, v) })
	}
	return s.Effect == "Allow" && !s.NotPrincipal && !s.NotAction && !s.NotResource && len(s.Conditions) == 0 && s.Principals != nil &&
		all(s.Principals.AWS, a.root(), a.ns.Account) && all(s.Actions, "kms:*", "*") && all(s.Resources, "*")
}

func nameFault(name *string) error {
	if name != nil && *name != policyName {
		return notFound("No such policy exists")
	}
	return nil
}

// PutKeyPolicy replaces a key's policy.
func (a *API) PutKeyPolicy(ctx context.Context, in *kms.PutKeyPolicyInput) (*kms.PutKeyPolicyOutput, error) {
	if in.PolicyName != nil && *in.PolicyName != policyName {
		return nil, unsupported("The name of a key policy must be default.")
	}
	if err := a.policyFaults(*in.Policy).First(); err != nil {
		return nil, err
	}
	_, err := a.edit(ctx, in.KeyId, "PutKeyPolicy", func(_ store.Tx, k *Key) error {
		k.Policy = *in.Policy
		return nil
	})
	return &kms.PutKeyPolicyOutput{}, err
}

// GetKeyPolicy returns a key's policy as it was sent.
func (a *API) GetKeyPolicy(ctx context.Context, in *kms.GetKeyPolicyInput) (*kms.GetKeyPolicyOutput, error) {
	if err := nameFault(in.PolicyName); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.GetKeyPolicyOutput, error) {
		k, err := a.own(tx, *in.KeyId)
		return &kms.GetKeyPolicyOutput{Policy: &k.Policy, PolicyName: new(policyName)}, err
	})
}

// ListKeyPolicies lists the name of a key's only policy.
func (a *API) ListKeyPolicies(ctx context.Context, in *kms.ListKeyPoliciesInput) (*kms.ListKeyPoliciesOutput, error) {
	page, err := usualPages.Open(in.Limit, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.ListKeyPoliciesOutput, error) {
		_, err := a.own(tx, *in.KeyId)
		names, next := handler.Cut(page, []string{policyName}, func(s string) string { return s })
		return &kms.ListKeyPoliciesOutput{PolicyNames: names, NextMarker: next, Truncated: next != nil}, err
	})
}
