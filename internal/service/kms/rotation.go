package kms

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

const (
	// usualPeriod is how many days are between automatic rotations.
	usualPeriod = 365
	// maxOnDemand is how often a rotation of one key can be asked for
	// (https://docs.aws.amazon.com/kms/latest/developerguide/rotating-keys-on-demand.html).
	maxOnDemand = 25
)

// rotates refuses keys that have no rotation.
func (a *API) rotates(k Key) error {
	if !k.symmetric() {
		return unsupported("%s is not a symmetric encryption key, which alone can be rotated.", a.keyARN(k.ID))
	}
	return nil
}

// EnableKeyRotation lets a key get new material once a period.
func (a *API) EnableKeyRotation(ctx context.Context, in *kms.EnableKeyRotationInput) (*kms.EnableKeyRotationOutput, error) {
	now := time.Now().UTC()
	_, err := a.edit(ctx, in.KeyId, "EnableKeyRotation", func(_ store.Tx, k *Key) error {
		if err := a.rotates(*k); err != nil {
			return err
		}
		if err := a.usable(*k); err != nil {
			return err
		}
		days := cmp.Or(k.Rotation.Days, usualPeriod)
		if in.RotationPeriodInDays != nil {
			days = *in.RotationPeriodInDays
		}
		if days != k.Rotation.Days {
			k.Rotation.Days, k.Rotation.Next = days, now.AddDate(0, 0, int(days))
		}
		return nil
	})
	return &kms.EnableKeyRotationOutput{}, err
}

// DisableKeyRotation ends that.
func (a *API) DisableKeyRotation(ctx context.Context, in *kms.DisableKeyRotationInput) (*kms.DisableKeyRotationOutput, error) {
	_, err := a.edit(ctx, in.KeyId, "DisableKeyRotation", func(_ store.Tx, k *Key) error {
		if err := a.rotates(*k); err != nil {
			return err
		}
		k.Rotation.Days, k.Rotation.Next = 0, time.Time{}
		return a.usable(*k)
	})
	return &kms.DisableKeyRotationOutput{}, err
}

// GetKeyRotationStatus says when a key gets new material.
func (a *API) GetKeyRotationStatus(ctx context.Context, in *kms.GetKeyRotationStatusInput) (*kms.GetKeyRotationStatusOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.GetKeyRotationStatusOutput, error) {
		k, err := a.own(tx, *in.KeyId)
		if err != nil {
			return nil, err
		}
		out := &kms.GetKeyRotationStatusOutput{KeyId: new(a.keyARN(k.ID))}
		if k.Rotation.Days > 0 && !k.pending() {
			out.KeyRotationEnabled, out.RotationPeriodInDays, out.NextRotationDate = true, &k.Rotation.Days, &k.Rotation.Next
		}
		return out, nil
	})
}

// RotateKeyOnDemand gives a key new material at once. What the old one encrypted
// can be decrypted as before.
func (a *API) RotateKeyOnDemand(ctx context.Context, in *kms.RotateKeyOnDemandInput) (*kms.RotateKeyOnDemandOutput, error) {
	k, err := handler.View(ctx, a.db, func(tx store.Tx) (Key, error) { return a.own(tx, *in.KeyId) })
	if err != nil {
		return nil, err
	}
	if err := a.rotates(k); err != nil {
		return nil, err
	}
	m, err := a.newMaterial(k, types.RotationTypeOnDemand)
	if err != nil {
		return nil, err
	}
	_, err = a.edit(ctx, in.KeyId, "RotateKeyOnDemand", func(tx store.Tx, k *Key) error {
		if err := a.usable(*k); err != nil {
			return err
		}
		if k.Rotation.OnDemand >= maxOnDemand {
			return &types.LimitExceededException{Message: new("A key can be rotated on demand at most 25 times.")}
		}
		k.Material = m.ID
		k.Rotation.OnDemand++
		return materials.Put(tx, m.key(), m)
	})
	return &kms.RotateKeyOnDemandOutput{KeyId: new(a.keyARN(k.ID))}, err
}

