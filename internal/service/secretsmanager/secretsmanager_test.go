package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// sealing is KMS as far as a secret needs it: a context that differs doesn't open.
type sealing struct{ *seal.Sealer }

func (s sealing) Seal(_ context.Context, key string, context map[string]string, plain []byte) ([]byte, string, error) {
	if key == "denied" {
		return nil, "", awserr.New("AccessDeniedException", "no kms:GenerateDataKey")
	}
	if key == "gone" {
		return nil, "", awserr.New("NotFoundException", "Key 'gone' does not exist")
	}
	return s.Sealer.Seal(fmt.Sprint(context), plain), "arn:key/" + key, nil
}

func (s sealing) Open(_ context.Context, context map[string]string, sealed []byte) ([]byte, error) {
	return s.Sealer.Open(fmt.Sprint(context), sealed)
}

func newAPI(t *testing.T) *API {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	return New(db, arn.Namespace{Region: "us-west-2", Account: "123456789012"}, sealing{seal.NewKey().For("test")}, people{})
}

// ok returns v, and ends the test when there is an error.
func ok[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fails says whether err has the code, and words in its message.
func fails(t *testing.T, err error, code, words string) {
	t.Helper()
	e, is := errors.AsType[smithy.APIError](err)
	if !is || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v, want %s: %s", err, code, words)
	}
}

func create(t *testing.T, a *API, name, value string) string {
	t.Helper()
	in := &sm.CreateSecretInput{Name: &name}
	if value != "" {
		in.SecretString = &value
	}
	return *ok(a.CreateSecret(t.Context(), in))(t).ARN
}

// get returns a value, or the error's message.
func get(t *testing.T, a *API, ref, stage string) string {
	t.Helper()
	in := &sm.GetSecretValueInput{SecretId: &ref}
	if stage != "" {
		in.VersionStage = &stage
	}
	out, err := a.GetSecretValue(t.Context(), in)
	if e, is := errors.AsType[smithy.APIError](err); is {
		return e.ErrorMessage()
	}
	return *ok(out, err)(t).SecretString
}

func TestNames(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	full := create(t, a, "shop/db", "canary")
	hyphen := create(t, a, "shop-abcdef", "other")
	const none = "Secrets Manager can't find the specified secret."
	cut := func(arn string) string { return arn[:len(arn)-7] }
	for ref, want := range map[string]string{
		"shop/db": "canary", full: "canary", cut(full): "canary",
		cut(full) + "-zzzzzz": none, "shop": none, cut(full)[:len(cut(full))-1]: none,
		strings.Replace(full, "us-west-2", "us-east-1", 1): none,
		hyphen: "other", "shop-abcdef": "other", cut(hyphen): none, // as on AWS
	} {
		if got := get(t, a, ref, ""); got != want {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
	_, err := a.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: new("shop/db")})
	fails(t, err, "ResourceExistsException", "The operation failed because the secret shop/db already exists.")
}

func TestVersions(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	create(t, a, "s", "")
	if got := get(t, a, "s", ""); got != "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT." {
		t.Errorf("got %q of a secret without a value", got)
	}
	put := func(value string, stages ...string) string {
		return *ok(a.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: new("s"), SecretString: &value, VersionStages: stages}))(t).VersionId
	}
	is := func(want map[string]string) {
		t.Helper()
		for stage, want := range want {
			if got := get(t, a, "s", stage); got != want && (want != "" || !strings.Contains(got, "can't find")) {
				t.Errorf("%s: got %q, want %q", stage, got, want)
			}
		}
	}
	one := put("one", pending)
	is(map[string]string{current: "one", previous: "", pending: "one"}) // the first version is the current one, too
	two := put("two")
	is(map[string]string{current: "two", previous: "one", pending: "one"})
	three := put("three")
	is(map[string]string{current: "three", previous: "two", pending: "one"})
	move := func(stage string, from, to *string) error {
		_, err := a.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{SecretId: new("s"), VersionStage: &stage, RemoveFromVersionId: from, MoveToVersionId: to})
		return err
	}
	fails(t, move(current, nil, &two), "InvalidParameterException", "RemoveFromVersionId can't be empty")
	fails(t, move(current, &one, &two), "InvalidParameterException", "not attached")
	fails(t, move(current, &three, nil), "InvalidParameterException", "can't be completely removed")
	if err := errors.Join(move(current, &three, &two), move(pending, &one, nil)); err != nil {
		t.Error(err)
	}
	is(map[string]string{current: "two", previous: "three", pending: ""})
	ids := func(all bool) int {
		return len(ok(a.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: new("s"), IncludeDeprecated: &all}))(t).Versions)
	}
	if n, all := ids(false), ids(true); n != 2 || all != 3 {
		t.Errorf("got %d labelled versions and %d in all, want 2 and 3", n, all)
	}
	_, err := a.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: new("s"), VersionId: &one, VersionStage: new(current)})
	fails(t, err, "InvalidRequestException", "not associated to the provided VersionId")
}

