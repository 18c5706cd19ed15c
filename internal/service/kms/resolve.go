package kms

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/kms/material"
	"github.com/skylift/skylift/internal/store"
)

// aliasPrefix begins every alias, and reserved those of services.
const (
	aliasPrefix = "alias/"
	reserved    = "alias/aws/"
)

var keyID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// find returns the key that ref names: by its id, its ARN, an alias or an alias's ARN.
func (a *API) find(tx store.Tx, ref string) (Key, error) {
	name, err := a.local(ref)
	if err != nil {
		return Key{}, err
	}
	if !strings.HasPrefix(name, aliasPrefix) {
		return a.byID(tx, name)
	}
	alias, err := handler.Get(tx, aliases, name, a.noAlias)
	if err != nil {
		return Key{}, err
	}
	return a.byID(tx, alias.KeyID)
}

// own is find for what administers a key, which takes no alias.
func (a *API) own(tx store.Tx, ref string) (Key, error) {
	name, err := a.local(ref)
	if err != nil {
		return Key{}, err
	}
	return a.byID(tx, name)
}

func (a *API) byID(tx store.Tx, id string) (Key, error) {
	if !keyID.MatchString(id) {
		return Key{}, notFound("Invalid keyId '%s'", id)
	}
	return handler.Get(tx, Keys, id, a.noKey)
}

func (a *API) noAlias(name string) error {
	return notFound("Alias %s is not found.", a.ns.ARN("kms", name))
}

// local returns the id or the alias in ref, which may be an ARN.
func (a *API) local(ref string) (string, error) {
	if !strings.HasPrefix(ref, "arn:") {
		return ref, nil
	}
	r, err := arn.Parse(ref)
	switch {
	case err != nil || r.Service != "kms":
		return "", &types.InvalidArnException{Message: new("Invalid arn " + ref)}
	case r.Region != a.ns.Region:
		return "", notFound("Invalid arn %s", r.Region)
	case r.Account != a.ns.Account:
		return "", notFound("Key '%s' does not exist", ref)
	case strings.HasPrefix(r.Resource, aliasPrefix):
		return r.Resource, nil
	}
	id, ok := strings.CutPrefix(r.Resource, "key/")
	if !ok {
		return "", &types.InvalidArnException{Message: new("Invalid arn " + ref)}
	}
	return id, nil
}

// editable refuses a change of a key that a service manages. On AWS its policy lets
// nobody do that.
func (a *API) editable(ctx context.Context, k Key, action string) error {
	if k.Service == "" {
		return nil
	}
	return awserr.New("AccessDeniedException", "User: %s is not authorized to perform: kms:%s on resource: %s because no resource-based policy allows the kms:%s action",
		caller.From(ctx).ARN, action, a.keyARN(k.ID), action)
}

// usable refuses the use of a key that is not enabled.
func (a *API) usable(k Key) error {
	switch k.state() {
	case types.KeyStateDisabled:
		return &types.DisabledException{Message: new(a.keyARN(k.ID) + " is disabled.")}
	case types.KeyStatePendingDeletion:
		return a.isPending(k)
	}
	return nil
}

// staying refuses what can't be done with a key that is to be deleted.
func (a *API) staying(k Key) error {
	if k.pending() {
		return a.isPending(k)
	}
	return nil
}

func (a *API) isPending(k Key) error {
	return &types.KMSInvalidStateException{Message: new(a.keyARN(k.ID) + " is pending deletion.")}
}

// keysNamed returns the ids of the keys that refs name: whoever uses a key by an
// alias must be allowed to use the key.
func (a *API) keysNamed(ctx context.Context, refs []string) (ids []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error { // the handler says what can't be read
		ids = nil
		for _, ref := range refs {
			if k, err := a.find(tx, ref); err == nil {
				ids = append(ids, k.ID)
			}
		}
		return nil
	})
	return ids
}

// aliasesNamed returns the ARNs of the aliases that names mean, which begin with "alias/".
func (a *API) aliasesNamed(_ context.Context, names []string) (arns []string) {
	for _, name := range names {
		arns = append(arns, a.ns.ARN("kms", name))
	}
	return arns
}

// decrypting, reEncrypting and retiring return the ARN of the key that a call is about without naming it: that which made the
// ciphertext, or that of the grant. A token counts even beside a key's id.
func (a *API) decrypting(in *kms.DecryptInput) []string {
	return a.sealing(in.KeyId, in.CiphertextBlob)
}

func (a *API) reEncrypting(in *kms.ReEncryptInput) []string {
	return a.sealing(in.SourceKeyId, in.CiphertextBlob)
}

func (a *API) sealing(named *string, blob []byte) []string {
	b, ok := material.ParseBlob(blob)
	if named != nil || !ok {
		return nil
	}
	return []string{a.keyARN(idOf(b.Key))}
}

func (a *API) retiring(in *kms.RetireGrantInput) []string {
	id, _ := tokenOf(deref(in.GrantToken))
	if !keyID.MatchString(id) {
		return nil
	}
	return []string{a.keyARN(id)}
}

// edit changes the key that ref names, unless a service manages it.
func (a *API) edit(ctx context.Context, ref *string, action string, change func(tx store.Tx, k *Key) error) (Key, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (Key, error) {
		k, err := a.own(tx, *ref)
		if err != nil {
			return k, err
		}
		if err := a.editable(ctx, k, action); err != nil {
			return k, err
		}
		if err := change(tx, &k); err != nil {
			return k, err
		}
		return k, Keys.Put(tx, k.ID, k)
	})
}