// ListKeyRotations lists when a key got new material, newest first, and its first
// material if that is asked for.
func (a *API) ListKeyRotations(ctx context.Context, in *kms.ListKeyRotationsInput) (*kms.ListKeyRotationsOutput, error) {
	page, err := usualPages.Open(in.Limit, in.Marker, in.KeyId, in.IncludeKeyMaterial)
	if err != nil {
		return nil, err
	}
	page.Descending = true
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.ListKeyRotationsOutput, error) {
		k, err := a.own(tx, *in.KeyId)
		if err != nil {
			return nil, err
		}
		if err := a.rotates(k); err != nil {
			return nil, err
		}
		all, err := materials.List(tx, k.ID+"/")
		if err != nil {
			return nil, err
		}
		if in.IncludeKeyMaterial != types.IncludeKeyMaterialAllKeyMaterial {
			all = slices.DeleteFunc(all, func(m Material) bool { return m.Rotated == "" })
		}
		list, next := handler.Cut(page, all, func(m Material) string { return m.CreatedAt.Format("20060102150405.000000000") + m.ID })
		out := &kms.ListKeyRotationsOutput{Rotations: []types.RotationsListEntry{}, NextMarker: next, Truncated: next != nil}
		for _, m := range list {
			e := types.RotationsListEntry{KeyId: new(a.keyARN(k.ID)), KeyMaterialId: &m.ID, KeyMaterialState: types.KeyMaterialStateNonCurrent}
			if m.ID == k.Material {
				e.KeyMaterialState = types.KeyMaterialStateCurrent
			}
			if m.Rotated != "" {
				e.RotationDate, e.RotationType = &m.CreatedAt, m.Rotated
			}
			out.Rotations = append(out.Rotations, e)
		}
		return out, nil
	})
}

// Due does with a key what its time has come for: it deletes it after its waiting
// period, with all that it has, or gives it new material. It returns how long it is
// until it must be called again; 0 is never.
func (a *API) Due(ctx context.Context, id string) (again time.Duration, err error) {
	now := time.Now().UTC()
	var m Material
	k, err := handler.View(ctx, a.db, func(tx store.Tx) (Key, error) {
		k, _, err := handler.Find(tx, Keys, id)
		return k, err
	})
	if err != nil || k.ID == "" {
		return 0, err
	}
	if k.rotationDue(now) {
		if m, err = a.newMaterial(k, types.RotationTypeAutomatic); err != nil {
			return 0, err
		}
	}
	return handler.Update(store.Freeing(ctx), a.db, func(tx store.Tx) (time.Duration, error) {
		k, there, err := handler.Find(tx, Keys, id)
		switch {
		case err != nil || !there:
			return 0, err
		case k.pending() && !now.Before(k.DeletedAt):
			return 0, remove(tx, id)
		case k.pending():
			return k.DeletedAt.Sub(now), nil
		case k.rotationDue(now) && m.ID != "":
			for k.rotationDue(now) {
				k.Rotation.Next = k.Rotation.Next.AddDate(0, 0, int(k.Rotation.Days))
			}
			k.Material = m.ID
			return k.Rotation.Next.Sub(now), a.put(tx, k, m)
		case k.Rotation.Days > 0 && !k.Disabled:
			return max(k.Rotation.Next.Sub(now), time.Second), nil
		}
		return 0, nil
	})
}

func (k *Key) rotationDue(now time.Time) bool {
	return k.Rotation.Days > 0 && k.state() == types.KeyStateEnabled && !now.Before(k.Rotation.Next)
}

// remove deletes a key and all that is its.
func remove(tx store.Tx, id string) error {
	all, err := materials.List(tx, id+"/")
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := materials.Delete(tx, m.key()); err != nil {
			return err
		}
	}
	given, err := grants.List(tx, id+"/")
	if err != nil {
		return err
	}
	for _, g := range given {
		if err := grants.Delete(tx, g.key()); err != nil {
			return err
		}
	}
	names, err := aliases.By(tx, "key", id)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := aliases.Delete(tx, n.Name); err != nil {
			return err
		}
	}
	return Keys.Delete(tx, id)
}
