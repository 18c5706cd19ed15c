package daemon

import (
	"testing"

	sdkecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/skylift/skylift/internal/service/iam"
)

// TestRepositoryPolicyCountsForTasks: what the policy of a repository alone allows or denies an execution role counts when a task's image is pulled.
func TestRepositoryPolicyCountsForTasks(t *testing.T) {
	t.Parallel()
	b, ctx := builderOf(t), t.Context()
	repo := *ok(b.images.CreateRepository(ctx, &sdkecr.CreateRepositoryInput{RepositoryName: new("app")}))(t).Repository.RepositoryArn
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	exec := *ok(b.identity.CreateRole(ctx, &sdkiam.CreateRoleInput{RoleName: new("exec"), AssumeRolePolicyDocument: &trust}))(t).Role.Arn
	api := apiOf[registryAPI](b.made)
	roles := b.inputs(&taskRoles{iam: b.identity, account: b.m.ns.Account}).Roles
	pulls := func() error {
		may := ok(roles.Begin(ctx, exec, "arn:aws:ecs:us-west-2:123456789012:task/default/0123"))(t)
		return may(ctx, "ecr:BatchGetImage", repo, nil)
	}
	set := func(effect string) {
		text := `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Principal":{"AWS":"` + exec + `"},"Action":"ecr:BatchGetImage"}}`
		ok(api.SetRepositoryPolicy(ctx, &sdkecr.SetRepositoryPolicyInput{RepositoryName: new("app"), PolicyText: &text}))(t)
	}
	if pulls() == nil {
		t.Error("nothing allows it, and it is allowed")
	}
	set("Allow")
	if err := pulls(); err != nil {
		t.Errorf("the repository's policy allows it: %v", err)
	}
	all := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:*","Resource":"*"}}`
	ok(b.identity.PutRolePolicy(ctx, &sdkiam.PutRolePolicyInput{RoleName: new("exec"), PolicyName: new("p"), PolicyDocument: &all}))(t)
	set("Deny")
	if pulls() == nil {
		t.Error("the repository's policy denies it, and it is allowed")
	}
}

// TestOwnPoliciesCount: through the whole front, a Deny by the policy of a repository counts against a user who may do all.
func TestOwnPoliciesCount(t *testing.T) {
	t.Parallel()
	f, ctx := newFront(t), t.Context()
	users := f.parts["iam"].api.(*iam.API)
	ok(users.CreateUser(ctx, &sdkiam.CreateUserInput{UserName: new("ada")}))(t)
	all := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	ok(users.PutUserPolicy(ctx, &sdkiam.PutUserPolicyInput{UserName: new("ada"), PolicyName: new("p"), PolicyDocument: &all}))(t)
	key := ok(users.CreateAccessKey(ctx, &sdkiam.CreateAccessKeyInput{UserName: new("ada")}))(t).AccessKey
	cfg := f.as(*key.AccessKeyId, *key.SecretAccessKey, "")
	images := sdkecr.NewFromConfig(cfg)

	ok(images.CreateRepository(ctx, &sdkecr.CreateRepositoryInput{RepositoryName: new("app")}))(t)
	list := &sdkecr.ListImagesInput{RepositoryName: new("app")}
	ok(images.ListImages(ctx, list))(t)
	deny := func(action string) *string {
		return new(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"` + action + `"}}`)
	}
	ok(images.SetRepositoryPolicy(ctx, &sdkecr.SetRepositoryPolicyInput{RepositoryName: new("app"), PolicyText: deny("ecr:ListImages")}))(t)
	if _, err := images.ListImages(ctx, list); err == nil {
		t.Error("a Deny by a repository's policy doesn't count")
	}
}
