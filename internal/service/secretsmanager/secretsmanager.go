// Package secretsmanager answers AWS Secrets Manager's API.
//
// A value is sealed under a KMS key before it becomes a record, and is opened for
// the length of a call. It is in no error and in no log.
package secretsmanager

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// keys is KMS: it seals under the key that is named, or under the service's own
// when none is, and returns the ciphertext and the key's ARN.
type keys interface {
	Seal(ctx context.Context, key string, context map[string]string, plain []byte) (sealed []byte, keyARN string, err error)
	Open(ctx context.Context, context map[string]string, sealed []byte) ([]byte, error)
}

// API has a handler for each operation.
type API struct {
	db   store.DB
	ns   arn.Namespace
	keys keys
	who  document.Directory

	compiled policy.Cache
}

// New returns an API over db's records, whose values are sealed by k. Policies name those whom who knows.
func New(db store.DB, ns arn.Namespace, k keys, who document.Directory) *API {
	return &API{db: db, ns: ns, keys: k, who: who}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	const secret = "Secret: SecretId"
	return wire.Known("secretsmanager:SecretId", []wire.Operation{
		wire.Op("BatchGetSecretValue", a.BatchGetSecretValue).Takes("SecretIdList Filters{*} MaxResults NextToken"),
		wire.Op("CreateSecret", a.CreateSecret).Keys("secretsmanager:Description: Description", "secretsmanager:KmsKeyId: KmsKeyId", "secretsmanager:Name: Name").Lacks("secretsmanager:AddReplicaRegions secretsmanager:ForceOverwriteReplicaSecret secretsmanager:KmsKeyArn secretsmanager:Type", notJudged).Makes("Secret: Name").Takes("Name ClientRequestToken Description KmsKeyId SecretBinary SecretString Tags{*}").
			Checks(createFaults),
		wire.Op("DeleteResourcePolicy", a.DeleteResourcePolicy).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId"),
		wire.Op("DeleteSecret", a.DeleteSecret).Keys("secretsmanager:ForceDeleteWithoutRecovery: ForceDeleteWithoutRecovery=false", "secretsmanager:RecoveryWindowInDays: RecoveryWindowInDays").Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId RecoveryWindowInDays ForceDeleteWithoutRecovery").
			Checks(deleteFaults),
		wire.Op("DescribeSecret", a.DescribeSecret).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId"),
		wire.Op("GetRandomPassword", a.GetRandomPassword).
			Takes("PasswordLength ExcludeCharacters ExcludeNumbers ExcludePunctuation ExcludeUppercase ExcludeLowercase IncludeSpace RequireEachIncludedType"),
		wire.Op("GetResourcePolicy", a.GetResourcePolicy).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId"),
		wire.Op("GetSecretValue", a.GetSecretValue).Keys("secretsmanager:VersionId: VersionId", "secretsmanager:VersionStage: VersionStage").Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId VersionId VersionStage"),
		wire.Op("ListSecretVersionIds", a.ListSecretVersionIds).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId MaxResults NextToken IncludeDeprecated"),
		wire.Op("ListSecrets", a.ListSecrets).Takes("IncludePlannedDeletion MaxResults NextToken Filters{*} SortOrder SortBy"),
		wire.Op("PutResourcePolicy", a.PutResourcePolicy).Keys("secretsmanager:BlockPublicPolicy: BlockPublicPolicy=false").Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId ResourcePolicy BlockPublicPolicy").
			Checks(putPolicyFaults),
		wire.Op("PutSecretValue", a.PutSecretValue).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId ClientRequestToken SecretBinary SecretString VersionStages").
			Checks(putFaults),
		wire.Op("RestoreSecret", a.RestoreSecret).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId"),
		wire.Op("RotateSecret", a.RotateSecret).Keys("secretsmanager:RotateImmediately: RotateImmediately=true").Lacks("secretsmanager:ExternalSecretRotationRoleArn secretsmanager:ModifyRotationRules secretsmanager:RotationLambdaARN secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId ClientRequestToken RotateImmediately"),
		wire.Op("TagResource", a.TagResource).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId Tags{*}"),
		wire.Op("UntagResource", a.UntagResource).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId TagKeys"),
		wire.Op("UpdateSecret", a.UpdateSecret).Keys("secretsmanager:Description: Description", "secretsmanager:KmsKeyId: KmsKeyId").Lacks("secretsmanager:KmsKeyArn secretsmanager:SecretPrimaryRegion secretsmanager:Type secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId ClientRequestToken Description KmsKeyId SecretBinary SecretString").
			Checks(updateFaults),
		wire.Op("UpdateSecretVersionStage", a.UpdateSecretVersionStage).Keys("secretsmanager:VersionStage: VersionStage").Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId VersionStage RemoveFromVersionId MoveToVersionId"),
		wire.Op("ValidateResourcePolicy", a.ValidateResourcePolicy).Lacks("secretsmanager:SecretPrimaryRegion secretsmanager:resource/AllowRotationLambdaArn secretsmanager:resource/Type", notJudged).OnFound(secret, a.named).Takes("SecretId ResourcePolicy"),
	})
}

