package iam_test

import (
	"errors"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/session"
)

func TestAssume(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	must(k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: new("worker"), Path: new("/app/"), AssumeRolePolicyDocument: new(trust)}))(t)
	must(k.PutRolePolicy(k.ctx, &sdk.PutRolePolicyInput{RoleName: new("worker"), PolicyName: new("p"), PolicyDocument: doc("Allow", "s3:*")}))(t)
	const arn = "arn:aws:iam::" + account + ":role/app/worker"
	as := func(service string) session.Request {
		return session.Request{Caller: session.Service(service, "arn:aws:ecs:us-west-2:"+account+":task/c/1", account, time.Now()), Name: "1"}
	}
	got, err := k.Assume(k.ctx, arn, as("ecs-tasks.amazonaws.com"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:sts::" + account + ":assumed-role/worker/1"; got.Principal.ARN != want || got.Principal.Entity != arn || got.MaxSession != 3600 {
		t.Errorf("got %+v, want %s of %s", got, want, arn)
	}
	for action, want := range map[string]bool{"s3:GetObject": true, "ecs:ListTasks": false} {
		if d := policy.Decide(policy.Call{Caller: got.Principal, Action: action, Resource: "*"}, got.Policies); d.Allowed() != want {
			t.Errorf("%s: got %v, want %v", action, d.Effect, want)
		}
	}
	for name, err := range map[string]error{
		"another service": second(k.Assume(k.ctx, arn, as("ec2.amazonaws.com"))),
		"without a path":  second(k.Assume(k.ctx, "arn:aws:iam::"+account+":role/worker", as("ecs-tasks.amazonaws.com"))),
		"a missing role":  second(k.Assume(k.ctx, "arn:aws:iam::"+account+":role/none", as("ecs-tasks.amazonaws.com"))),
	} {
		if !errors.Is(err, session.ErrDenied) {
			t.Errorf("%s: got %v, want %v", name, err, session.ErrDenied)
		}
	}
}

func second[T any](_ T, err error) error { return err }
