package ecs_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/store"
)

// trusting has the roles that trust ECS.
type trusting struct{ roles sync.Map }

func trust(roles ...string) *trusting {
	r := new(trusting)
	for _, role := range roles {
		r.roles.Store(role, true)
	}
	return r
}

func (r *trusting) Assume(_ context.Context, role, _ string) error {
	if _, ok := r.roles.Load(role); !ok {
		return session.ErrDenied
	}
	return nil
}

const (
	appRole   = "arn:aws:iam::111122223333:role/app"
	otherRole = "arn:aws:iam::111122223333:role/team/other"
)

// TestTaskRole: a task has the role of its definition, or of its overrides, if ECS can assume it.
func TestTaskRole(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Roles = trust(appRole)
		w.Restart()
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.TaskRoleArn = aws.String("app") })
		d, err := w.API.DescribeTaskDefinition(t.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web")})
		if err != nil || *d.TaskDefinition.TaskRoleArn != appRole {
			t.Fatalf("got the role %v, %v", aws.ToString(d.TaskDefinition.TaskRoleArn), err)
		}
		if _, err := w.Launch(func(*sdk.RunTaskInput) {}); err != nil {
			t.Fatal(err)
		}
		_, err = w.Launch(func(in *sdk.RunTaskInput) { in.Overrides = &types.TaskOverride{TaskRoleArn: aws.String(otherRole)} })
		wantError(t, err, "ClientException", "ECS was unable to assume the role '"+otherRole+"' that was provided for this task.")
		_, err = w.Launch(func(in *sdk.RunTaskInput) { in.Overrides = &types.TaskOverride{TaskRoleArn: aws.String("a role")} })
		wantError(t, err, "ClientException", "Role is not valid")
		_, err = w.Launch(func(in *sdk.RunTaskInput) {
			in.Overrides = &types.TaskOverride{TaskRoleArn: aws.String("arn:aws:iam::999988887777:role/app")}
		})
		wantError(t, err, "AccessDeniedException", "Cross-account pass role is not allowed.")
		var is ecs.Task
		if err := w.DB.View(t.Context(), func(tx store.Tx) error {
			all, err := ecs.Tasks.List(tx, "")
			is = all[0]
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if is.Role != appRole || len(is.CredentialsID) != 36 {
			t.Errorf("the task has the role %q and asks by %q", is.Role, is.CredentialsID)
		}
		w.Roles.(*trusting).roles.Store(otherRole, true)
		over, err := w.Launch(func(in *sdk.RunTaskInput) { in.Overrides = &types.TaskOverride{TaskRoleArn: aws.String(otherRole)} })
		if err != nil || *over.Tasks[0].Overrides.TaskRoleArn != otherRole {
			t.Errorf("a role over the definition's: %v", err)
		}
	})
}

// TestServiceWithoutItsRole: the tasks of a service stop, and its events say why.
func TestServiceWithoutItsRole(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.TaskRoleArn = aws.String(appRole) })
		w.Service(1)
		w.After(ecstest.Sec(5))
		stopped := w.Tasks(types.DesiredStatusStopped)
		if len(stopped) == 0 || stopped[0].StopCode != types.TaskStopCodeTaskFailedToStart || !strings.HasPrefix(*stopped[0].StoppedReason, "ECS was unable to assume the role '"+appRole+"'") {
			t.Errorf("stopped tasks: %+v", stopped)
		}
		found := false
		for _, e := range w.Describe().Events {
			found = found || strings.HasPrefix(*e.Message, "(service web) failed to launch a task with (error ECS was unable to assume the role '"+appRole+"' that was provided for this task.")
		}
		if !found {
			t.Errorf("no event says why: %v", w.Describe().Events)
		}
	})
}
