package kms

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Condition keys that depend on a request
// (https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html).
const (
	contextKey  = "kms:EncryptionContext:" // and a name of the context
	contextKeys = "kms:EncryptionContextKeys"

	constraintEquals = "EncryptionContextEquals"
	constraintSubset = "EncryptionContextSubset"
)

// The operations that have an encryption context, and those that may name a key by an alias.
const (
	withContext = "CreateGrant Decrypt Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext ReEncrypt"
	withAlias   = "Decrypt DeriveSharedSecret DescribeKey Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext " +
		"GenerateMac GetPublicKey ReEncrypt Sign Verify VerifyMac"
)

// told declares the condition keys that many operations have. Each is told the account, by what is known of keys.
func told(ops []wire.Operation) []wire.Operation {
	wire.Told(withAlias, ops, authz.Key{Text: "kms:RequestAlias", Find: func(_ context.Context, in any) []string {
		return aliasIn(member[*string](in, "KeyId", "SourceKeyId"))
	}})
	wire.Told(withContext, ops, authz.Key{Text: contextKeys, Find: func(_ context.Context, in any) []string { return slices.Sorted(maps.Keys(contextOf(in))) }})
	wire.Told(withContext, ops, authz.Key{Text: contextKey + "${EncryptionContextKey}", Each: contextOf})
	return wire.Known("kms:CallerAccount", ops)
}

// aliasIn returns the alias that a key is named by; none where it is named otherwise.
func aliasIn(ref *string) []string {
	name := deref(ref)
	if strings.HasPrefix(name, "arn:") {
		name = name[strings.LastIndexByte(name, ':')+1:]
	}
	if !strings.HasPrefix(name, aliasPrefix) {
		return nil
	}
	return []string{name}
}

// contextOf returns the encryption context of a request; of CreateGrant, that which the grant will ask for.
func contextOf(in any) map[string]string {
	if g, is := in.(*kms.CreateGrantInput); is {
		if g.Constraints == nil {
			return nil
		}
		both := maps.Clone(g.Constraints.EncryptionContextSubset)
		if both == nil {
			return g.Constraints.EncryptionContextEquals
		}
		maps.Copy(both, g.Constraints.EncryptionContextEquals)
		return both
	}
	return member[map[string]string](in, "EncryptionContext", "SourceEncryptionContext")
}

// member returns the first of these members that an input has.
func member[T any](in any, names ...string) (value T) {
	v := reflect.ValueOf(in).Elem()
	for _, name := range names {
		if f := v.FieldByName(name); f.IsValid() {
			value, _ = f.Interface().(T)
			return value
		}
	}
	return value
}

// constraintType says which constraint a grant will have.
func constraintType(_ context.Context, in *kms.CreateGrantInput) []string {
	switch c := in.Constraints; {
	case c == nil:
		return nil
	case c.EncryptionContextEquals != nil:
		return []string{constraintEquals}
	case c.EncryptionContextSubset != nil:
		return []string{constraintSubset}
	}
	return nil
}

// direct says that no service of AWS asks for its own sake.
func direct[I any](context.Context, *I) []string { return []string{"false"} }

// sameKey says whether ReEncrypt's two keys are one.
func (a *API) sameKey(ctx context.Context, in *kms.ReEncryptInput) []string {
	from := a.reEncrypting(in)
	if in.SourceKeyId != nil {
		from = nil
		for _, id := range a.keysNamed(ctx, []string{*in.SourceKeyId}) {
			from = append(from, a.keyARN(id))
		}
	}
	to := a.keysNamed(ctx, []string{deref(in.DestinationKeyId)})
	if len(from) == 1 && len(to) == 1 && from[0] == a.keyARN(to[0]) {
		return []string{"true"}
	}
	return []string{"false"}
}

// retires returns the id of the grant that a request is to end.
func retires(in *kms.RetireGrantInput) (action, grant string) {
	if in.GrantToken == nil {
		return "", deref(in.GrantId)
	}
	_, id := tokenOf(*in.GrantToken)
	return "", id
}
