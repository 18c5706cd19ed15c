package kms

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// maxAliases is how many aliases a key may have
// (https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html).
const maxAliases = 50

func aliasFault(name string) error {
	switch {
	case !strings.HasPrefix(name, aliasPrefix):
		return invalid(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case name == aliasPrefix:
		return &types.InvalidAliasNameException{Message: new("Alias name must not be empty.")}
	case strings.HasPrefix(name, reserved):
		return &types.InvalidAliasNameException{Message: new("Aliases that begin with alias/aws/ are reserved for AWS managed keys.")}
	case strings.Contains(name, ":"):
		return invalid("%s contains invalid characters for an alias", name)
	}
	return nil
}

// target returns the key that an alias is to stand for.
func (a *API) target(ctx context.Context, tx store.Tx, ref, action string) (Key, error) {
	k, err := a.own(tx, ref)
	if err != nil {
		return k, err
	}
	if err := a.editable(ctx, k, action); err != nil {
		return k, err
	}
	if err := a.staying(k); err != nil {
		return k, err
	}
	n := 0
	for range aliases.Keys(tx, "key", k.ID, "") {
		n++
	}
	if n >= maxAliases {
		return k, &types.LimitExceededException{Message: new("A key can have at most 50 aliases.")}
	}
	return k, nil
}

// CreateAlias gives a key another name.
func (a *API) CreateAlias(ctx context.Context, in *kms.CreateAliasInput) (*kms.CreateAliasOutput, error) {
	name, now := *in.AliasName, time.Now().UTC()
	if err := aliasFault(name); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*kms.CreateAliasOutput, error) {
		_, there, err := handler.Find(tx, aliases, name)
		if err != nil {
			return nil, err
		}
		if there {
			return nil, &types.AlreadyExistsException{Message: new("An alias with the name " + a.ns.ARN("kms", name) + " already exists")}
		}
		k, err := a.target(ctx, tx, *in.TargetKeyId, "CreateAlias")
		if err != nil {
			return nil, err
		}
		return &kms.CreateAliasOutput{}, aliases.Put(tx, name, Alias{Name: name, KeyID: k.ID, CreatedAt: now, UpdatedAt: now})
	})
}

// UpdateAlias lets an alias stand for another key, of the same kind and usage.
func (a *API) UpdateAlias(ctx context.Context, in *kms.UpdateAliasInput) (*kms.UpdateAliasOutput, error) {
	name, now := *in.AliasName, time.Now().UTC()
	if err := aliasFault(name); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*kms.UpdateAliasOutput, error) {
		alias, err := handler.Get(tx, aliases, name, a.noAlias)
		if err != nil {
			return nil, err
		}
		k, err := a.target(ctx, tx, *in.TargetKeyId, "UpdateAlias")
		if err != nil {
			return nil, err
		}
		old, err := a.byID(tx, alias.KeyID)
		if err != nil {
			return nil, err
		}
		if old.symmetric() != k.symmetric() || old.Usage != k.Usage {
			return nil, invalid("Alias %s cannot be changed to a key of another type or usage.", name)
		}
		alias.KeyID, alias.UpdatedAt = k.ID, now
		return &kms.UpdateAliasOutput{}, aliases.Put(tx, name, alias)
	})
}

// DeleteAlias takes a name from a key.
func (a *API) DeleteAlias(ctx context.Context, in *kms.DeleteAliasInput) (*kms.DeleteAliasOutput, error) {
	if err := aliasFault(*in.AliasName); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*kms.DeleteAliasOutput, error) {
		if _, err := handler.Get(tx, aliases, *in.AliasName, a.noAlias); err != nil {
			return nil, err
		}
		return &kms.DeleteAliasOutput{}, aliases.Delete(tx, *in.AliasName)
	})
}

// ListAliases lists the aliases of all keys, or of one. Its limit is 100 on a page.
func (a *API) ListAliases(ctx context.Context, in *kms.ListAliasesInput) (*kms.ListAliasesOutput, error) {
	page, err := pages(50, 100).Open(in.Limit, in.Marker, in.KeyId)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.ListAliasesOutput, error) {
		all := aliases.Scan(tx, "", page.After)
		if in.KeyId != nil {
			k, err := a.own(tx, *in.KeyId)
			if err != nil {
				return nil, err
			}
			all = handler.Keep(all, func(alias Alias) bool { return alias.KeyID == k.ID })
		}
		list, next, err := handler.Fill(page, all, func(alias Alias) string { return alias.Name })
		out := &kms.ListAliasesOutput{Aliases: []types.AliasListEntry{}, NextMarker: next, Truncated: next != nil}
		for _, l := range list {
			out.Aliases = append(out.Aliases, types.AliasListEntry{
				AliasName: &l.Name, AliasArn: new(a.ns.ARN("kms", l.Name)), TargetKeyId: &l.KeyID, CreationDate: &l.CreatedAt, LastUpdatedDate: &l.UpdatedAt,
			})
		}
		return out, err
	})
}
