package kms

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/authz"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// someone is a user, or a session of a role.
func someone(name string) policy.Principal {
	if role, is := strings.CutPrefix(name, "role/"); is {
		id := "AROA" + strings.ToUpper(role)
		return policy.Principal{
			Type: policy.RoleSession, Account: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/" + role + "/s",
			Entity: "arn:aws:iam::123456789012:" + name, EntityID: id, UserID: id + ":s",
		}
	}
	arn := "arn:aws:iam::123456789012:user/" + name
	return policy.Principal{Type: policy.User, Account: "123456789012", ARN: arn, Entity: arn, EntityID: "AROA" + strings.ToUpper(name), UserID: "AROA" + strings.ToUpper(name)}
}

// decides says what becomes of an input by the caller, whose own policy is a text; "" for none.
func decides(t *testing.T, a *API, who policy.Principal, own string, in any) (said []string) {
	t.Helper()
	known := func(ctx context.Context, arns []string) (map[string]authz.Known, error) {
		found := map[string]authz.Known{}
		return found, a.db.View(ctx, func(tx store.Tx) error {
			for _, arn := range arns {
				tags, keys, err := a.Known(tx, arn)
				if err != nil {
					return err
				}
				found[arn] = authz.Known{Tags: tags, Keys: keys}
			}
			return nil
		})
	}
	var mine policy.Policies
	if own != "" {
		d := ok(document.Parse(own))(t)
		mine.Identity = []*policy.Policy{ok(policy.Compile(policy.Name{Name: "own"}, d, nil))(t)}
	}
	s := ok(wiretest.New("kms", a.Operations()))(t)
	for _, q := range ok(ok(s.Decode(t, in))(t).Questions(t.Context(), a.ns, known))(t) {
		call := policy.Call{Caller: who, Action: q.Action, Resource: q.Resource, Owner: "123456789012"}
		for name, values := range q.Keys {
			if len(values) == 1 {
				call.Keys.Set(name, values[0])
			} else {
				call.Keys.SetMany(name, values...)
			}
		}
		p := mine
		p.Resource = ok(a.Own(t.Context(), q.Action, q.Marked()))(t)
		d := policy.Decide(call, p)
		text := d.Effect.String()
		if d.By != nil {
			text += " by " + d.By.Policy.Name
		}
		said = append(said, text)
	}
	return said
}

// Who may use a key is what its policy, its grants and IAM's policies say together.
func TestKeysAreJudged(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const all = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}`
	statement := func(effect, principal, action, condition string) string {
		return fmt.Sprintf(`{"Effect":%q,"Principal":{"AWS":%q},"Action":%q,"Resource":"*"%s}`, effect, principal, action, condition)
	}
	key := func(statements ...string) string {
		text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
		return *ok(a.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &text}))(t).KeyMetadata.KeyId
	}
	const root, user = "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:user/"
	usual := newKey(t, a, "", "")
	closed := key(statement("Allow", user+"admin", "kms:*", ""))
	denies := key(statement("Allow", root, "kms:*", ""), statement("Deny", user+"eve", "kms:Decrypt", ""))
	narrow := key(statement("Allow", root, "kms:*", ""), statement("Allow", user+"bob", "kms:Encrypt", `,"Condition":{"StringEquals":{"kms:EncryptionContext:App":"shop","kms:RequestAlias":"alias/narrow","kms:CallerAccount":"123456789012","kms:KeySpec":"SYMMETRIC_DEFAULT"},"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["App","Stage"]}}`))
	ok(a.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("alias/narrow"), TargetKeyId: &narrow}))(t)
	encrypts := func(key string, context ...string) *kms.EncryptInput {
		in := &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: map[string]string{}}
		for i := 0; i < len(context); i += 2 {
			in.EncryptionContext[context[i]] = context[i+1]
		}
		return in
	}
	blob := func(key string) []byte {
		return ok(a.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t).CiphertextBlob
	}
	for name, tt := range map[string]struct {
		who  string
		own  string
		in   any
		want string
	}{
		"the account, with a policy":         {"ada", all, encrypts(usual), "allowed by own"},
		"the account, without":               {"ada", "", encrypts(usual), "implicitDeny"},
		"a key that doesn't name it":         {"ada", all, encrypts(closed), "implicitDeny"},
		"whom the key names":                 {"admin", "", encrypts(closed), "allowed by of the key " + closed},
		"whom the key denies":                {"eve", all, &kms.DecryptInput{CiphertextBlob: blob(denies)}, "explicitDeny by of the key " + denies},
		"the others":                         {"ada", all, &kms.DecryptInput{CiphertextBlob: blob(denies)}, "allowed by own"},
		"its conditions":                     {"bob", "", encrypts("alias/narrow", "App", "shop"), "allowed by of the key " + narrow},
		"another context":                    {"bob", "", encrypts("alias/narrow", "App", "bank"), "implicitDeny"},
		"a context with more":                {"bob", "", encrypts("alias/narrow", "App", "shop", "Other", "x"), "implicitDeny"},
		"not by the alias":                   {"bob", "", encrypts(narrow, "App", "shop"), "implicitDeny"},
		"what isn't there is for IAM to say": {"ada", all, encrypts("3d3f9e4c-5c0a-4b0e-9a52-000000000000"), "allowed by own"},
	} {
		if got := decides(t, a, someone(tt.who), tt.own, tt.in); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("%s: got %v, want %s", name, got, tt.want)
		}
	}
	bob := someone("bob")
	bob.EntityID, bob.UserID = "AIDAANOTHER", "AIDAANOTHER"
	if got := decides(t, a, bob, "", encrypts("alias/narrow", "App", "shop")); got[0] != "implicitDeny" {
		t.Errorf("another user of the name: %v", got)
	}
}