// notJudged is why condition keys are never there.
const notJudged = "Skylift doesn't tell it to policies: a statement with such a condition doesn't apply, unless the condition is negated"

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: new(fmt.Sprintf(format, args...))}
}

func refused(format string, args ...any) error {
	return &types.InvalidRequestException{Message: new(fmt.Sprintf(format, args...))}
}

func notFound(what string) error {
	return &types.ResourceNotFoundException{Message: new("Secrets Manager can't find the specified " + what + ".")}
}

func noSecret(string) error { return notFound("secret") }

// pages is how lists are cut
// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html).
func pages(most int) handler.Pages {
	return handler.Pages{
		Default: most, Most: most,
		BadSize: func(n int) error { return invalid("MaxResults is %d: it must be between 1 and %d.", n, most) },
		BadToken: func(string) error {
			return &types.InvalidNextTokenException{Message: new("Invalid NextToken.")}
		},
	}
}

var tagRules = handler.TagRules{
	Most: 50, TooMany: func() error { return invalid("A secret can have at most 50 tags.") },
	Letters: regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z`),
	BadKey: func(key string) error {
		return invalid("The tag key '%s' is not valid: it may have 1 to 128 letters, digits, spaces and _ . : / = + - @", key)
	},
	BadValue: func(key, _ string) error {
		return invalid("The value of the tag '%s' is not valid: it may have up to 256 letters, digits, spaces and _ . : / = + - @", key)
	},
	Reserved: func(key string) error {
		return invalid("The tag key '%s' is not valid: keys that begin with 'aws:' are reserved.", key)
	},
	Twice: func(key string) error { return invalid("The tag key '%s' is there twice.", key) },
}

var tagType = handler.TagType[types.Tag]{
	Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
}

func (a *API) arn(s Secret) string { return a.ns.ARN("secretsmanager", "secret:"+s.id()) }

// complete matches the part of an ARN behind "secret:" that has its suffix, or looks
// as though it had one.
var complete = regexp.MustCompile(`^(.+)-([A-Za-z0-9]{6})$`)

// find returns the secret that ref names: by its name, its ARN, or its ARN without
// the suffix. As on AWS the latter doesn't find a secret whose name ends in a hyphen
// and six letters.
func (a *API) find(tx store.Tx, ref string) (Secret, error) {
	if !strings.HasPrefix(ref, "arn:") {
		return handler.Get(tx, Secrets, ref, noSecret)
	}
	r, err := arn.Parse(ref)
	name, ok := strings.CutPrefix(r.Resource, "secret:")
	if err != nil || !ok || r.Service != "secretsmanager" {
		return Secret{}, awserr.New("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if r.Region != a.ns.Region || r.Account != a.ns.Account {
		return Secret{}, noSecret(ref)
	}
	m := complete.FindStringSubmatch(name)
	if m == nil {
		return handler.Get(tx, Secrets, name, noSecret)
	}
	s, err := handler.Get(tx, Secrets, m[1], noSecret)
	if err == nil && s.Suffix != m[2] {
		err = noSecret(ref)
	}
	return s, err
}

// live is find for a secret that is not to be deleted.
func (a *API) live(tx store.Tx, ref string) (Secret, error) {
	s, err := a.find(tx, ref)
	if err == nil && s.marked() {
		err = refused("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return s, err
}

// read is live in a transaction of its own.
func (a *API) read(ctx context.Context, ref string) (Secret, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (Secret, error) { return a.live(tx, ref) })
}

// named returns the ARNs of the secrets that refs name.
func (a *API) named(ctx context.Context, refs []string) (arns []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error { // the handler says what can't be read
		arns = nil
		for _, ref := range refs {
			if s, err := a.find(tx, ref); err == nil {
				arns = append(arns, a.arn(s))
			}
		}
		return nil
	})
	return arns
}

// edit changes the secret that ref names.
func (a *API) edit(ctx context.Context, ref string, change func(tx store.Tx, s *Secret) error) (Secret, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (Secret, error) {
		s, err := a.live(tx, ref)
		if err != nil {
			return s, err
		}
		if err := change(tx, &s); err != nil {
			return s, err
		}
		return s, Secrets.Put(tx, s.Name, s)
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
