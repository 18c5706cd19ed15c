package kms

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/kms/material"
	"github.com/skylift/skylift/internal/store"
)

// grantUses are the operations of a grant that need a key's usage; the others go
// with every one.
var grantUses = map[types.KeyUsageType][]types.GrantOperation{
	types.KeyUsageTypeEncryptDecrypt: {
		types.GrantOperationDecrypt, types.GrantOperationEncrypt, types.GrantOperationReEncryptFrom, types.GrantOperationReEncryptTo,
		types.GrantOperationGenerateDataKey, types.GrantOperationGenerateDataKeyWithoutPlaintext,
		types.GrantOperationGenerateDataKeyPair, types.GrantOperationGenerateDataKeyPairWithoutPlaintext,
	},
	types.KeyUsageTypeSignVerify:        {types.GrantOperationSign, types.GrantOperationVerify},
	types.KeyUsageTypeGenerateVerifyMac: {types.GrantOperationGenerateMac, types.GrantOperationVerifyMac},
	types.KeyUsageTypeKeyAgreement:      {types.GrantOperationDeriveSharedSecret},
}

// grantFault says which operation a key can't be granted for.
func grantFault(k Key, operations []types.GrantOperation) error {
	for usage, needing := range grantUses {
		for _, op := range operations {
			if usage != k.Usage && slices.Contains(needing, op) {
				return invalid("Operation %s is not supported for a key with the usage %s.", op, k.Usage)
			}
		}
	}
	if k.Spec == types.KeySpecSymmetricDefault && slices.Contains(operations, types.GrantOperationGetPublicKey) {
		return invalid("Operation GetPublicKey is not supported for a symmetric key.")
	}
	return nil
}

// CreateGrant lets a principal use a key. One that has the name, the grantee and
// all else of an earlier one is that one.
func (a *API) CreateGrant(ctx context.Context, in *kms.CreateGrantInput) (*kms.CreateGrantOutput, error) {
	g := Grant{
		ID: material.NewID(), Name: deref(in.Name), CreatedAt: time.Now().UTC(), Issuer: caller.From(ctx).ARN,
		Grantee: *in.GranteePrincipal, Retiring: deref(in.RetiringPrincipal), Operations: in.Operations, Constraints: in.Constraints,
	}
	var err error
	if g.GranteeID, err = a.idOf(ctx, g.Grantee); err == nil && g.Retiring != "" {
		g.RetiringID, err = a.idOf(ctx, g.Retiring)
	}
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*kms.CreateGrantOutput, error) {
		k, err := a.own(tx, *in.KeyId)
		if err != nil {
			return nil, err
		}
		g.KeyID = k.ID
		if err := a.editable(ctx, k, "CreateGrant"); err != nil {
			return nil, err
		}
		if err := a.usable(k); err != nil {
			return nil, err
		}
		if err := grantFault(k, in.Operations); err != nil {
			return nil, err
		}
		if err := a.tokens(tx, in.GrantTokens); err != nil {
			return nil, err
		}
		if err := dry(in.DryRun); err != nil {
			return nil, err
		}
		same, err := earlier(tx, g)
		if err != nil || same != "" {
			return grantOutput(k.ID, same), err
		}
		return grantOutput(k.ID, g.ID), grants.Put(tx, g.key(), g)
	})
}

// idOf returns the unique id of somebody whom a grant names; "" when only an ARN says who it is.
func (a *API) idOf(ctx context.Context, principal string) (string, error) {
	id, err := document.IDOf(ctx, principal, a.ns.Account, a.who)
	if errors.Is(err, document.ErrNobody) {
		return "", &types.InvalidArnException{Message: new("ARN does not refer to a valid principal: " + principal)}
	}
	return id, err
}

func grantOutput(key, id string) *kms.CreateGrantOutput {
	return &kms.CreateGrantOutput{GrantId: &id, GrantToken: new(base64.RawURLEncoding.EncodeToString([]byte(key + "/" + id)))}
}

// earlier returns the id of the grant that g repeats, if it has a name.
func earlier(tx store.Tx, g Grant) (string, error) {
	if g.Name == "" {
		return "", nil
	}
	for has, err := range grants.Peek(tx, g.KeyID+"/") {
		if err != nil {
			return "", err
		}
		again := *has
		again.ID, again.CreatedAt = g.ID, g.CreatedAt
		if reflect.DeepEqual(again, g) {
			return has.ID, nil
		}
	}
	return "", nil
}

// granted returns the grant that a token stands for.
func granted(tx store.Tx, token string) (Grant, error) {
	bad := &types.InvalidGrantTokenException{Message: new("Invalid grant token.")}
	key, id := tokenOf(token)
	if key == "" {
		return Grant{}, bad
	}
	return handler.Get(tx, grants, key+"/"+id, func(string) error { return bad })
}

