package kms

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/kms/material"
	"github.com/skylift/skylift/internal/store"
)

// use is what a call wants of a key.
type use struct {
	action string
	usage  types.KeyUsageType
	tokens []string
	dry    *bool
	via    string // the service that does it; "" for the caller itself
	// context is the encryption context of what a service does.
	context map[string]string
}

// opened is a key with its secret, for the length of a call.
type opened struct {
	Key
	id     string // of the material
	secret []byte
}

// open returns the key that ref names with its current material, or with that of
// the id, if the use is allowed.
func (a *API) open(ctx context.Context, ref, id string, u use) (opened, error) {
	var o opened
	if err := a.judged(ctx, ref, u); err != nil {
		return o, err
	}
	m, err := handler.View(ctx, a.db, func(tx store.Tx) (m Material, err error) {
		if o.Key, err = a.find(tx, ref); err != nil {
			return m, err
		}
		if err := a.allowed(ctx, tx, o.Key, u); err != nil {
			return m, err
		}
		o.id = o.Material
		if id != "" {
			o.id = id
		}
		return handler.Get(tx, materials, materialKey(o.ID, o.id), func(string) error { return &types.InvalidCiphertextException{} })
	})
	if err != nil {
		return o, err
	}
	if o.secret, err = a.seal.Open(m.key(), m.Sealed); err != nil {
		return o, fmt.Errorf("open the material of key %s: %w", o.ID, err)
	}
	return o, nil
}

// judged asks whether a service may use the key for its caller. A service's own key is everybody's who may use the service.
// (https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html)
func (a *API) judged(ctx context.Context, ref string, u use) error {
	if u.via == "" {
		return nil
	}
	k, err := handler.View(ctx, a.db, func(tx store.Tx) (Key, error) { return a.find(tx, ref) })
	if err != nil || k.Service == u.via {
		return err
	}
	keys := map[string][]string{
		"kms:ViaService": {u.via + "." + a.ns.Region + ".amazonaws.com"}, "kms:CallerAccount": {a.ns.Account},
		"kms:EncryptionAlgorithm": {string(symmetricDefault)}, "kms:KeySpec": {string(k.Spec)}, "kms:KeyUsage": {string(k.Usage)},
		"kms:EncryptionContextKeys": slices.Sorted(maps.Keys(u.context)),
	}
	for name, value := range u.context {
		keys["kms:EncryptionContext:"+name] = []string{value}
	}
	return caller.Allowed(ctx, "kms:"+u.action, a.keyARN(k.ID), keys)
}

func (a *API) allowed(ctx context.Context, tx store.Tx, k Key, u use) error {
	if u.via == "" || k.Service != "" && k.Service != u.via {
		if err := a.editable(ctx, k, u.action); err != nil {
			return err
		}
	}
	if err := a.usable(k); err != nil {
		return err
	}
	if k.Usage != u.usage {
		return &types.InvalidKeyUsageException{Message: new(fmt.Sprintf("%s key usage is %s which is not valid for %s.", a.keyARN(k.ID), k.Usage, u.action))}
	}
	if err := a.tokens(tx, u.tokens); err != nil {
		return err
	}
	return dry(u.dry)
}

func dry(run *bool) error {
	if run != nil && *run {
		return &types.DryRunOperationException{Message: new("The request would have succeeded, but the DryRun option is set.")}
	}
	return nil
}

// incompatible refuses an algorithm that a key doesn't have.
func incompatible[T ~string](algorithm T, spec types.KeySpec) error {
	return &types.InvalidKeyUsageException{Message: new(fmt.Sprintf("Algorithm %s is incompatible with key spec %s.", algorithm, spec))}
}

// seal encrypts with a symmetric key's current material.
func (o opened) seal(context map[string]string, plain []byte) []byte {
	return material.Seal(o.secret, rawKey(o.ID), rawMaterial(o.id), context, plain)
}

func rawKey(id string) (raw [material.KeySize]byte) {
	b, _ := hex.DecodeString(strings.ReplaceAll(id, "-", "")) // it was made as one
	copy(raw[:], b)
	return raw
}

func rawMaterial(id string) (raw [material.MaterialSize]byte) {
	b, _ := hex.DecodeString(id) // it was made as one
	copy(raw[:], b)
	return raw
}

func idOf(raw [material.KeySize]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

// unseal decrypts what a symmetric key encrypted. A ciphertext names its key; if
// the caller names one, too, it must be the same.
func (a *API) unseal(ctx context.Context, ref *string, blob []byte, context map[string]string, u use) (plain []byte, o opened, err error) {
	b, ok := material.ParseBlob(blob)
	if !ok {
		return nil, o, &types.InvalidCiphertextException{}
	}
	id := idOf(b.Key)
	err = a.db.View(ctx, func(tx store.Tx) error {
		if ref != nil {
			k, err := a.find(tx, *ref)
			if err != nil {
				return err
			}
			if k.ID != id {
				return &types.IncorrectKeyException{Message: new("The key ID in the request does not identify a CMK that can perform this operation.")}
			}
		}
		_, there, err := handler.Find(tx, Keys, id)
		if err == nil && !there {
			err = awserr.New("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
		}
		return err
	})
	if err != nil {
		return nil, o, err
	}
	if o, err = a.open(ctx, id, hex.EncodeToString(b.Material[:]), u); err != nil {
		return nil, o, err
	}
	plain, err = b.Open(o.secret, context)
	return plain, o, err
}
