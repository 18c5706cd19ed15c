// Package kms answers AWS KMS's API.
//
// Keys never leave it: their material is sealed in the records, and is opened for
// the length of a call. A ciphertext names its key and the material that made it,
// so what was ever encrypted can be decrypted until the key is deleted.
//
// Its own policy and its grants say who may use a key, with IAM's policies where they leave it to them.
//
// It is one package of more than 1,500 lines because every operation finds, guards
// and opens keys by the same few functions, which a second package would export.
package kms

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// API has a handler for each operation.
type API struct {
	db   store.DB
	ns   arn.Namespace
	seal *seal.Sealer
	who  document.Directory

	compiled policy.Cache
}

// New returns an API over db's records, whose keys are sealed by s. Policies and grants name those whom who knows.
func New(db store.DB, ns arn.Namespace, s *seal.Sealer, who document.Directory) *API {
	return &API{db: db, ns: ns, seal: s, who: who}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	const (
		key     = "key: KeyId"
		context = "EncryptionContext GrantTokens DryRun"
	)
	return told([]wire.Operation{
		wire.Op("CancelKeyDeletion", a.CancelKeyDeletion).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId"),
		wire.Op("CreateAlias", a.CreateAlias).Lacks(viaService, noService).OnFound("alias: AliasName", a.aliasesNamed).OnFound("key: TargetKeyId", a.keysNamed).Takes("AliasName TargetKeyId"),
		wire.Op("CreateGrant", a.CreateGrant).Keys("kms:GrantOperations: Operations", "kms:GranteePrincipal: GranteePrincipal", "kms:RetiringPrincipal: RetiringPrincipal").Lacks(viaService, noService).Lacks("kms:GrantConstraintSourceArn kms:GranteeServicePrincipal kms:RetiringServicePrincipal", notJudged).KeyFound("kms:GrantConstraintType", constraintType).KeyFound("kms:GrantIsForAWSResource", direct).OnFound(key, a.keysNamed).Takes("KeyId GranteePrincipal RetiringPrincipal Operations Constraints{*} GrantTokens Name DryRun"),
		wire.Op("CreateKey", a.CreateKey).Keys("kms:BypassPolicyLockoutSafetyCheck: BypassPolicyLockoutSafetyCheck=false", "kms:KeyOrigin: Origin=AWS_KMS", "kms:KeySpec: KeySpec|CustomerMasterKeySpec=SYMMETRIC_DEFAULT", "kms:KeyUsage: KeyUsage=ENCRYPT_DECRYPT", "kms:MultiRegion: =false").Lacks(viaService, noService).Lacks("kms:MultiRegionKeyType", notJudged).Makes("key: *").Takes("Policy Description KeyUsage CustomerMasterKeySpec KeySpec Origin=AWS_KMS BypassPolicyLockoutSafetyCheck Tags{*}").
			Checks(a.createFaults),
		wire.Op("Decrypt", a.Decrypt).Keys("kms:EncryptionAlgorithm: EncryptionAlgorithm=SYMMETRIC_DEFAULT").Lacks(enclaveKeys, noEnclaves).Lacks(viaService, noService).OnFound(key, a.keysNamed).OnThose("key", a.decrypting).Takes("CiphertextBlob KeyId EncryptionAlgorithm", context),
		wire.Op("DeleteAlias", a.DeleteAlias).Lacks(viaService, noService).OnFound("alias: AliasName", a.aliasesNamed).OnFound("key: AliasName", a.keysNamed).Takes("AliasName"),
		wire.Op("DeriveSharedSecret", a.DeriveSharedSecret).Keys("kms:KeyAgreementAlgorithm: KeyAgreementAlgorithm").Lacks(enclaveKeys, noEnclaves).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId KeyAgreementAlgorithm PublicKey GrantTokens DryRun"),
		wire.Op("DescribeKey", a.DescribeKey).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId GrantTokens"),
		wire.Op("DisableKey", a.DisableKey).Lacks(viaService, noService).Lacks("kms:TrailingDaysWithoutKeyUsage", notJudged).OnFound(key, a.keysNamed).Takes("KeyId"),
		wire.Op("DisableKeyRotation", a.DisableKeyRotation).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId"),
		wire.Op("EnableKey", a.EnableKey).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId"),
		wire.Op("EnableKeyRotation", a.EnableKeyRotation).Keys("kms:RotationPeriodInDays: RotationPeriodInDays=365").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId RotationPeriodInDays"),
		wire.Op("Encrypt", a.Encrypt).Keys("kms:EncryptionAlgorithm: EncryptionAlgorithm=SYMMETRIC_DEFAULT").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Plaintext EncryptionAlgorithm", context),
		wire.Op("GenerateDataKey", a.GenerateDataKey).Keys("kms:EncryptionAlgorithm: =SYMMETRIC_DEFAULT").Lacks(enclaveKeys, noEnclaves).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId NumberOfBytes KeySpec", context),
		wire.Op("GenerateDataKeyPair", a.GenerateDataKeyPair).Keys("kms:DataKeyPairSpec: KeyPairSpec", "kms:EncryptionAlgorithm: =SYMMETRIC_DEFAULT").Lacks(enclaveKeys, noEnclaves).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId KeyPairSpec", context),
		wire.Op("GenerateDataKeyPairWithoutPlaintext", a.GenerateDataKeyPairWithoutPlaintext).Keys("kms:DataKeyPairSpec: KeyPairSpec", "kms:EncryptionAlgorithm: =SYMMETRIC_DEFAULT").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId KeyPairSpec", context),
		wire.Op("GenerateDataKeyWithoutPlaintext", a.GenerateDataKeyWithoutPlaintext).Keys("kms:EncryptionAlgorithm: =SYMMETRIC_DEFAULT").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId NumberOfBytes KeySpec", context),
		wire.Op("GenerateMac", a.GenerateMac).Keys("kms:MacAlgorithm: MacAlgorithm").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Message MacAlgorithm GrantTokens DryRun"),
		wire.Op("GenerateRandom", a.GenerateRandom).Lacks(enclaveKeys, noEnclaves).Takes("NumberOfBytes"),
		wire.Op("GetKeyPolicy", a.GetKeyPolicy).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId PolicyName"),
		wire.Op("GetKeyRotationStatus", a.GetKeyRotationStatus).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId"),
		wire.Op("GetPublicKey", a.GetPublicKey).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId GrantTokens"),
		wire.Op("ListAliases", a.ListAliases).Takes("KeyId Limit Marker"),
		wire.Op("ListGrants", a.ListGrants).Lacks(viaService, noService).KeyFound("kms:GrantIsForAWSResource", direct).OnFound(key, a.keysNamed).Takes("KeyId GrantId GranteePrincipal Limit Marker"),
		wire.Op("ListKeyPolicies", a.ListKeyPolicies).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Limit Marker"),
		wire.Op("ListKeyRotations", a.ListKeyRotations).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId IncludeKeyMaterial Limit Marker"),
		wire.Op("ListKeys", a.ListKeys).Takes("Limit Marker"),
		wire.Op("ListResourceTags", a.ListResourceTags).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Limit Marker"),
		wire.Op("ListRetirableGrants", a.ListRetirableGrants).Takes("RetiringPrincipal Limit Marker"),
		wire.Op("PutKeyPolicy", a.PutKeyPolicy).Keys("kms:BypassPolicyLockoutSafetyCheck: BypassPolicyLockoutSafetyCheck=false").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId PolicyName Policy BypassPolicyLockoutSafetyCheck"),
		wire.Op("ReEncrypt", a.ReEncrypt).Keys("kms:EncryptionAlgorithm: SourceEncryptionAlgorithm=SYMMETRIC_DEFAULT").Lacks(viaService, noService).KeyFound("kms:ReEncryptOnSameKey", a.sameKey).OnFound("key: SourceKeyId", a.keysNamed).OnThose("key", a.reEncrypting).Asks(a.reEncryptTo).
			Takes("CiphertextBlob SourceEncryptionContext SourceKeyId DestinationKeyId DestinationEncryptionContext SourceEncryptionAlgorithm DestinationEncryptionAlgorithm GrantTokens DryRun"),
		wire.Op("RetireGrant", a.RetireGrant).Lacks(viaService, noService).Lacks("kms:EncryptionContext:${EncryptionContextKey} kms:EncryptionContextKeys kms:GrantConstraintType", notJudged).Judged(retires).OnFound(key, a.keysNamed).OnThose("key", a.retiring).Takes("GrantToken KeyId GrantId DryRun"),
		wire.Op("RevokeGrant", a.RevokeGrant).Lacks(viaService, noService).KeyFound("kms:GrantIsForAWSResource", direct).OnFound(key, a.keysNamed).Takes("KeyId GrantId DryRun"),
		wire.Op("RotateKeyOnDemand", a.RotateKeyOnDemand).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId"),
		wire.Op("ScheduleKeyDeletion", a.ScheduleKeyDeletion).Keys("kms:ScheduleKeyDeletionPendingWindowInDays: PendingWindowInDays=30").Lacks(viaService, noService).Lacks("kms:TrailingDaysWithoutKeyUsage", notJudged).OnFound(key, a.keysNamed).Takes("KeyId PendingWindowInDays"),
		wire.Op("Sign", a.Sign).Keys("kms:MessageType: MessageType=RAW", "kms:SigningAlgorithm: SigningAlgorithm").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Message MessageType=RAW|DIGEST GrantTokens SigningAlgorithm DryRun"),
		wire.Op("TagResource", a.TagResource).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Tags{*}"),
		wire.Op("UntagResource", a.UntagResource).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId TagKeys"),
		wire.Op("UpdateAlias", a.UpdateAlias).Lacks(viaService, noService).OnFound("alias: AliasName", a.aliasesNamed).OnFound("key: TargetKeyId", a.keysNamed).OnFound("key: AliasName", a.keysNamed).Takes("AliasName TargetKeyId"),
		wire.Op("UpdateKeyDescription", a.UpdateKeyDescription).Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Description"),
		wire.Op("Verify", a.Verify).Keys("kms:MessageType: MessageType=RAW", "kms:SigningAlgorithm: SigningAlgorithm").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Message MessageType=RAW|DIGEST Signature SigningAlgorithm GrantTokens DryRun"),
		wire.Op("VerifyMac", a.VerifyMac).Keys("kms:MacAlgorithm: MacAlgorithm").Lacks(viaService, noService).OnFound(key, a.keysNamed).Takes("KeyId Message MacAlgorithm Mac GrantTokens DryRun"),
	})
}