func TestTokensAndKeys(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	token := strings.Repeat("t", 32)
	in := &sm.CreateSecretInput{Name: new("s"), SecretString: new("canary"), ClientRequestToken: &token}
	first, again := ok(a.CreateSecret(t.Context(), in))(t), ok(a.CreateSecret(t.Context(), in))(t)
	if *first.ARN != *again.ARN || *again.VersionId != token {
		t.Errorf("got %s and %s of one call", *first.ARN, *again.ARN)
	}
	put := &sm.PutSecretValueInput{SecretId: new("s"), SecretString: new("canary"), ClientRequestToken: &token}
	ok(a.PutSecretValue(t.Context(), put))(t)
	put.SecretString = new("another")
	_, err := a.PutSecretValue(t.Context(), put)
	fails(t, err, "ResourceExistsException", token)
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the error has the value in it: %v", err)
	}
	_, err = a.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: new("x"), SecretString: new("v"), KmsKeyId: new("gone")})
	fails(t, err, "EncryptionFailure", "NotFoundException")
	ok(a.UpdateSecret(t.Context(), &sm.UpdateSecretInput{SecretId: new("s"), KmsKeyId: new("mine")}))(t)
	v := ok(a.ListSecretVersionIds(t.Context(), &sm.ListSecretVersionIdsInput{SecretId: new("s")}))(t).Versions
	if got := get(t, a, "s", ""); got != "canary" || len(v) != 1 || v[0].KmsKeyIds[0] != "arn:key/mine" {
		t.Errorf("got %q under %v", got, v)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t)
		create(t, a, "s", "v")
		ok(a.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: new("s"), RecoveryWindowInDays: new(int64(7))}))(t)
		if got := get(t, a, "s", ""); !strings.Contains(got, "marked for deletion") {
			t.Errorf("got %q of a deleted secret", got)
		}
		_, err := a.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: new("s")})
		fails(t, err, "InvalidRequestException", "already scheduled for deletion")
		if n := len(ok(a.ListSecrets(t.Context(), &sm.ListSecretsInput{}))(t).SecretList); n != 0 {
			t.Errorf("%d secrets are listed", n)
		}
		ok(a.RestoreSecret(t.Context(), &sm.RestoreSecretInput{SecretId: new("s")}))(t)
		if got := get(t, a, "s", ""); got != "v" {
			t.Errorf("got %q of a restored secret", got)
		}
		ok(a.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: new("s")}))(t)
		again := ok(a.Due(t.Context(), "s"))(t)
		if again != 30*24*time.Hour {
			t.Errorf("it goes in %s, want 30 days", again)
		}
		time.Sleep(again)
		ok(a.Due(t.Context(), "s"))(t)
		empty(t, a)
		create(t, a, "s", "v")
		for range 2 {
			ok(a.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: new("s"), ForceDeleteWithoutRecovery: new(true)}))(t)
		}
		empty(t, a)
	})
}

