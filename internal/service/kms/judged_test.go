package kms

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// What a service does under a customer's key is its caller's: the judge is told the service and the encryption context. The service's own
// key is for all who may use the service.
func TestServicesAreJudged(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	m := ok(a.CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata
	about := map[string]string{"SecretARN": "x", "SecretVersionId": "v"}
	blob, _, err := a.For("secretsmanager").Seal(t.Context(), *m.KeyId, about, []byte("canary"))
	if err != nil {
		t.Fatal(err)
	}
	var asked []map[string][]string
	ctx := caller.WithJudge(t.Context(), func(_ context.Context, action, resource string, keys map[string][]string) error {
		asked = append(asked, keys)
		return awserr.New("AccessDeniedException", "no %s on %s", action, resource)
	})
	_, err = a.For("secretsmanager").Open(ctx, about, blob)
	fails(t, err, "AccessDeniedException", "no kms:Decrypt on "+*m.Arn)
	_, _, err = a.For("secretsmanager").Seal(ctx, *m.KeyId, about, []byte("x"))
	fails(t, err, "AccessDeniedException", "no kms:GenerateDataKey on "+*m.Arn)
	_, _, err = a.For("ssm").Encrypt(ctx, *m.KeyId, about, []byte("x"))
	fails(t, err, "AccessDeniedException", "no kms:Encrypt on "+*m.Arn)
	want := map[string][]string{
		"kms:ViaService": {"secretsmanager.us-west-2.amazonaws.com"}, "kms:CallerAccount": {"123456789012"}, "kms:EncryptionAlgorithm": {"SYMMETRIC_DEFAULT"},
		"kms:KeySpec": {"SYMMETRIC_DEFAULT"}, "kms:KeyUsage": {"ENCRYPT_DECRYPT"}, "kms:EncryptionContext:SecretARN": {"x"},
		"kms:EncryptionContext:SecretVersionId": {"v"}, "kms:EncryptionContextKeys": {"SecretARN", "SecretVersionId"},
	}
	if diff := cmp.Diff(want, asked[0]); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if blob, _, err = a.For("ssm").Seal(ctx, "", about, []byte("canary")); err != nil {
		t.Fatal(err)
	}
	if got := ok(a.For("ssm").Open(ctx, about, blob))(t); string(got) != "canary" || len(asked) != 3 {
		t.Errorf("got %q after %d questions", got, len(asked))
	}
}

// Policy is asked about the key that a call is about, also where only a ciphertext, a token or an alias tells which.
func TestKeysThatAreNotNamed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	one, two := newKey(t, a, "", ""), newKey(t, a, "", "")
	blob := ok(a.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &one, Plaintext: []byte("canary")}))(t).CiphertextBlob
	grant := ok(a.CreateGrant(t.Context(), &kms.CreateGrantInput{
		KeyId: &one, GranteePrincipal: new("arn:aws:iam::123456789012:role/r"), Operations: []types.GrantOperation{types.GrantOperationDecrypt},
	}))(t)
	ok(a.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("alias/app"), TargetKeyId: &one}))(t)
	s := ok(wiretest.New("kms", a.Operations()))(t)
	star := base64.RawURLEncoding.EncodeToString([]byte("*/x"))
	for _, tt := range []struct {
		in   any
		want string
	}{
		{&kms.DecryptInput{CiphertextBlob: blob}, "Decrypt 1"},
		{&kms.DecryptInput{CiphertextBlob: blob, KeyId: new("alias/app")}, "Decrypt 1"},
		{&kms.DecryptInput{CiphertextBlob: blob, KeyId: &two}, "Decrypt 2"},
		{&kms.DecryptInput{CiphertextBlob: []byte("nonsense")}, "Decrypt *"},
		{&kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &two}, "ReEncryptFrom 1, ReEncryptTo 2"},
		{&kms.ReEncryptInput{CiphertextBlob: blob, SourceKeyId: &one, DestinationKeyId: &two}, "ReEncryptFrom 1, ReEncryptTo 2"},
		{&kms.RetireGrantInput{GrantToken: grant.GrantToken}, "RetireGrant 1"},
		{&kms.RetireGrantInput{GrantToken: grant.GrantToken, KeyId: &two}, "RetireGrant 2, RetireGrant 1"},
		{&kms.RetireGrantInput{GrantId: grant.GrantId, KeyId: &one}, "RetireGrant 1"},
		{&kms.RetireGrantInput{GrantToken: &star}, "RetireGrant *"},
		{&kms.UpdateAliasInput{AliasName: new("alias/app"), TargetKeyId: &two}, "UpdateAlias alias/app, UpdateAlias 2, UpdateAlias 1"},
	} {
		asked := ok(ok(s.Decode(t, tt.in))(t).Questions(t.Context(), a.ns, nil))(t)
		var got []string
		for _, q := range asked {
			got = append(got, strings.TrimPrefix(q.Action, "kms:")+" "+strings.TrimPrefix(strings.TrimPrefix(q.Resource, a.keyARN("")), a.ns.ARN("kms", "")))
		}
		if text := strings.NewReplacer(one, "1", two, "2").Replace(strings.Join(got, ", ")); text != tt.want {
			t.Errorf("%T: asked %s, want %s", tt.in, text, tt.want)
		}
	}
}