// notJudged is why condition keys are never there.
const notJudged = "Skylift doesn't tell it to policies: a statement with such a condition doesn't apply, unless the condition is negated"

// viaService is told where a service uses a key for its caller; noService is why calls don't have it.
const (
	viaService = "kms:ViaService"
	noService  = "it is there only where a service uses a key for its caller"
)

// noEnclaves is why those of Nitro enclaves are not there either.
const noEnclaves = "there are no Nitro enclaves: a Recipient is refused"

// enclaveKeys are those.
var enclaveKeys = func() string {
	var keys []string
	for n := range 32 {
		keys = append(keys, fmt.Sprintf("kms:RecipientAttestation:PCR%d", n))
	}
	for n := range 24 {
		keys = append(keys, fmt.Sprintf("kms:RecipientAttestation:NitroTPMPCR%d", n))
	}
	return strings.Join(append(keys, "kms:RecipientAttestation:ImageSha384"), " ")
}()

// reEncryptTo is the second question that ReEncrypt is about: its destination.
func (a *API) reEncryptTo(ctx context.Context, in *kms.ReEncryptInput) (asked []authz.Question) {
	q := authz.Question{Action: "kms:ReEncryptTo", Resource: a.keyARN("*"), Keys: map[string][]string{
		"kms:encryptionalgorithm": {string(cmp.Or(in.DestinationEncryptionAlgorithm, symmetricDefault))}, "kms:reencryptonsamekey": a.sameKey(ctx, in),
	}}
	for _, id := range a.keysNamed(ctx, []string{deref(in.DestinationKeyId)}) {
		q.Resource = a.keyARN(id)
	}
	if alias := aliasIn(in.DestinationKeyId); alias != nil {
		q.Keys["kms:requestalias"] = alias
	}
	names := slices.Sorted(maps.Keys(in.DestinationEncryptionContext))
	for _, name := range names {
		q.Keys[strings.ToLower(contextKey+name)] = []string{in.DestinationEncryptionContext[name]}
	}
	if len(names) > 0 {
		q.Keys[strings.ToLower(contextKeys)] = names
	}
	return append(asked, q)
}

