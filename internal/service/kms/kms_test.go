package kms

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

func newAPI(t *testing.T) *API {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	return New(db, arn.Namespace{Region: "us-west-2", Account: "123456789012"}, seal.NewKey().For("kms"), people{})
}

// people is IAM: it has all users and roles but those called nobody, and tells ids that name them.
type people struct{}

func (people) UniqueID(_ context.Context, arn string) (string, bool, error) {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	return "AROA" + strings.ToUpper(name), name != "nobody", nil
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

// newKey makes a key and returns its id.
func newKey(t *testing.T, a *API, spec types.KeySpec, usage types.KeyUsageType) string {
	t.Helper()
	return *ok(a.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage}))(t).KeyMetadata.KeyId
}

func TestEncryptDecrypt(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id, other := newKey(t, a, "", ""), newKey(t, a, "", "")
	ok(a.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("alias/app"), TargetKeyId: &id}))(t)
	where := map[string]string{"app": "shop", "stage": "prod"}
	for _, ref := range []string{id, a.keyARN(id), "alias/app", a.ns.ARN("kms", "alias/app")} {
		e := ok(a.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &ref, Plaintext: []byte("canary"), EncryptionContext: where}))(t)
		if *e.KeyId != a.keyARN(id) || bytes.Contains(e.CiphertextBlob, []byte("canary")) {
			t.Errorf("%s: got %s, %q", ref, *e.KeyId, e.CiphertextBlob)
		}
		d := ok(a.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: e.CiphertextBlob, EncryptionContext: map[string]string{"stage": "prod", "app": "shop"}}))(t)
		if string(d.Plaintext) != "canary" || *d.KeyId != a.keyARN(id) {
			t.Errorf("%s: got %q, %s", ref, d.Plaintext, *d.KeyId)
		}
		for name, in := range map[string]*kms.DecryptInput{
			"no context":    {CiphertextBlob: e.CiphertextBlob},
			"other context": {CiphertextBlob: e.CiphertextBlob, EncryptionContext: map[string]string{"app": "shop", "stage": "Prod"}},
			"moved context": {CiphertextBlob: e.CiphertextBlob, EncryptionContext: map[string]string{"apps": "hop", "stage": "prod"}},
			"cut":           {CiphertextBlob: e.CiphertextBlob[:len(e.CiphertextBlob)-1], EncryptionContext: where},
			"nonsense":      {CiphertextBlob: []byte("nonsense"), EncryptionContext: where},
		} {
			_, err := a.Decrypt(t.Context(), in)
			if e, is := errors.AsType[*types.InvalidCiphertextException](err); !is || e.Message != nil {
				t.Errorf("%s: got %v, want InvalidCiphertextException without a message", name, err)
			}
		}
		_, err := a.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: e.CiphertextBlob, EncryptionContext: where, KeyId: &other})
		fails(t, err, "IncorrectKeyException", "does not identify a CMK")
		r := ok(a.ReEncrypt(t.Context(), &kms.ReEncryptInput{CiphertextBlob: e.CiphertextBlob, SourceEncryptionContext: where, DestinationKeyId: &other}))(t)
		if d := ok(a.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: r.CiphertextBlob, KeyId: &other}))(t); string(d.Plaintext) != "canary" || *r.SourceKeyId != a.keyARN(id) {
			t.Errorf("got %q, %s of what was encrypted again", d.Plaintext, *r.SourceKeyId)
		}
	}
	_, err := a.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x"), DryRun: new(true)})
	fails(t, err, "DryRunOperationException", "")
}

func TestDataKeys(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id := newKey(t, a, "", "")
	for _, in := range []*kms.GenerateDataKeyInput{{KeySpec: types.DataKeySpecAes128}, {KeySpec: types.DataKeySpecAes256}, {NumberOfBytes: new(int32(7))}} {
		in.KeyId = &id
		out := ok(a.GenerateDataKey(t.Context(), in))(t)
		want := map[types.DataKeySpec]int{types.DataKeySpecAes128: 16, types.DataKeySpecAes256: 32, "": 7}[in.KeySpec]
		if len(out.Plaintext) != want || !bytes.Equal(out.Plaintext, ok(a.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob}))(t).Plaintext) {
			t.Errorf("%v: got %d bytes, want %d that can be decrypted", in.KeySpec, len(out.Plaintext), want)
		}
	}
	_, err := a.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &id})
	fails(t, err, "ValidationException", "number of bytes or key spec")
	p := ok(a.GenerateDataKeyPair(t.Context(), &kms.GenerateDataKeyPairInput{KeyId: &id, KeyPairSpec: types.DataKeyPairSpecEccNistP256}))(t)
	if d := ok(a.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: p.PrivateKeyCiphertextBlob}))(t); !bytes.Equal(d.Plaintext, p.PrivateKeyPlaintext) || len(p.PublicKey) == 0 {
		t.Errorf("got %+v of a key pair", p)
	}
	_, err = a.GenerateDataKeyPair(t.Context(), &kms.GenerateDataKeyPairInput{KeyId: &id, KeyPairSpec: types.DataKeyPairSpecSm2})
	fails(t, err, "UnsupportedOperationException", "SM2")
}

