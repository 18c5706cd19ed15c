package templates

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/policies"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store/memstore"
)

type nobody struct{}

func (nobody) UniqueID(context.Context, string) (string, bool, error) { return "", false, nil }

// trusted are roles that ECR may assume, each with the actions that it may not take.
type trusted map[string]string

func (t trusted) As(ctx context.Context, role string) (context.Context, error) {
	not, ok := t[role]
	if !ok {
		return ctx, awserr.New("ValidationException", "ECR was unable to assume the role")
	}
	return caller.WithJudge(ctx, forbids(not)), nil
}

func forbids(not string) caller.Judge {
	return func(_ context.Context, action, resource string, _ map[string][]string) error {
		if action == not {
			return awserr.New("AccessDeniedException", "not authorized to perform: %s on resource: %s", action, resource)
		}
		return nil
	}
}

const role = "arn:aws:iam::111122223333:role/maker"

func open(t *testing.T) *API {
	t.Helper()
	records, err := record.Open(t.Context(), memstore.New(), arn.Namespace{Region: "us-west-2", Account: "111122223333"}, "127.0.0.1:4566")
	if err != nil {
		t.Fatal(err)
	}
	return New(records, policies.New(records, nobody{}), trusted{role: "", role + "-untagged": "ecr:TagResource"})
}

func fails(t *testing.T, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v, want %s: %s", err, code, words)
	}
}

const (
	lifecycleText = `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}`
	policyText    = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:BatchDeleteImage"}]}`
)

func (a *API) create(t *testing.T, prefix string, change func(*sdk.CreateRepositoryCreationTemplateInput), why ...types.RCTAppliedFor) {
	t.Helper()
	in := &sdk.CreateRepositoryCreationTemplateInput{Prefix: &prefix, AppliedFor: why}
	if change != nil {
		change(in)
	}
	if _, err := a.CreateRepositoryCreationTemplate(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "prod/team/", func(in *sdk.CreateRepositoryCreationTemplateInput) {
		in.Description, in.RepositoryPolicy, in.LifecyclePolicy, in.CustomRoleArn = new("team"), new(policyText), new(lifecycleText), new(role)
		in.ResourceTags = []types.Tag{{Key: new("team"), Value: new("web")}}
		in.ImageTagMutability = types.ImageTagMutabilityImmutable
	}, types.RCTAppliedForCreateOnPush)
	a.create(t, "ROOT", nil, types.RCTAppliedForPullThroughCache)
	_, err := a.CreateRepositoryCreationTemplate(t.Context(), &sdk.CreateRepositoryCreationTemplateInput{Prefix: new("prod/team"), AppliedFor: []types.RCTAppliedFor{types.RCTAppliedForCreateOnPush}})
	fails(t, err, "TemplateAlreadyExistsException", "'prod/team'")
	out, err := a.DescribeRepositoryCreationTemplates(t.Context(), &sdk.DescribeRepositoryCreationTemplatesInput{Prefixes: []string{"prod/team", "gone"}})
	if err != nil || len(out.RepositoryCreationTemplates) != 1 {
		t.Fatalf("got %+v: %v", out, err)
	}
	got := out.RepositoryCreationTemplates[0]
	if *got.Prefix != "prod/team" || *got.Description != "team" || *got.RepositoryPolicy != policyText || *got.LifecyclePolicy != lifecycleText || *got.CustomRoleArn != role ||
		got.ImageTagMutability != types.ImageTagMutabilityImmutable || len(got.ResourceTags) != 1 || got.EncryptionConfiguration.EncryptionType != types.EncryptionTypeAes256 || got.CreatedAt == nil {
		t.Errorf("got %+v", got)
	}
	updated, err := a.UpdateRepositoryCreationTemplate(t.Context(), &sdk.UpdateRepositoryCreationTemplateInput{Prefix: new("prod/team"), Description: new("new"), RepositoryPolicy: new("")})
	if err != nil || *updated.RepositoryCreationTemplate.Description != "new" || updated.RepositoryCreationTemplate.RepositoryPolicy != nil || *updated.RepositoryCreationTemplate.LifecyclePolicy != lifecycleText {
		t.Errorf("got %+v: %v", updated, err)
	}
	if _, err := a.DeleteRepositoryCreationTemplate(t.Context(), &sdk.DeleteRepositoryCreationTemplateInput{Prefix: new("prod/team")}); err != nil {
		t.Error(err)
	}
	_, err = a.DeleteRepositoryCreationTemplate(t.Context(), &sdk.DeleteRepositoryCreationTemplateInput{Prefix: new("prod/team")})
	fails(t, err, "TemplateNotFoundException", "'prod/team'")
	_, err = a.UpdateRepositoryCreationTemplate(t.Context(), &sdk.UpdateRepositoryCreationTemplateInput{Prefix: new("prod/team")})
	fails(t, err, "TemplateNotFoundException", "'prod/team'")
	for words, change := range map[string]func(*sdk.CreateRepositoryCreationTemplateInput){
		"LifecyclePolicy":   func(in *sdk.CreateRepositoryCreationTemplateInput) { in.LifecyclePolicy = new("{}") },
		"repository policy": func(in *sdk.CreateRepositoryCreationTemplateInput) { in.RepositoryPolicy = new("{}") },
		"a role of": func(in *sdk.CreateRepositoryCreationTemplateInput) {
			in.CustomRoleArn = new("arn:aws:iam::999999999999:role/maker")
		},
		"only AES256": func(in *sdk.CreateRepositoryCreationTemplateInput) {
			in.EncryptionConfiguration = &types.EncryptionConfigurationForRepositoryCreationTemplate{EncryptionType: types.EncryptionTypeKms}
		},
		"takes 1 to 5": func(in *sdk.CreateRepositoryCreationTemplateInput) {
			in.ImageTagMutability = types.ImageTagMutabilityMutableWithExclusion
		},
	} {
		in := &sdk.CreateRepositoryCreationTemplateInput{Prefix: new("x"), AppliedFor: []types.RCTAppliedFor{types.RCTAppliedForCreateOnPush}}
		change(in)
		_, err := a.CreateRepositoryCreationTemplate(t.Context(), in)
		fails(t, err, "InvalidParameterException", words)
	}
	_, err = a.CreateRepositoryCreationTemplate(t.Context(), &sdk.CreateRepositoryCreationTemplateInput{Prefix: new("x"), AppliedFor: []types.RCTAppliedFor{types.RCTAppliedForCreateOnPush}, CustomRoleArn: new(role + "-unknown")})
	fails(t, err, "ValidationException", "unable to assume")
}

