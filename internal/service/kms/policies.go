package kms

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
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

// policyFaults is what is wrong with a key policy, whoever there is.
func policyFaults(text string) (f awserr.Faults) {
	if len(text) > maxPolicy {
		f.Add(&types.LimitExceededException{Message: new("The key policy is longer than 32 KB.")})
		return f
	}
	d, err := document.Check(text, document.Resource)
	if err == nil {
		err = d.CheckNames()
	}
	f.Add(badPolicy(err))
	return f
}

// badPolicy says in KMS's words what is wrong with a policy.
func badPolicy(err error) error {
	if bad, ok := errors.AsType[*document.Malformed](err); ok {
		return &types.MalformedPolicyDocumentException{Message: new(bad.Message)}
	}
	if errors.Is(err, document.ErrNobody) {
		return &types.MalformedPolicyDocumentException{Message: new("Policy contains a statement with one or more invalid principals.")}
	}
	return err
}

// setPolicy gives a key a policy. Unless the caller wants that, it is not one that lets the caller set no other.
func (a *API) setPolicy(ctx context.Context, k *Key, text string, bypass bool) error {
	if err := policyFaults(text).First(); err != nil {
		return err
	}
	d, err := document.Parse(text)
	if err != nil {
		return err
	}
	ids, err := d.IDs(ctx, a.ns.Account, a.who)
	if err != nil {
		return badPolicy(err)
	}
	p, err := policy.Compile(policyOf(k.ID), d, ids)
	if err != nil {
		return &types.MalformedPolicyDocumentException{Message: new(err.Error())}
	}
	if !bypass && a.locksOut(ctx, p, k.ID) {
		return &types.MalformedPolicyDocumentException{Message: new("The new key policy will not allow you to update the key policy in the future.")}
	}
	k.Policy, k.PolicyIDs = text, ids
	return nil
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
	id, err := a.local(*in.KeyId)
	if err != nil {
		return nil, err
	}
	set := Key{ID: id}
	if err := a.setPolicy(ctx, &set, *in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	_, err = a.edit(ctx, in.KeyId, "PutKeyPolicy", func(_ store.Tx, k *Key) error {
		k.Policy, k.PolicyIDs = set.Policy, set.PolicyIDs
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
