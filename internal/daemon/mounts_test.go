package daemon

import (
	"errors"
	"strings"
	"testing"

	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/efs/access"
)

// TestWhoMountsAsARole has a task's role mount a file system whose policy admits nobody, by the role's own policies: those at the moment.
func TestWhoMountsAsARole(t *testing.T) {
	t.Parallel()
	b, ctx := builderOf(t), t.Context()
	files := taskFiles{b.files, &taskRoles{iam: b.identity, mint: b.mint, account: b.m.ns.Account}}
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	role := *ok(b.identity.CreateRole(ctx, &sdkiam.CreateRoleInput{RoleName: new("app"), AssumeRolePolicyDocument: &trust}))(t).Role.Arn
	f := efs.FileSystem{ID: "fs-0123456789abcdef0", Policy: efs.Policy{
		Text: `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`,
	}}
	admitted := func(m run.FileMount) (mounts, writes bool) {
		t.Helper()
		may, d, err := access.Admit(b.m.ns, f, ok(files.client(ctx, m))(t), "")
		if err != nil {
			t.Fatal(err)
		}
		return d.Allowed(), may.Write
	}
	mine := run.FileMount{Encrypted: true, Role: role, Task: "arn:aws:ecs:us-west-2:123456789012:task/default/0123"}
	if mounts, _ := admitted(run.FileMount{Encrypted: true}); mounts {
		t.Error("somebody mounts who says nothing of itself")
	}
	if mounts, _ := admitted(mine); mounts {
		t.Error("a role mounts that may not")
	}
	allow := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"elasticfilesystem:ClientMount","Resource":"arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/fs-0123456789abcdef0"}}`
	ok(b.identity.PutRolePolicy(ctx, &sdkiam.PutRolePolicyInput{RoleName: new("app"), PolicyName: new("files"), PolicyDocument: &allow}))(t)
	if mounts, writes := admitted(mine); !mounts || writes {
		t.Errorf("a role that may read: mounts %v, writes %v", mounts, writes)
	}
	if mounts, _ := admitted(run.FileMount{Role: mine.Role, Task: mine.Task}); mounts {
		t.Error("a mount that isn't encrypted")
	}
	ok(b.identity.UpdateAssumeRolePolicy(ctx, &sdkiam.UpdateAssumeRolePolicyInput{RoleName: new("app"), PolicyDocument: new(strings.ReplaceAll(trust, "Allow", "Deny"))}))(t)
	_, err := files.client(ctx, mine)
	if e, told := errors.AsType[*run.MountError](err); !told || !strings.Contains(e.Reason, "can't be assumed") {
		t.Errorf("a role that trusts ECS no more: %v", err)
	}
}