// A grant lets its grantee do what it says, under its constraints, and no more by grants that the grantee makes.
func TestGrantsAreJudged(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id := newKey(t, a, "", "")
	grant := func(who string, c *types.GrantConstraints, ops ...types.GrantOperation) *kms.CreateGrantInput {
		return &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: new("arn:aws:iam::123456789012:" + who), RetiringPrincipal: new("arn:aws:iam::123456789012:user/gus"), Operations: ops, Constraints: c}
	}
	app := map[string]string{"App": "shop"}
	subset, equals := &types.GrantConstraints{EncryptionContextSubset: app}, &types.GrantConstraints{EncryptionContextEquals: app}
	decrypt, describe, create, retire := types.GrantOperationDecrypt, types.GrantOperationDescribeKey, types.GrantOperationCreateGrant, types.GrantOperationRetireGrant
	first := ok(a.CreateGrant(t.Context(), grant("role/r", subset, decrypt, describe, create, retire)))(t)
	second := ok(a.CreateGrant(t.Context(), grant("user/eq", equals, decrypt, create)))(t)
	blob := func(context map[string]string) *kms.DecryptInput {
		out := ok(a.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionContext: context}))(t)
		return &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: context}
	}
	more := map[string]string{"App": "shop", "Stage": "prod"}
	for name, tt := range map[string]struct {
		who  string
		in   any
		want bool
	}{
		"what is granted":                     {"role/r", blob(app), true},
		"with more than the subset":           {"role/r", blob(more), true},
		"with less":                           {"role/r", blob(nil), false},
		"without a context":                   {"role/r", &kms.DescribeKeyInput{KeyId: &id}, true},
		"what isn't granted":                  {"role/r", &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionContext: app}, false},
		"somebody else":                       {"eve", blob(app), false},
		"exactly":                             {"eq", blob(app), true},
		"more than exactly":                   {"eq", blob(more), false},
		"a stricter grant":                    {"role/r", grant("user/x", equals, decrypt), true},
		"a grant of the same":                 {"role/r", grant("user/x", subset, decrypt, describe), true},
		"a grant without constraints":         {"role/r", grant("user/x", nil, decrypt), false},
		"a grant of more":                     {"role/r", grant("user/x", subset, decrypt, types.GrantOperationEncrypt), false},
		"a looser kind of grant":              {"eq", grant("user/x", subset, decrypt), false},
		"the grantee retires":                 {"role/r", &kms.RetireGrantInput{KeyId: &id, GrantId: first.GrantId}, true},
		"by its token":                        {"role/r", &kms.RetireGrantInput{GrantToken: first.GrantToken}, true},
		"another's":                           {"role/r", &kms.RetireGrantInput{KeyId: &id, GrantId: second.GrantId}, false},
		"a grantee that may not":              {"eq", &kms.RetireGrantInput{KeyId: &id, GrantId: second.GrantId}, false},
		"the retiring principal":              {"gus", &kms.RetireGrantInput{KeyId: &id, GrantId: second.GrantId}, true},
		"the retiring principal does no more": {"gus", blob(app), false},
	} {
		for _, got := range decides(t, a, someone(tt.who), "", tt.in) {
			if is := strings.HasPrefix(got, "allowed by of the grant"); is != tt.want {
				t.Errorf("%s: got %s, want it allowed: %v", name, got, tt.want)
			}
		}
	}
	ok(a.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: &id, GrantId: first.GrantId}))(t)
	if got := decides(t, a, someone("role/r"), "", blob(app)); got[0] != "implicitDeny" {
		t.Errorf("after it was revoked: %v", got)
	}
	_, err := a.CreateGrant(t.Context(), grant("user/nobody", nil, decrypt))
	fails(t, err, "InvalidArnException", "does not refer to a valid principal")
}
