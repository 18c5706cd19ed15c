package daemon

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	sdksm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/skylift/skylift/internal/gateway/denial"
)

// TestKeysAndSecretsAreGuarded: a secret's policy and a key's grant let users in whom no policy of theirs does, a key's policy keeps out
// whom theirs would let in, by a service, too; and a user of the same name who comes later has nothing of it.
func TestKeysAndSecretsAreGuarded(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	const arn = "arn:aws:iam::123456789012:"
	ada, bob := f.user("ada", ""), f.user("bob", allow(`["kms:*","secretsmanager:*"]`))
	root := sdkkms.NewFromConfig(f.root)
	key := ok(root.CreateKey(t.Context(), &sdkkms.CreateKeyInput{Policy: new(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + arn + `root"},"Action":"kms:*","Resource":"*"},
		{"Sid":"NotBob","Effect":"Deny","Principal":{"AWS":"` + arn + `user/bob"},"Action":"kms:Decrypt","Resource":"*"}]}`)}))(t).KeyMetadata
	secrets := sdksm.NewFromConfig(f.root)
	secret := ok(secrets.CreateSecret(t.Context(), &sdksm.CreateSecretInput{Name: new("s"), SecretString: new("canary"), KmsKeyId: key.Arn}))(t)
	get := func(as *sdksm.Client) string {
		out, err := as.GetSecretValue(t.Context(), &sdksm.GetSecretValueInput{SecretId: new("s")})
		if err != nil {
			return heard(err)
		}
		return *out.SecretString
	}
	f.want("without a policy", get(sdksm.NewFromConfig(ada)), "AccessDeniedException: User: "+arn+"user/ada is not authorized to perform: secretsmanager:GetSecretValue…")
	ok(secrets.PutResourcePolicy(t.Context(), &sdksm.PutResourcePolicyInput{SecretId: new("s"), ResourcePolicy: new(`{"Version":"2012-10-17","Statement":
		{"Effect":"Allow","Principal":{"AWS":"` + arn + `user/ada"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`)}))(t)
	f.want("without the key", get(sdksm.NewFromConfig(ada)), "AccessDeniedException: Access to KMS is not allowed…")
	ok(root.CreateGrant(t.Context(), &sdkkms.CreateGrantInput{
		KeyId: key.KeyId, GranteePrincipal: new(arn + "user/ada"), Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt},
		Constraints: &kmstypes.GrantConstraints{EncryptionContextSubset: map[string]string{"SecretARN": *secret.ARN}},
	}))(t)
	f.want("by the policy and the grant", get(sdksm.NewFromConfig(ada)), "canary")
	f.want("whom the key denies", get(sdksm.NewFromConfig(bob)), "AccessDeniedException: Access to KMS is not allowed…")

	blob := ok(sdkkms.NewFromConfig(bob).Encrypt(t.Context(), &sdkkms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")}))(t).CiphertextBlob
	_, err := sdkkms.NewFromConfig(bob).Decrypt(t.Context(), &sdkkms.DecryptInput{CiphertextBlob: blob})
	f.want("directly", heard(err), "AccessDeniedException: User: "+arn+"user/bob is not authorized to perform: kms:Decrypt on resource: "+*key.Arn+" with an explicit deny in a resource-based policy")
	f.tells(requestOf(err), denial.Refusal{Caller: arn + "user/bob", Action: "kms:Decrypt", Resource: *key.Arn, Statement: &denial.Statement{Sid: "NotBob", Number: 2}})
	_, err = sdkkms.NewFromConfig(ada).Decrypt(t.Context(), &sdkkms.DecryptInput{CiphertextBlob: blob})
	f.want("outside of the grant", heard(err), "AccessDeniedException: …")

	_, err = root.PutKeyPolicy(t.Context(), &sdkkms.PutKeyPolicyInput{KeyId: key.KeyId, Policy: new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + arn + `user/bob"},"Action":"kms:*","Resource":"*"}}`)})
	f.want("a policy that locks out", heard(err), "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.")

	people := sdkiam.NewFromConfig(f.root)
	keys := ok(people.ListAccessKeys(t.Context(), &sdkiam.ListAccessKeysInput{UserName: new("ada")}))(t).AccessKeyMetadata
	ok(people.DeleteAccessKey(t.Context(), &sdkiam.DeleteAccessKeyInput{UserName: new("ada"), AccessKeyId: keys[0].AccessKeyId}))(t)
	ok(people.DeleteUser(t.Context(), &sdkiam.DeleteUserInput{UserName: new("ada")}))(t)
	f.want("another ada", get(sdksm.NewFromConfig(f.user("ada", ""))), "AccessDeniedException: User: "+arn+"user/ada is not authorized to perform: secretsmanager:GetSecretValue…")
}

// requestOf returns the id of the request that failed.
func requestOf(err error) string {
	var r interface{ ServiceRequestID() string }
	if errors.As(err, &r) {
		return r.ServiceRequestID()
	}
	return ""
}

// tells checks what `skylift why denied` gets of a request.
func (f *front) tells(request string, want denial.Refusal) {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.m.tellDenied(w, httptest.NewRequest("GET", DeniedPath+"?"+url.Values{"request": {request}}.Encode(), nil))
	var got denial.Refusal
	if err := json.NewDecoder(strings.NewReader(w.Body.String())).Decode(&got); err != nil {
		f.t.Errorf("of %q: %v, %s", request, err, w.Body)
		return
	}
	if got.Caller != want.Caller || got.Action != want.Action || got.Resource != want.Resource || got.Statement == nil || got.Statement.Sid != want.Statement.Sid || got.Statement.Number != want.Statement.Number {
		f.t.Errorf("told of %+v, want %+v", got, want)
	}
	w = httptest.NewRecorder()
	f.m.tellDenied(w, httptest.NewRequest("GET", DeniedPath+"?request=none", nil))
	if w.Code != 404 {
		f.t.Errorf("of a request that wasn't denied: %d %s", w.Code, w.Body)
	}
}
