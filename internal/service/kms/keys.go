package kms

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/kms/material"
	"github.com/skylift/skylift/internal/store"
)

var tagType = handler.TagType[types.Tag]{
	Read: func(t types.Tag) (key, value *string) { return t.TagKey, t.TagValue },
	Make: func(key, value *string) types.Tag { return types.Tag{TagKey: key, TagValue: value} },
}

// createFaults is what is wrong with a new key, beyond what the wire checks.
func (a *API) createFaults(in *kms.CreateKeyInput) []error {
	var f awserr.Faults
	spec := specOf(in)
	switch usages := material.Usages(spec); {
	case in.KeySpec != "" && in.CustomerMasterKeySpec != "": //nolint:staticcheck // the older name of KeySpec
		f.Add(invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."))
	case !material.Has(spec):
		f.Add(unsupported("The KeySpec %s is not supported by Skylift.", spec))
	case in.KeyUsage == "" && !slices.Contains(usages, types.KeyUsageTypeEncryptDecrypt) && len(usages) > 0, in.KeyUsage == "" && spec != types.KeySpecSymmetricDefault:
		f.Add(invalid("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."))
	case in.KeyUsage != "" && !slices.Contains(usages, in.KeyUsage):
		f.Add(invalid("KeyUsage %s is not compatible with KeySpec %s", in.KeyUsage, spec))
	}
	if in.Policy != nil {
		f.Add(policyFaults(*in.Policy)...)
	}
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	return f
}

func specOf(in *kms.CreateKeyInput) types.KeySpec {
	return cmp.Or(in.KeySpec, types.KeySpec(in.CustomerMasterKeySpec), types.KeySpecSymmetricDefault) //nolint:staticcheck // the older name of KeySpec
}

// CreateKey makes a key and its material.
func (a *API) CreateKey(ctx context.Context, in *kms.CreateKeyInput) (*kms.CreateKeyOutput, error) {
	if err := awserr.Faults(a.createFaults(in)).First(); err != nil {
		return nil, err
	}
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	k := Key{
		Description: deref(in.Description), Spec: specOf(in), Usage: cmp.Or(in.KeyUsage, types.KeyUsageTypeEncryptDecrypt),
		Policy: a.defaultPolicy(), Tags: tags,
	}
	m, err := a.make(&k)
	if err != nil {
		return nil, err
	}
	if in.Policy != nil {
		if err := a.setPolicy(ctx, &k, *in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
			return nil, err
		}
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*kms.CreateKeyOutput, error) {
		return &kms.CreateKeyOutput{KeyMetadata: a.metadata(k)}, a.put(tx, k, m)
	})
}

// make gives k what a new key has, and returns its first material.
func (a *API) make(k *Key) (Material, error) {
	k.ID, k.CreatedAt = id.UUID(), time.Now().UTC()
	m, err := a.newMaterial(*k, "")
	k.Material = m.ID
	return m, err
}

func (a *API) newMaterial(k Key, rotated types.RotationType) (Material, error) {
	secret, err := material.New(k.Spec)
	if err != nil {
		return Material{}, err
	}
	m := Material{KeyID: k.ID, ID: material.NewID(), CreatedAt: time.Now().UTC(), Rotated: rotated}
	m.Sealed = a.seal.Seal(m.key(), secret)
	return m, nil
}

func (a *API) put(tx store.Tx, k Key, m Material) error {
	if err := materials.Put(tx, m.key(), m); err != nil {
		return err
	}
	return Keys.Put(tx, k.ID, k)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// metadata is what answers say of a key.
func (a *API) metadata(k Key) *types.KeyMetadata {
	m := &types.KeyMetadata{
		AWSAccountId: &a.ns.Account, KeyId: &k.ID, Arn: new(a.keyARN(k.ID)), CreationDate: &k.CreatedAt, Enabled: k.state() == types.KeyStateEnabled,
		Description: &k.Description, KeyUsage: k.Usage, KeyState: k.state(), Origin: types.OriginTypeAwsKms, KeyManager: types.KeyManagerTypeCustomer,
		CustomerMasterKeySpec: types.CustomerMasterKeySpec(k.Spec), KeySpec: k.Spec, MultiRegion: new(false), //nolint:staticcheck // AWS answers both names
	}
	if k.Service != "" {
		m.KeyManager = types.KeyManagerTypeAws
	}
	if k.pending() {
		m.DeletionDate = &k.DeletedAt
	}
	if k.symmetric() {
		m.CurrentKeyMaterialId = &k.Material
	}
	switch k.Usage {
	case types.KeyUsageTypeEncryptDecrypt:
		m.EncryptionAlgorithms = material.Encryptions(k.Spec)
	case types.KeyUsageTypeSignVerify:
		m.SigningAlgorithms = material.Signings(k.Spec)
	case types.KeyUsageTypeGenerateVerifyMac:
		m.MacAlgorithms = material.Macs(k.Spec)
	case types.KeyUsageTypeKeyAgreement:
		m.KeyAgreementAlgorithms = material.Agreements(k.Spec)
	}
	return m
}

// DescribeKey tells of a key. An alias of a service makes that service's key.
func (a *API) DescribeKey(ctx context.Context, in *kms.DescribeKeyInput) (*kms.DescribeKeyOutput, error) {
	if err := a.ensureNamed(ctx, *in.KeyId); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.DescribeKeyOutput, error) {
		k, err := a.find(tx, *in.KeyId)
		if err != nil {
			return nil, err
		}
		return &kms.DescribeKeyOutput{KeyMetadata: a.metadata(k)}, a.tokens(tx, in.GrantTokens)
	})
}