// TestForPush: the template with the longest prefix makes the repository, if it is for pushes.
func TestForPush(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "prod", func(in *sdk.CreateRepositoryCreationTemplateInput) {
		in.ImageTagMutability = types.ImageTagMutabilityImmutable
	}, types.RCTAppliedForCreateOnPush)
	a.create(t, "prod/team", func(in *sdk.CreateRepositoryCreationTemplateInput) {
		in.RepositoryPolicy, in.LifecyclePolicy, in.ResourceTags = new(policyText), new(lifecycleText), []types.Tag{{Key: new("team"), Value: new("web")}}
	}, types.RCTAppliedForCreateOnPush)
	a.create(t, "cache", nil, types.RCTAppliedForPullThroughCache)
	a.create(t, "held", func(in *sdk.CreateRepositoryCreationTemplateInput) {
		in.CustomRoleArn, in.ResourceTags = new(role+"-untagged"), []types.Tag{{Key: new("a"), Value: new("b")}}
	}, types.RCTAppliedForCreateOnPush)
	for name, want := range map[string]string{"prod/a": "", "prod/team/a": "", "prod/team/a/b": "", "prodigal/a": "NAME_UNKNOWN", "cache/a": "NAME_UNKNOWN", "prod": "NAME_UNKNOWN", "held/a": "DENIED"} {
		err := a.ForPush(t.Context(), name)
		e, _ := errors.AsType[*registry.Error](err)
		if (err == nil) != (want == "") || err != nil && (e == nil || e.Code != want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	repo, err := a.records.Find(t.Context(), "prod/a")
	if err != nil || repo.Mutability != types.ImageTagMutabilityImmutable || repo.Policy.Text != "" {
		t.Errorf("got %+v: %v", repo, err)
	}
	repo, err = a.records.Find(t.Context(), "prod/team/a")
	if err != nil || repo.Mutability != types.ImageTagMutabilityMutable || repo.Policy.Text != policyText || repo.Lifecycle.Text != lifecycleText || repo.Lifecycle.Set.IsZero() || repo.Tags["team"] != "web" {
		t.Errorf("got %+v: %v", repo, err)
	}
	if err := a.ForPush(t.Context(), "prod/a"); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := a.ForPull(t.Context(), "anything"); err != nil {
		t.Errorf("without a template: %v", err)
	}
	judged := caller.WithJudge(t.Context(), forbids("ecr:CreateRepository"))
	if e, ok := errors.AsType[*registry.Error](a.ForPush(judged, "prod/b")); !ok || e.Code != "DENIED" || !strings.Contains(e.Message, "ecr:CreateRepository on resource: arn:aws:ecr:us-west-2:111122223333:repository/prod/b") {
		t.Errorf("who may not: %v", e)
	}
	a.create(t, "ROOT", nil, types.RCTAppliedForCreateOnPush)
	if err := a.ForPush(t.Context(), "anywhere"); err != nil {
		t.Errorf("by ROOT: %v", err)
	}
	if got := aws.ToString(shown(record.Template{Prefix: "x"}).Description); got != "" {
		t.Errorf("got description %q", got)
	}
}
