// Package iam is the AWS Identity and Access Management API: users, groups and roles, and the policies that say what
// they may do, as records.
//
// Its operations are those of its parts, a package each. A secret is in no record: an access key's is sealed, and a
// password is hashed. What the front door must know of a caller it asks here: whose key it is, and what that user or
// role may do.
package iam

import (
	"context"
	"fmt"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/iam/account"
	"github.com/skylift/skylift/internal/service/iam/bearer"
	"github.com/skylift/skylift/internal/service/iam/policies"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/service/iam/roles"
	"github.com/skylift/skylift/internal/service/iam/simulate"
	"github.com/skylift/skylift/internal/service/iam/users"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for IAM.
type API struct {
	*account.Account
	*policies.Policies
	*roles.Roles
	*simulate.Simulator
	*users.Users

	db     store.DB
	sealer *seal.Sealer
	finder *bearer.Finder
}

// New returns the API of an account, which is 12 digits. Sealer seals the secrets of access keys.
func New(db store.DB, number string, sealer *seal.Sealer) *API {
	k := record.Kit{DB: db, Account: number}
	r, finder := roles.New(k), bearer.New(k)
	return &API{
		Account: account.New(k, r), Policies: policies.New(k), Roles: r, Simulator: simulate.New(finder), Users: users.New(k, sealer),
		db: db, sealer: sealer, finder: finder,
	}
}

// Operations lists what the API answers.
func (a *API) Operations() (all []wire.Operation) {
	for _, of := range []func() []wire.Operation{
		a.Account.Operations, a.Policies.Operations, a.Roles.Operations, a.Simulator.Operations, a.Users.Operations,
	} {
		all = append(all, of()...)
	}
	return wire.Known("iam:PermissionsBoundary", all)
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return record.Tables() }

// Bearer is a user or a role with what it may do.
type Bearer = bearer.Bearer

// Role is a role with who may assume it.
type Role = bearer.Role

// Key is an access key of a user.
type Key struct {
	ID     string // AKIA…
	Secret string
	User   string // name
	UserID string // AIDA…
	ARN    string // of the user
}

// String leaves the secret out.
func (k Key) String() string { return k.ID }

// GoString leaves the secret out.
func (k Key) GoString() string { return fmt.Sprintf("iam.Key{ID: %q}", k.ID) }

// Key returns an access key that is active; ok is false for any other.
func (a *API) Key(ctx context.Context, id string) (Key, bool, error) {
	k, err := handler.View(ctx, a.db, func(tx store.Tx) (k Key, err error) {
		r, there, err := handler.Find(tx, record.Keys, id)
		if err != nil || !there || !r.Active {
			return k, err
		}
		u, there, err := handler.Find(tx, record.Users, r.User)
		if err != nil || !there || u.ID != r.UserID {
			return k, err
		}
		secret, err := a.sealer.Open(r.ID, r.Sealed)
		if err != nil {
			return k, fmt.Errorf("open access key %s: %w", id, err)
		}
		return Key{ID: r.ID, Secret: string(secret), User: u.Name, UserID: u.ID, ARN: record.AsUser.ARN(record.Kit{Account: a.finder.Account}, &u.Entity)}, nil
	})
	return k, k.ID != "", err
}

// UserNamed returns the user with that name and what it may do; ok is false when there is none.
func (a *API) UserNamed(ctx context.Context, name string) (b Bearer, ok bool, err error) {
	err = a.db.View(ctx, func(tx store.Tx) (err error) {
		b, ok, err = a.finder.User(tx, name)
		return err
	})
	return b, ok, err
}

// RoleNamed returns the role with that name, what it may do and who may assume it; ok is false when there is none.
func (a *API) RoleNamed(ctx context.Context, name string) (r Role, ok bool, err error) {
	err = a.db.View(ctx, func(tx store.Tx) (err error) {
		r, ok, err = a.finder.Role(tx, name)
		return err
	})
	return r, ok, err
}

// Provider is an OpenID Connect provider.
type Provider struct {
	ARN         string
	Issuer      string // without "https://"
	Clients     []string
	Thumbprints []string
}

// ProviderOf returns the provider of an issuer, which is a URL without "https://"; ok is false when there is none.
func (a *API) ProviderOf(ctx context.Context, issuer string) (Provider, bool, error) {
	p, err := handler.View(ctx, a.db, func(tx store.Tx) (p Provider, err error) {
		r, there, err := handler.Find(tx, record.Providers, issuer)
		if err != nil || !there {
			return p, err
		}
		return Provider{record.Kit{Account: a.finder.Account}.ARN("oidc-provider/" + r.Issuer), r.Issuer, r.Clients, r.Thumbprints}, nil
	})
	return p, p.ARN != "", err
}