// tokenOf returns what a grant's token says: the ids of its key and its own; "" when it says nothing.
func tokenOf(token string) (key, id string) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", ""
	}
	key, id, _ = strings.Cut(string(text), "/")
	return key, id
}

// tokens refuses tokens that stand for no grant. A grant counts from the moment
// that it is there, so that a token adds nothing to it.
func (a *API) tokens(tx store.Tx, tokens []string) error {
	for _, t := range tokens {
		if _, err := granted(tx, t); err != nil {
			return err
		}
	}
	return nil
}

// ListGrants lists the grants of a key.
func (a *API) ListGrants(ctx context.Context, in *kms.ListGrantsInput) (*kms.ListGrantsOutput, error) {
	page, err := pages(50, 100).Open(in.Limit, in.Marker, in.KeyId, in.GrantId, in.GranteePrincipal)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.ListGrantsOutput, error) {
		k, err := a.own(tx, *in.KeyId)
		if err != nil {
			return nil, err
		}
		if in.GrantId != nil {
			if _, err := handler.Get(tx, grants, k.ID+"/"+*in.GrantId, noGrant); err != nil {
				return nil, err
			}
		}
		fits := func(g Grant) bool {
			return (in.GrantId == nil || g.ID == *in.GrantId) && (in.GranteePrincipal == nil || g.Grantee == *in.GranteePrincipal)
		}
		list, next, err := a.listGrants(page, handler.Keep(grants.Scan(tx, k.ID+"/", page.After), fits))
		return &kms.ListGrantsOutput{Grants: list, NextMarker: next, Truncated: next != nil}, err
	})
}

// ListRetirableGrants lists the grants that a principal may retire.
func (a *API) ListRetirableGrants(ctx context.Context, in *kms.ListRetirableGrantsInput) (*kms.ListRetirableGrantsOutput, error) {
	page, err := pages(50, 100).Open(in.Limit, in.Marker, in.RetiringPrincipal)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.ListRetirableGrantsOutput, error) {
		list, next, err := a.listGrants(page, func(yield func(Grant, error) bool) {
			for key := range grants.Keys(tx, "retiring", *in.RetiringPrincipal, page.After) {
				if g, err := grants.Get(tx, key); !yield(g, err) {
					return
				}
			}
		})
		return &kms.ListRetirableGrantsOutput{Grants: list, NextMarker: next, Truncated: next != nil}, err
	})
}

func (a *API) listGrants(page handler.Page, all iter.Seq2[Grant, error]) ([]types.GrantListEntry, *string, error) {
	list, next, err := handler.Fill(page, all, Grant.key)
	out := []types.GrantListEntry{}
	for _, g := range list {
		e := types.GrantListEntry{
			KeyId: new(a.keyARN(g.KeyID)), GrantId: &g.ID, Name: &g.Name, CreationDate: &g.CreatedAt, GranteePrincipal: &g.Grantee,
			IssuingAccount: new(a.root()), Operations: g.Operations, Constraints: g.Constraints,
		}
		if g.Retiring != "" {
			e.RetiringPrincipal = &g.Retiring
		}
		out = append(out, e)
	}
	return out, next, err
}

func noGrant(key string) error {
	return notFound("Grant %s not found", key[len(key)-min(len(key), 64):])
}

// RevokeGrant ends a grant.
func (a *API) RevokeGrant(ctx context.Context, in *kms.RevokeGrantInput) (*kms.RevokeGrantOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*kms.RevokeGrantOutput, error) {
		return &kms.RevokeGrantOutput{}, a.endGrant(tx, in.KeyId, in.GrantId, in.DryRun)
	})
}

func (a *API) endGrant(tx store.Tx, key, id *string, dryRun *bool) error {
	k, err := a.own(tx, *key)
	if err != nil {
		return err
	}
	g, err := handler.Get(tx, grants, k.ID+"/"+*id, noGrant)
	if err != nil {
		return err
	}
	if err := dry(dryRun); err != nil {
		return err
	}
	return grants.Delete(tx, g.key())
}

// RetireGrant ends a grant, which a token or its key and id name.
func (a *API) RetireGrant(ctx context.Context, in *kms.RetireGrantInput) (*kms.RetireGrantOutput, error) {
	if (in.GrantToken == nil) == (in.GrantId == nil || in.KeyId == nil) {
		return nil, invalid("Specify a grant token, or a key ARN and a grant ID.")
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*kms.RetireGrantOutput, error) {
		key, id := in.KeyId, in.GrantId
		if in.GrantToken != nil {
			g, err := granted(tx, *in.GrantToken)
			if err != nil {
				return nil, err
			}
			key, id = &g.KeyID, &g.ID
		}
		return &kms.RetireGrantOutput{}, a.endGrant(tx, key, id, in.DryRun)
	})
}
