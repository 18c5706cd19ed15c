package users

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// maxKeys is a quota (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxKeys = 2

func (a *Users) keyOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateAccessKey", a.CreateAccessKey).OnFound(oneself, a.found).Takes("UserName"),
		wire.Op("DeleteAccessKey", a.DeleteAccessKey).OnFound(oneself, a.found).Takes("AccessKeyId UserName"),
		wire.Op("GetAccessKeyLastUsed", a.GetAccessKeyLastUsed).OnFound("user: AccessKeyId", a.owners).Takes("AccessKeyId"),
		wire.Op("ListAccessKeys", a.ListAccessKeys).OnFound(oneself, a.found).Takes("Marker MaxItems UserName"),
		wire.Op("UpdateAccessKey", a.UpdateAccessKey).OnFound(oneself, a.found).Takes("AccessKeyId Status UserName"),
	}
}

// owners finds the ARNs of the users that have access keys.
func (a *Users) owners(ctx context.Context, ids []string) (arns []string) {
	_ = a.DB.View(ctx, func(tx store.Tx) error { // the handler says that it isn't there
		for _, id := range ids {
			if k, there, err := handler.Find(tx, record.Keys, id); err == nil && there {
				arns = append(arns, record.AsUser.Found(tx, a.Kit, []string{k.User})...)
			}
		}
		return nil
	})
	return arns
}

func noKey(id string) error {
	return record.NoSuch("The Access Key with id %s cannot be found.", id)
}

// CreateAccessKey makes a key pair. Its secret is in the answer and nowhere else to be read: the record has it sealed.
func (a *Users) CreateAccessKey(ctx context.Context, in *iam.CreateAccessKeyInput) (*iam.CreateAccessKeyOutput, error) {
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	key, secret := id.AccessKey("AKIA", a.Account), id.SecretKey()
	k := record.Key{ID: key, Sealed: a.sealer.Seal(key, []byte(secret)), Active: true, Created: record.Now()}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreateAccessKeyOutput, error) {
		u, err := record.AsUser.Get(tx, name)
		if err != nil {
			return nil, err
		}
		has, err := record.Keys.By(tx, "user", record.ID(u.Name))
		if err != nil {
			return nil, err
		}
		if len(has) >= maxKeys {
			return nil, record.Exceeds("Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
		}
		k.User, k.UserID = record.ID(u.Name), u.ID
		return &iam.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
			AccessKeyId: &k.ID, SecretAccessKey: &secret, Status: types.StatusTypeActive, UserName: &u.Name, CreateDate: &k.Created,
		}}, record.Keys.Put(tx, k.ID, k)
	})
}

// key returns a user's key.
func key(tx store.Tx, user, id string) (record.User, record.Key, error) {
	u, err := record.AsUser.Get(tx, user)
	if err != nil {
		return u, record.Key{}, err
	}
	k, err := handler.Get(tx, record.Keys, id, noKey)
	if err == nil && k.User != record.ID(u.Name) {
		err = noKey(id)
	}
	return u, k, err
}

// UpdateAccessKey makes a key good, or no good.
func (a *Users) UpdateAccessKey(ctx context.Context, in *iam.UpdateAccessKeyInput) (*iam.UpdateAccessKeyOutput, error) {
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.UpdateAccessKeyOutput, error) {
		_, k, err := key(tx, name, *in.AccessKeyId)
		if err != nil {
			return nil, err
		}
		k.Active = in.Status == types.StatusTypeActive
		return &iam.UpdateAccessKeyOutput{}, record.Keys.Put(tx, k.ID, k)
	})
}

// DeleteAccessKey deletes a key.
func (a *Users) DeleteAccessKey(ctx context.Context, in *iam.DeleteAccessKeyInput) (*iam.DeleteAccessKeyOutput, error) {
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeleteAccessKeyOutput, error) {
		_, k, err := key(tx, name, *in.AccessKeyId)
		if err != nil {
			return nil, err
		}
		if err := record.Uses.Delete(tx, k.ID); err != nil {
			return nil, err
		}
		return &iam.DeleteAccessKeyOutput{}, record.Keys.Delete(tx, k.ID)
	})
}

// ListAccessKeys lists a user's keys, without their secrets.
func (a *Users) ListAccessKeys(ctx context.Context, in *iam.ListAccessKeysInput) (*iam.ListAccessKeysOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListAccessKeysOutput, error) {
		u, err := record.AsUser.Get(tx, name)
		if err != nil {
			return nil, err
		}
		keys, err := record.Keys.By(tx, "user", record.ID(u.Name))
		part, next := handler.Cut(page, keys, func(k record.Key) string { return k.ID })
		out := &iam.ListAccessKeysOutput{IsTruncated: next != nil, Marker: next, AccessKeyMetadata: []types.AccessKeyMetadata{}}
		for _, k := range part {
			out.AccessKeyMetadata = append(out.AccessKeyMetadata, types.AccessKeyMetadata{AccessKeyId: &k.ID, CreateDate: &k.Created, Status: status(k), UserName: &u.Name})
		}
		return out, err
	})
}

func status(k record.Key) types.StatusType {
	if k.Active {
		return types.StatusTypeActive
	}
	return types.StatusTypeInactive
}

// GetAccessKeyLastUsed says when a key was last used, for what.
func (a *Users) GetAccessKeyLastUsed(ctx context.Context, in *iam.GetAccessKeyLastUsedInput) (*iam.GetAccessKeyLastUsedOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetAccessKeyLastUsedOutput, error) {
		k, err := handler.Get(tx, record.Keys, *in.AccessKeyId, noKey)
		if err != nil {
			return nil, err
		}
		u, err := record.AsUser.Get(tx, k.User)
		if err != nil {
			return nil, err
		}
		out := &iam.GetAccessKeyLastUsedOutput{UserName: &u.Name, AccessKeyLastUsed: &types.AccessKeyLastUsed{ServiceName: new("N/A"), Region: new("N/A")}}
		use, used, err := handler.Find(tx, record.Uses, k.ID)
		if used {
			out.AccessKeyLastUsed = &types.AccessKeyLastUsed{LastUsedDate: &use.At, ServiceName: &use.Service, Region: &use.Region}
		}
		return out, err
	})
}

// useEvery is how often the use of a key or role is written down at most.
const useEvery = 15 * time.Minute

// Used notes that an access key or, as "role/" and its name in lower case, a role was used.
func (a *Users) Used(ctx context.Context, key, service, region string) error {
	now := record.Now()
	known, err := handler.View(ctx, a.DB, func(tx store.Tx) (bool, error) {
		u, there, err := handler.Find(tx, record.Uses, key)
		return there && now.Sub(u.At) < useEvery && u.Service == service && u.Region == region, err
	})
	if known || err != nil {
		return err
	}
	return a.DB.Update(ctx, func(tx store.Tx) error {
		if _, there, err := handler.Find(tx, record.Keys, key); err != nil || !there && len(key) > 5 && key[:5] != "role/" {
			return err // it was deleted meanwhile
		}
		return record.Uses.Put(tx, key, record.Use{At: now, Service: service, Region: region})
	})
}
