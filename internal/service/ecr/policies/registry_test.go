package policies

import (
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy"
)

// about is a statement of a registry's policy.
func about(effect, principal, action, resource string) string {
	return strings.TrimSuffix(statement(effect, principal, action), "}") + `,"Resource":"` + resource + `"}`
}

func (a *API) put(t *testing.T, text string) error {
	_, err := a.PutRegistryPolicy(t.Context(), &sdk.PutRegistryPolicyInput{PolicyText: &text})
	return err
}

const everywhere = "arn:aws:ecr:us-west-2:111122223333:repository/*"

func TestRegistryPolicy(t *testing.T) {
	t.Parallel()
	a := open(t)
	_, err := a.GetRegistryPolicy(t.Context(), &sdk.GetRegistryPolicyInput{})
	fails(t, "none", err, "RegistryPolicyNotFoundException", "does not exist in the registry with id '111122223333'")
	_, err = a.DeleteRegistryPolicy(t.Context(), &sdk.DeleteRegistryPolicyInput{})
	fails(t, "none", err, "RegistryPolicyNotFoundException", "")
	user := `{"AWS":"` + ada + `"}`
	for what, bad := range map[string]string{
		"no JSON": "{", "no resource": text(statement("Allow", user, "ecr:CreateRepository")), "another service": text(about("Allow", user, "s3:GetObject", everywhere)),
		"another registry": text(about("Allow", user, "ecr:CreateRepository", "arn:aws:ecr:us-west-2:999999999999:repository/*")),
		"nobody":           text(about("Allow", `{"AWS":"ada"}`, "ecr:CreateRepository", everywhere)),
	} {
		fails(t, what, a.put(t, bad), "InvalidParameterException", "Invalid registry policy provided")
	}
	fails(t, "replication", a.put(t, text(about("Allow", user, "ecr:ReplicateImage", everywhere))), "InvalidParameterException", "no replication")
	fails(t, "gone", a.put(t, text(about("Allow", `{"AWS":"arn:aws:iam::111122223333:user/bob"}`, "ecr:CreateRepository", everywhere))), "InvalidParameterException", "Principal not found")
	good := text(about("Allow", user, "ecr:BatchImportUpstreamImage", everywhere))
	if err := a.put(t, good); err != nil {
		t.Fatal(err)
	}
	got, err := a.GetRegistryPolicy(t.Context(), &sdk.GetRegistryPolicyInput{})
	if err != nil || *got.PolicyText != good || *got.RegistryId != "111122223333" {
		t.Errorf("got %+v: %v", got, err)
	}
	gone, err := a.DeleteRegistryPolicy(t.Context(), &sdk.DeleteRegistryPolicyInput{})
	if err != nil || *gone.PolicyText != good {
		t.Errorf("got %+v: %v", gone, err)
	}
}

// TestRegistryPolicyIsAsked: by version 2 about every action, by version 1 about some.
func TestRegistryPolicyIsAsked(t *testing.T) {
	t.Parallel()
	a := open(t)
	user := `{"AWS":"` + ada + `"}`
	if err := a.put(t, text(about("Allow", user, "ecr:*", "*"), about("Deny", `"*"`, "ecr:PutImage", everywhere))); err != nil {
		t.Fatal(err)
	}
	if err := a.set(t.Context(), text(statement("Deny", user, "ecr:ListImages")), false); err != nil {
		t.Fatal(err)
	}
	may := func(action, resource string) policy.Effect {
		t.Helper()
		p, err := a.Own(t.Context(), action, resource)
		if err != nil {
			t.Fatal(err)
		}
		who := policy.Principal{Type: policy.User, Account: "111122223333", ARN: ada, Entity: ada, EntityID: "AIDAADA", UserID: "AIDAADA"}
		return policy.Decide(policy.Call{Caller: who, Action: action, Resource: resource, Keys: who.Keys()}, policy.Policies{Resource: p}).Effect
	}
	other := strings.TrimSuffix(repo, "app") + "other"
	for _, tt := range []struct {
		action, resource string
		v1, v2           policy.Effect
	}{
		{"ecr:CreateRepository", other, policy.Allowed, policy.Allowed},
		{"ecr:BatchGetImage", repo, policy.ImplicitDeny, policy.Allowed},
		{"ecr:ListImages", repo, policy.ExplicitDeny, policy.ExplicitDeny},
		{"ecr:ListImages", other, policy.ImplicitDeny, policy.Allowed},
		{"ecr:PutImage", other, policy.ImplicitDeny, policy.ExplicitDeny},
		{"ecr:GetAuthorizationToken", "*", policy.ImplicitDeny, policy.Allowed},
		{"ecs:ListTasks", "*", policy.ImplicitDeny, policy.ImplicitDeny},
	} {
		for version, want := range map[string]policy.Effect{"V1": tt.v1, "V2": tt.v2} {
			if _, err := a.PutAccountSetting(t.Context(), &sdk.PutAccountSettingInput{Name: new("REGISTRY_POLICY_SCOPE"), Value: &version}); err != nil {
				t.Fatal(err)
			}
			if got, err := a.GetAccountSetting(t.Context(), &sdk.GetAccountSettingInput{Name: new("REGISTRY_POLICY_SCOPE")}); err != nil || *got.Value != version {
				t.Errorf("got %+v: %v", got, err)
			}
			if got := may(tt.action, tt.resource); got != want {
				t.Errorf("%s: %s on %s: %s, want %s", version, tt.action, tt.resource, got, want)
			}
		}
	}
	_, err := a.PutAccountSetting(t.Context(), &sdk.PutAccountSettingInput{Name: new("REGISTRY_POLICY_SCOPE"), Value: new("V3")})
	fails(t, "value", err, "InvalidParameterException", "'value'")
	_, err = a.PutAccountSetting(t.Context(), &sdk.PutAccountSettingInput{Name: new("BLOB_MOUNTING"), Value: new("ENABLED")})
	fails(t, "name", err, "InvalidParameterException", "'BLOB_MOUNTING' is not supported by Skylift")
	fails(t, "locked out", func() error {
		text := text(about("Deny", `"*"`, "ecr:PutRegistryPolicy", "*"))
		_, err := a.PutRegistryPolicy(caller.With(t.Context(), caller.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:root", UserID: "111122223333"}), &sdk.PutRegistryPolicyInput{PolicyText: &text})
		return err
	}(), "InvalidParameterException", "prevent you")
}

// TestScanVersion: basic scanning is AWS's own, and the older one is refused.
func TestScanVersion(t *testing.T) {
	t.Parallel()
	a := open(t)
	name := new("BASIC_SCAN_TYPE_VERSION")
	got, err := a.GetAccountSetting(t.Context(), &sdk.GetAccountSettingInput{Name: name})
	if err != nil || *got.Value != "AWS_NATIVE" {
		t.Errorf("%+v, %v", got, err)
	}
	put, err := a.PutAccountSetting(t.Context(), &sdk.PutAccountSettingInput{Name: name, Value: new("AWS_NATIVE")})
	if err != nil || *put.Value != "AWS_NATIVE" {
		t.Errorf("%+v, %v", put, err)
	}
	for value, want := range map[string]string{"CLAIR": "'CLAIR' of 'BASIC_SCAN_TYPE_VERSION' is not supported by Skylift", "V1": "must satisfy enum value set: [AWS_NATIVE, CLAIR]"} {
		_, err = a.PutAccountSetting(t.Context(), &sdk.PutAccountSettingInput{Name: name, Value: &value})
		fails(t, value, err, "InvalidParameterException", want)
	}
}