func invalid(format string, args ...any) error {
	return awserr.New("ValidationException", format, args...)
}

func unsupported(format string, args ...any) error {
	return &types.UnsupportedOperationException{Message: new(fmt.Sprintf(format, args...))}
}

func notFound(format string, args ...any) error {
	return &types.NotFoundException{Message: new(fmt.Sprintf(format, args...))}
}

func (a *API) keyARN(id string) string { return a.ns.ARN("kms", "key/"+id) }

func (a *API) noKey(id string) error { return notFound("Key '%s' does not exist", a.keyARN(id)) }

// pages is how lists are cut. Lists of keys, aliases, grants and rotations have up
// to 1,000 entries on a page, 100 when the caller does not say it; tags 50
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html).
func pages(usual, most int) handler.Pages {
	return handler.Pages{
		Default: usual, Most: most,
		BadSize: func(n int) error { return invalid("Limit is %d: it must be between 1 and %d.", n, most) },
		BadToken: func(string) error {
			return &types.InvalidMarkerException{Message: new("The marker is not one that was returned.")}
		},
	}
}

var usualPages = pages(100, 1000)

// tagRules is what KMS says of tags
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html).
var tagRules = handler.TagRules{
	Most: 50, TooMany: func() error { return &types.TagException{Message: new("Too many tags")} },
	Letters: regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z`),
	BadKey: func(key string) error {
		return &types.TagException{Message: new(fmt.Sprintf("The tag key '%s' is not valid: it may have 1 to 128 letters, digits, spaces and _ . : / = + - @", key))}
	},
	BadValue: func(key, _ string) error {
		return &types.TagException{Message: new(fmt.Sprintf("The value of the tag '%s' is not valid: it may have up to 256 letters, digits, spaces and _ . : / = + - @", key))}
	},
	Reserved: func(string) error { return &types.TagException{Message: new("Tags beginning with aws: are reserved")} },
	Twice:    func(string) error { return &types.TagException{Message: new("Duplicate tag keys")} },
}