// TestAsymmetric goes over every spec, usage and algorithm.
func TestAsymmetric(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, tt := range []struct {
		spec  types.KeySpec
		usage types.KeyUsageType
	}{
		{types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt},
		{types.KeySpecRsa2048, types.KeyUsageTypeSignVerify},
		{types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify},
		{types.KeySpecEccNistP384, types.KeyUsageTypeSignVerify},
		{types.KeySpecEccNistP521, types.KeyUsageTypeSignVerify},
		{types.KeySpecEccNistEdwards25519, types.KeyUsageTypeSignVerify},
		{types.KeySpecHmac224, types.KeyUsageTypeGenerateVerifyMac},
		{types.KeySpecHmac512, types.KeyUsageTypeGenerateVerifyMac},
	} {
		t.Run(string(tt.spec)+" "+string(tt.usage), func(t *testing.T) {
			t.Parallel()
			id := newKey(t, a, tt.spec, tt.usage)
			m := ok(a.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id}))(t).KeyMetadata
			for _, algorithm := range m.EncryptionAlgorithms {
				e := ok(a.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("text"), EncryptionAlgorithm: algorithm}))(t)
				d := ok(a.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &id, CiphertextBlob: e.CiphertextBlob, EncryptionAlgorithm: algorithm}))(t)
				if string(d.Plaintext) != "text" {
					t.Errorf("%s: got %q", algorithm, d.Plaintext)
				}
				_, err := a.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: make([]byte, 215), EncryptionAlgorithm: algorithm})
				fails(t, err, "ValidationException", "cannot encrypt data larger than")
			}
			for _, algorithm := range m.SigningAlgorithms {
				typ := types.MessageTypeRaw
				message := []byte("message")
				if algorithm == types.SigningAlgorithmSpecEd25519PhSha512 {
					typ, message = types.MessageTypeDigest, bytes.Repeat([]byte("d"), 64)
				}
				s := ok(a.Sign(t.Context(), &kms.SignInput{KeyId: &id, Message: message, MessageType: typ, SigningAlgorithm: algorithm}))(t)
				if v := ok(a.Verify(t.Context(), &kms.VerifyInput{KeyId: &id, Message: message, MessageType: typ, Signature: s.Signature, SigningAlgorithm: algorithm}))(t); !v.SignatureValid {
					t.Errorf("%s: the signature is not valid", algorithm)
				}
				message[0] ^= 1
				_, err := a.Verify(t.Context(), &kms.VerifyInput{KeyId: &id, Message: message, MessageType: typ, Signature: s.Signature, SigningAlgorithm: algorithm})
				fails(t, err, "KMSInvalidSignatureException", "")
			}
			for _, algorithm := range m.MacAlgorithms {
				g := ok(a.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &id, Message: []byte("message"), MacAlgorithm: algorithm}))(t)
				ok(a.VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: &id, Message: []byte("message"), Mac: g.Mac, MacAlgorithm: algorithm}))(t)
				_, err := a.VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: &id, Message: []byte("massage"), Mac: g.Mac, MacAlgorithm: algorithm})
				fails(t, err, "KMSInvalidMacException", "")
			}
			_, err := a.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &id})
			if tt.usage == types.KeyUsageTypeGenerateVerifyMac {
				fails(t, err, "UnsupportedOperationException", "no public key")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	one, two := newKey(t, a, types.KeySpecEccNistP256, types.KeyUsageTypeKeyAgreement), newKey(t, a, types.KeySpecEccNistP256, types.KeyUsageTypeKeyAgreement)
	shared := func(mine, theirs string) []byte {
		p := ok(a.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &theirs}))(t)
		return ok(a.DeriveSharedSecret(t.Context(), &kms.DeriveSharedSecretInput{KeyId: &mine, PublicKey: p.PublicKey, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh}))(t).SharedSecret
	}
	if x, y := shared(one, two), shared(two, one); !bytes.Equal(x, y) || len(x) != 32 {
		t.Errorf("got %x and %x, want one secret", x, y)
	}
	_, err := a.Sign(t.Context(), &kms.SignInput{KeyId: &one, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	fails(t, err, "InvalidKeyUsageException", "key usage is KEY_AGREEMENT which is not valid for Sign.")
}

// told asks the wire and the handler what is wrong with a key.
func TestCreateKeyFaults(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	ops := a.Operations()
	nobody := strings.Replace(a.defaultPolicy(), "arn:aws:iam", "arn:aws:ian", 1)
	for _, tt := range []struct {
		in   *kms.CreateKeyInput
		code string
		say  []string
	}{
		{&kms.CreateKeyInput{KeySpec: types.KeySpecSm2, MultiRegion: new(true)}, "ValidationException", []string{"'MultiRegion'", "SM2 is not supported"}},
		{&kms.CreateKeyInput{Origin: types.OriginTypeExternal, CustomKeyStoreId: new("cks-1")}, "ValidationException", []string{"'CustomKeyStoreId'", "'Origin'"}},
		{&kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048}, "ValidationException", []string{"must specify a KeyUsage"}},
		{&kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeSignVerify}, "ValidationException", []string{"not compatible"}},
		{&kms.CreateKeyInput{Policy: new("{")}, "MalformedPolicyDocumentException", []string{""}},
		{&kms.CreateKeyInput{Policy: &nobody}, "MalformedPolicyDocumentException", []string{"invalid principals"}},
		{&kms.CreateKeyInput{Tags: []types.Tag{{TagKey: new("a"), TagValue: new("")}, {TagKey: new("a"), TagValue: new("")}, {TagKey: new("aws:x"), TagValue: new("")}}}, "TagException", []string{"Duplicate tag keys", "reserved"}},
	} {
		wiretest.Told(t, "kms", ops, tt.in, tt.code, tt.say...)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id := newKey(t, a, "", "")
	got := ok(a.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: &id}))(t)
	if *got.Policy != a.defaultPolicy() || policyFaults(*got.Policy).First() != nil {
		t.Errorf("got %s, %v", *got.Policy, policyFaults(*got.Policy))
	}
	more := `{"Version":"2012-10-17","Statement":[{"Sid":"Root it","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:root"]},"Action":["kms:*"],"Resource":"*"},
		{"Effect":"Allow","Principal":{"Service":"logs.us-west-2.amazonaws.com"},"Action":"kms:Decrypt","Resource":"*"}]}`
	ok(a.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &id, Policy: &more}))(t)
	if got := ok(a.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: &id, PolicyName: new("default")}))(t); *got.Policy != more {
		t.Errorf("got %s, want the text as it was sent", *got.Policy)
	}
	put := func(text string, bypass bool) error {
		root := session.Caller{Principal: policy.Principal{Type: policy.Root, Account: "123456789012", ARN: "arn:aws:iam::123456789012:root"}}
		_, err := a.PutKeyPolicy(session.With(t.Context(), root), &kms.PutKeyPolicyInput{KeyId: &id, Policy: &text, BypassPolicyLockoutSafetyCheck: bypass})
		return err
	}
	eves := strings.Replace(more, "123456789012:root", "123456789012:user/eve", 1)
	fails(t, put(eves, false), "MalformedPolicyDocumentException", "will not allow you to update the key policy")
	fails(t, put(strings.Replace(eves, "eve", "nobody", 1), true), "MalformedPolicyDocumentException", "invalid principals")
	for _, err := range []error{put(more, false), put(eves, true)} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestServiceKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	blob, key, err := a.For("ssm").Seal(t.Context(), "", map[string]string{"PARAMETER_ARN": "x"}, []byte("canary"))
	if err != nil {
		t.Fatal(err)
	}
	if got := ok(a.For("ssm").Open(t.Context(), map[string]string{"PARAMETER_ARN": "x"}, blob))(t); string(got) != "canary" {
		t.Errorf("got %q", got)
	}
	m := ok(a.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/ssm")}))(t).KeyMetadata
	if *m.Arn != key || m.KeyManager != types.KeyManagerTypeAws {
		t.Errorf("got %s by %s, want %s of AWS", *m.Arn, m.KeyManager, key)
	}
	for name, call := range map[string]func(ctx context.Context) error{
		"another service": func(ctx context.Context) error {
			_, err := a.For("secretsmanager").Open(ctx, map[string]string{"PARAMETER_ARN": "x"}, blob)
			return err
		},
		"Decrypt": func(ctx context.Context) error {
			_, err := a.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"PARAMETER_ARN": "x"}})
			return err
		},
		"ScheduleKeyDeletion": func(ctx context.Context) error {
			_, err := a.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key})
			return err
		},
		"DisableKey": func(ctx context.Context) error {
			_, err := a.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
			return err
		},
		"PutKeyPolicy": func(ctx context.Context) error {
			_, err := a.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(a.defaultPolicy())})
			return err
		},
		"CreateAlias": func(ctx context.Context) error {
			_, err := a.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/mine"), TargetKeyId: &key})
			return err
		},
	} {
		fails(t, call(t.Context()), "AccessDeniedException", "because no resource-based policy allows")
		_ = name
	}
	if r := ok(a.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: &key}))(t); !r.KeyRotationEnabled {
		t.Error("the key of a service does not rotate")
	}
	signs := ok(a.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify}))(t).KeyMetadata.KeyId
	if r := ok(a.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: signs}))(t); r.KeyRotationEnabled || r.RotationPeriodInDays != nil {
		t.Errorf("a key that never rotates: %+v", r)
	}
}