// ListKeys lists all keys.
func (a *API) ListKeys(ctx context.Context, in *kms.ListKeysInput) (*kms.ListKeysOutput, error) {
	page, err := usualPages.Open(in.Limit, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.ListKeysOutput, error) {
		list, next, err := handler.Fill(page, Keys.Scan(tx, "", page.After), func(k Key) string { return k.ID })
		out := &kms.ListKeysOutput{Keys: []types.KeyListEntry{}, NextMarker: next, Truncated: next != nil}
		for _, k := range list {
			out.Keys = append(out.Keys, types.KeyListEntry{KeyId: &k.ID, KeyArn: new(a.keyARN(k.ID))})
		}
		return out, err
	})
}

// EnableKey lets a key be used again.
func (a *API) EnableKey(ctx context.Context, in *kms.EnableKeyInput) (*kms.EnableKeyOutput, error) {
	_, err := a.edit(ctx, in.KeyId, "EnableKey", func(_ store.Tx, k *Key) error {
		k.Disabled = false
		return a.staying(*k)
	})
	return &kms.EnableKeyOutput{}, err
}

// DisableKey lets nobody use a key.
func (a *API) DisableKey(ctx context.Context, in *kms.DisableKeyInput) (*kms.DisableKeyOutput, error) {
	_, err := a.edit(ctx, in.KeyId, "DisableKey", func(_ store.Tx, k *Key) error {
		k.Disabled = true
		return a.staying(*k)
	})
	return &kms.DisableKeyOutput{}, err
}

// UpdateKeyDescription changes a key's description.
func (a *API) UpdateKeyDescription(ctx context.Context, in *kms.UpdateKeyDescriptionInput) (*kms.UpdateKeyDescriptionOutput, error) {
	_, err := a.edit(ctx, in.KeyId, "UpdateKeyDescription", func(_ store.Tx, k *Key) error {
		k.Description = *in.Description
		return a.staying(*k)
	})
	return &kms.UpdateKeyDescriptionOutput{}, err
}

// The waiting period before a key is deleted, in days.
const minWindow, maxWindow, usualWindow = 7, 30, 30

// ScheduleKeyDeletion deletes a key after a waiting period, in which nobody can use it.
func (a *API) ScheduleKeyDeletion(ctx context.Context, in *kms.ScheduleKeyDeletionInput) (*kms.ScheduleKeyDeletionOutput, error) {
	days := int32(usualWindow)
	if in.PendingWindowInDays != nil {
		days = *in.PendingWindowInDays
	}
	if days < minWindow || days > maxWindow {
		return nil, invalid("PendingWindowInDays is %d: it must be between %d and %d.", days, minWindow, maxWindow)
	}
	at := time.Now().UTC().AddDate(0, 0, int(days))
	k, err := a.edit(ctx, in.KeyId, "ScheduleKeyDeletion", func(_ store.Tx, k *Key) error {
		if err := a.staying(*k); err != nil {
			return err
		}
		k.DeletedAt = at
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &kms.ScheduleKeyDeletionOutput{KeyId: new(a.keyARN(k.ID)), DeletionDate: &at, KeyState: k.state(), PendingWindowInDays: &days}, nil
}

// CancelKeyDeletion keeps a key, which is disabled then.
func (a *API) CancelKeyDeletion(ctx context.Context, in *kms.CancelKeyDeletionInput) (*kms.CancelKeyDeletionOutput, error) {
	k, err := a.edit(ctx, in.KeyId, "CancelKeyDeletion", func(_ store.Tx, k *Key) error {
		if !k.pending() {
			return &types.KMSInvalidStateException{Message: new(a.keyARN(k.ID) + " is not pending deletion.")}
		}
		k.DeletedAt, k.Disabled = time.Time{}, true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &kms.CancelKeyDeletionOutput{KeyId: new(a.keyARN(k.ID))}, nil
}