// empty says when a record is left.
func empty(t *testing.T, a *API) {
	t.Helper()
	err := a.db.View(t.Context(), func(tx store.Tx) error {
		for key := range tx.Scan("", "") {
			t.Errorf("%s is left", key)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, name := range []string{"shop/db", "shop/api", "blog"} {
		ok(a.CreateSecret(t.Context(), &sm.CreateSecretInput{
			Name: &name, SecretString: new("v-" + name), Description: new("The " + name), Tags: []types.Tag{{Key: new("team"), Value: new(name[:4])}},
		}))(t)
	}
	for _, tt := range []struct {
		key    types.FilterNameStringType
		values []string
		want   []string
	}{
		{types.FilterNameStringTypeName, []string{"shop/"}, []string{"shop/api", "shop/db"}},
		{types.FilterNameStringTypeName, []string{"!shop/"}, []string{"blog"}},
		{types.FilterNameStringTypeName, []string{"Shop"}, nil},
		{types.FilterNameStringTypeDescription, []string{"the B"}, []string{"blog"}},
		{types.FilterNameStringTypeTagValue, []string{"blog", "shop"}, []string{"blog", "shop/api", "shop/db"}},
		{types.FilterNameStringTypeTagKey, []string{"x"}, nil},
		{types.FilterNameStringTypeAll, []string{"API the"}, []string{"shop/api"}},
	} {
		filters := []types.Filter{{Key: tt.key, Values: tt.values}}
		var got, values []string
		for _, s := range ok(a.ListSecrets(t.Context(), &sm.ListSecretsInput{Filters: filters, SortBy: types.SortByTypeName, SortOrder: types.SortOrderTypeAsc}))(t).SecretList {
			got = append(got, *s.Name)
		}
		for _, s := range ok(a.BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{Filters: filters}))(t).SecretValues {
			values = append(values, strings.TrimPrefix(*s.SecretString, "v-"))
		}
		if !slices.Equal(got, tt.want) || !slices.Equal(values, tt.want) {
			t.Errorf("%s %q: got %q and the values of %q, want %q", tt.key, tt.values, got, values, tt.want)
		}
	}
	out := ok(a.BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{SecretIdList: []string{"blog", "none"}}))(t)
	if len(out.SecretValues) != 1 || len(out.Errors) != 1 || *out.Errors[0].ErrorCode != "ResourceNotFoundException" {
		t.Errorf("got %+v", out)
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 50 {
		p := *ok(a.GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{PasswordLength: new(int64(5)), IncludeSpace: new(true), ExcludeCharacters: new("aA0!")}))(t).RandomPassword
		for _, set := range []string{lowercase, uppercase, numbers, punctuation, " "} {
			if !strings.ContainsAny(p, set) || strings.ContainsAny(p, "aA0!") || len(p) != 5 {
				t.Fatalf("got %q, want 5 characters, one of each type", p)
			}
		}
		p = *ok(a.GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{ExcludeUppercase: new(true), ExcludePunctuation: new(true), ExcludeLowercase: new(true)}))(t).RandomPassword
		if len(p) != 32 || strings.Trim(p, numbers) != "" {
			t.Fatalf("got %q, want 32 numbers", p)
		}
	}
	_, err := a.GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{PasswordLength: new(int64(3))})
	fails(t, err, "InvalidParameterException", "at least 4")
}

