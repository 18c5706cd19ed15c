package policies

import (
	"context"
	"errors"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store/memstore"
)

// people are users and roles, by ARN.
type people map[string]string

func (p people) UniqueID(_ context.Context, arn string) (string, bool, error) {
	id, ok := p[arn]
	return id, ok, nil
}

const (
	ada  = "arn:aws:iam::111122223333:user/ada"
	repo = "arn:aws:ecr:us-west-2:111122223333:repository/app"
)

func open(t *testing.T) *API {
	t.Helper()
	db, ns := memstore.New(), arn.Namespace{Region: "us-west-2", Account: "111122223333"}
	records, err := record.Open(t.Context(), db, ns, "127.0.0.1:4566")
	if err != nil {
		t.Fatal(err)
	}
	images := ecr.New(records, nil)
	for _, name := range []string{"app", "other"} {
		if _, err := images.CreateRepository(t.Context(), &sdk.CreateRepositoryInput{RepositoryName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	return New(records, people{ada: "AIDAADA"})
}

// statement is one of a policy: Allow or Deny, a principal, and an action.
func statement(effect, principal, action string) string {
	return `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"` + action + `"}`
}

func text(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func (a *API) set(ctx context.Context, text string, force bool) error {
	_, err := a.SetRepositoryPolicy(ctx, &sdk.SetRepositoryPolicyInput{RepositoryName: new("app"), PolicyText: &text, Force: force})
	return err
}

func fails(t *testing.T, what string, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("%s: got %v, want %s: %s", what, err, code, words)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	a := open(t)
	ctx, app := t.Context(), new("app")
	const there = "Repository policy does not exist for the repository with name 'app' in the registry with id '111122223333'"
	_, err := a.GetRepositoryPolicy(ctx, &sdk.GetRepositoryPolicyInput{RepositoryName: app})
	fails(t, "get", err, "RepositoryPolicyNotFoundException", there)
	_, err = a.DeleteRepositoryPolicy(ctx, &sdk.DeleteRepositoryPolicyInput{RepositoryName: app})
	fails(t, "delete", err, "RepositoryPolicyNotFoundException", there)
	_, err = a.GetRepositoryPolicy(ctx, &sdk.GetRepositoryPolicyInput{RepositoryName: new("gone")})
	fails(t, "of none", err, "RepositoryNotFoundException", "The repository with name 'gone' does not exist")

	want := "  " + text(statement("Allow", `{"AWS":"`+ada+`"}`, "ecr:BatchGetImage")) + "\n"
	if err := a.set(ctx, want, false); err != nil {
		t.Fatal(err)
	}
	got, err := a.GetRepositoryPolicy(ctx, &sdk.GetRepositoryPolicyInput{RepositoryName: app})
	if err != nil || *got.PolicyText != want {
		t.Errorf("got %q, %v; want it as it was sent", *got.PolicyText, err)
	}
	gone, err := a.DeleteRepositoryPolicy(ctx, &sdk.DeleteRepositoryPolicyInput{RepositoryName: app})
	if err != nil || *gone.PolicyText != want {
		t.Errorf("got %+v, %v", gone, err)
	}
	if p, err := a.Own(ctx, "ecr:BatchGetImage", repo); p != nil || err != nil {
		t.Errorf("got %v, %v after it was deleted", p, err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	a := open(t)
	allow := func(principal string) string { return text(statement("Allow", principal, "ecr:*")) }
	for what, tt := range map[string]struct{ text, words string }{
		"no JSON":           {"{", invalid},
		"a Resource":        {text(strings.Replace(statement("Allow", `"*"`, "ecr:*"), "{", `{"Resource":"*",`, 1)), invalid},
		"no Principal":      {text(`{"Effect":"Allow","Action":"ecr:*"}`), invalid},
		"a wildcard":        {allow(`{"AWS":"arn:aws:iam::111122223333:*"}`), invalid},
		"a user of S3":      {allow(`{"CanonicalUser":"x"}`), invalid},
		"somebody gone":     {allow(`{"AWS":"arn:aws:iam::111122223333:user/bob"}`), "Principal not found"},
		"NotPrincipal":      {text(`{"Effect":"Allow","NotPrincipal":"*","Action":"ecr:*"}`), invalid},
		"an action of none": {text(statement("Allow", `"*"`, "pull")), invalid},
	} {
		fails(t, what, a.set(t.Context(), tt.text, false), "InvalidParameterException", "Invalid parameter at 'PolicyText' failed to satisfy constraint: '"+tt.words+"'")
	}
	for _, principal := range []string{`"*"`, `{"AWS":"*"}`, `{"AWS":"999999999999"}`, `{"AWS":["arn:aws:iam::111122223333:root","` + ada + `"]}`, `{"AWS":"arn:aws:iam::999999999999:role/x"}`, `{"Service":"codebuild.amazonaws.com"}`} {
		if err := a.set(t.Context(), allow(principal), false); err != nil {
			t.Errorf("%s: %v", principal, err)
		}
	}
}

// Who would lose the right to set another policy has to force it.
func TestLockout(t *testing.T) {
	t.Parallel()
	a := open(t)
	as := func(arn string) context.Context {
		return caller.With(t.Context(), caller.Caller{Account: "111122223333", ARN: arn, UserID: "AIDAADA"})
	}
	deny := text(statement("Deny", `{"AWS":"`+ada+`"}`, "ecr:Set*"))
	fails(t, "ada", a.set(as(ada), deny, false), "InvalidParameterException", "force")
	for _, tt := range []struct {
		ctx   context.Context
		force bool
	}{{as(ada), true}, {as("arn:aws:iam::111122223333:root"), false}} {
		if err := a.set(tt.ctx, deny, tt.force); err != nil {
			t.Error(err)
		}
	}
	fails(t, "root", a.set(as("arn:aws:iam::111122223333:root"), text(statement("Deny", `"*"`, "ecr:*")), false), "InvalidParameterException", "force")
}

// The policy of a repository grants to whoever it names, and denies.
func TestOwn(t *testing.T) {
	t.Parallel()
	a := open(t)
	if err := a.set(t.Context(), text(statement("Allow", `{"AWS":"`+ada+`"}`, "ecr:BatchGetImage"), statement("Deny", `"*"`, "ecr:PutImage")), false); err != nil {
		t.Fatal(err)
	}
	may := func(id, action, resource string) policy.Effect {
		t.Helper()
		p, err := a.Own(t.Context(), "ecr:BatchGetImage", resource)
		if err != nil {
			t.Fatal(err)
		}
		who := policy.Principal{Type: policy.User, Account: "111122223333", ARN: ada, Entity: ada, EntityID: id, UserID: id}
		return policy.Decide(policy.Call{Caller: who, Action: action, Resource: resource, Keys: who.Keys()}, policy.Policies{Resource: p}).Effect
	}
	other := strings.TrimSuffix(repo, "app") + "other"
	for _, tt := range []struct {
		id, action, resource string
		want                 policy.Effect
	}{
		{"AIDAADA", "ecr:BatchGetImage", repo, policy.Allowed},
		{"AIDALATER", "ecr:BatchGetImage", repo, policy.ImplicitDeny}, // another one of that name
		{"AIDAADA", "ecr:ListImages", repo, policy.ImplicitDeny},
		{"AIDAADA", "ecr:PutImage", repo, policy.ExplicitDeny},
		{"AIDAADA", "ecr:BatchGetImage", other, policy.ImplicitDeny},
		{"AIDAADA", "ecr:BatchGetImage", "*", policy.ImplicitDeny},
	} {
		for range 2 { // compiled, and kept
			if got := may(tt.id, tt.action, tt.resource); got != tt.want {
				t.Errorf("%s %s on %s: %s, want %s", tt.id, tt.action, tt.resource, got, tt.want)
			}
		}
	}
}
