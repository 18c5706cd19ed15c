package secretsmanager

import (
	"context"
	"strings"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/skylift/skylift/internal/policy"
)

// people is IAM: it has all users and roles but those called nobody, and tells ids that name them.
type people struct{}

func (people) UniqueID(_ context.Context, arn string) (string, bool, error) {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	return "AIDA" + strings.ToUpper(name), name != "nobody", nil
}

// A secret's policy lets in and keeps out, whoever had the name when it was set.
func TestSecretsAreJudged(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	create(t, a, "s", "v")
	text := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ada"},"Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}}},
		{"Effect":"Deny","Principal":"*","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`
	out := ok(a.PutResourcePolicy(t.Context(), &sm.PutResourcePolicyInput{SecretId: new("s"), ResourcePolicy: &text}))(t)
	user := func(name, id string) policy.Principal {
		arn := "arn:aws:iam::123456789012:user/" + name
		return policy.Principal{Type: policy.User, Account: "123456789012", ARN: arn, Entity: arn, EntityID: id, UserID: id}
	}
	for name, tt := range map[string]struct {
		who           policy.Principal
		action, stage string
		want          policy.Effect
	}{
		"who is named":                  {user("ada", "AIDAADA"), "GetSecretValue", current, policy.Allowed},
		"another version":               {user("ada", "AIDAADA"), "GetSecretValue", previous, policy.ImplicitDeny},
		"who has the name later":        {user("ada", "AIDALATER"), "GetSecretValue", current, policy.ImplicitDeny},
		"somebody else":                 {user("eve", "AIDAEVE"), "GetSecretValue", current, policy.ImplicitDeny},
		"nobody deletes, nor does root": {policy.Principal{Type: policy.Root, Account: "123456789012"}, "DeleteSecret", current, policy.ExplicitDeny},
		"root does all else":            {policy.Principal{Type: policy.Root, Account: "123456789012"}, "UpdateSecret", current, policy.Allowed},
	} {
		call := policy.Call{Caller: tt.who, Action: "secretsmanager:" + tt.action, Resource: *out.ARN, Owner: "123456789012"}
		call.Keys.Set("secretsmanager:VersionStage", tt.stage)
		own := ok(a.Own(t.Context(), call.Action, call.Resource))(t)
		if d := policy.Decide(call, policy.Policies{Resource: own}); d.Effect != tt.want {
			t.Errorf("%s: got %s, want %s", name, d.Effect, tt.want)
		}
	}
	ok(a.DeleteResourcePolicy(t.Context(), &sm.DeleteResourcePolicyInput{SecretId: new("s")}))(t)
	for _, arn := range []string{*out.ARN, strings.Replace(*out.ARN, ":s-", ":t-", 1), "*", "arn:aws:s3:::s"} {
		if own := ok(a.Own(t.Context(), "secretsmanager:GetSecretValue", arn))(t); own != nil {
			t.Errorf("%s has a policy", arn)
		}
	}
}