func TestPoliciesAndRefusals(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	create(t, a, "s", "v")
	policy := func(effect, principal string) *string {
		return new(`{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	}
	mine := policy("Allow", `{"AWS":"arn:aws:iam::123456789012:role/app"}`)
	put := func(policy *string) error {
		_, err := a.PutResourcePolicy(t.Context(), &sm.PutResourcePolicyInput{SecretId: new("s"), ResourcePolicy: policy, BlockPublicPolicy: new(true)})
		return err
	}
	if err := put(mine); err != nil {
		t.Error(err)
	}
	if got := ok(a.GetResourcePolicy(t.Context(), &sm.GetResourcePolicyInput{SecretId: new("s")}))(t); *got.ResourcePolicy != *mine {
		t.Errorf("got %s", *got.ResourcePolicy)
	}
	fails(t, put(policy("Allow", `"*"`)), "PublicPolicyException", "")
	fails(t, put(policy("Deny", `{"AWS":"arn:aws:iam::123456789012:role/nobody"}`)), "MalformedPolicyDocumentException", "unsupported principal")
	fails(t, put(policy("Deny", `{"AWS":"arn:aws:iam:x"}`)), "MalformedPolicyDocumentException", "unsupported principal")
	fails(t, put(new("{")), "MalformedPolicyDocumentException", "")
	if v := ok(a.ValidateResourcePolicy(t.Context(), &sm.ValidateResourcePolicyInput{ResourcePolicy: policy("Allow", `"*"`)}))(t); v.PolicyValidationPassed || len(v.ValidationErrors) != 1 {
		t.Errorf("got %+v of a public policy", v)
	}
	ops := a.Operations()
	wiretest.Told(t, "secretsmanager", ops, &sm.CreateSecretInput{
		Name: new("a b"), SecretString: new("x"), SecretBinary: []byte("x"), AddReplicaRegions: []types.ReplicaRegionType{{Region: new("us-east-1")}},
	}, "ValidationException", "'AddReplicaRegions'", "Invalid name", "both a binary secret value")
	wiretest.Told(t, "secretsmanager", ops, &sm.RotateSecretInput{SecretId: new("s"), RotationLambdaARN: new("arn:x")}, "ValidationException", "'RotationLambdaARN'")
	_, err := a.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: new("s"), RotateImmediately: new(true)})
	fails(t, err, "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
}

// BatchGetSecretValue reads only what its caller may read by GetSecretValue.
func TestBatchIsJudged(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	mine, others := create(t, a, "mine", "v-mine"), create(t, a, "others", "v-others")
	var asked []string
	allowed := map[string]bool{"secretsmanager:GetSecretValue " + mine: true}
	ctx := caller.WithJudge(t.Context(), func(_ context.Context, action, resource string, _ map[string][]string) error {
		asked = append(asked, action+" "+resource)
		if !allowed[action+" "+resource] {
			return awserr.New("AccessDeniedException", "no %s", action)
		}
		return nil
	})
	out := ok(a.BatchGetSecretValue(ctx, &sm.BatchGetSecretValueInput{SecretIdList: []string{"mine", "others", "none"}}))(t)
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "v-mine" || len(out.Errors) != 2 || *out.Errors[0].SecretId != "others" {
		t.Errorf("got %d values and the errors %v", len(out.SecretValues), out.Errors)
	}
	for _, e := range out.Errors {
		if *e.ErrorCode != "AccessDeniedException" {
			t.Errorf("%s: got %s", *e.SecretId, *e.ErrorCode)
		}
	}
	want := []string{"secretsmanager:GetSecretValue " + mine, "secretsmanager:GetSecretValue " + others, "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-west-2:123456789012:secret:*"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	filtered := &sm.BatchGetSecretValueInput{Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{"m", "o"}}}}
	_, err := a.BatchGetSecretValue(ctx, filtered)
	fails(t, err, "AccessDeniedException", "no secretsmanager:ListSecrets")
	allowed["secretsmanager:ListSecrets *"] = true
	if out := ok(a.BatchGetSecretValue(ctx, filtered))(t); len(out.SecretValues) != 1 || len(out.Errors) != 1 {
		t.Errorf("got %d values and the errors %v", len(out.SecretValues), out.Errors)
	}
}

// retried is a store whose change is run again when another call was faster, as when transactions collide.
type retried struct {
	store.DB
	faster func()
}

var errAgain = errors.New("again")

func (db retried) Update(ctx context.Context, do func(store.Tx) error) error {
	_ = db.DB.Update(ctx, func(tx store.Tx) error { return errors.Join(do(tx), errAgain) })
	db.faster()
	return db.DB.Update(ctx, do)
}

// The first version is current, too, and a version that is pending isn't, however often the change is run.
func TestPendingStaysPending(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	create(t, a, "s", "")
	slow := New(retried{a.db, func() {
		ok(a.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: new("s"), SecretString: new("current")}))(t)
	}}, a.ns, a.keys, a.who)
	ok(slow.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: new("s"), SecretString: new("pending"), VersionStages: []string{pending}}))(t)
	if got := get(t, a, "s", current); got != "current" {
		t.Errorf("the current value is %q", got)
	}
}

// KMS's refusal is told as such.
func TestSealIsDenied(t *testing.T) {
	t.Parallel()
	_, err := newAPI(t).CreateSecret(t.Context(), &sm.CreateSecretInput{Name: new("s"), SecretString: new("v"), KmsKeyId: new("denied")})
	fails(t, err, "AccessDeniedException", "Access to KMS is not allowed. no kms:GenerateDataKey")
}
