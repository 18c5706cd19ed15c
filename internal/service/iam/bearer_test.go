package iam_test

import (
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/wire"
)

// doc makes a policy with one statement.
func doc(effect, action string) *string {
	return new(`{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Action":"` + action + `","Resource":"*"}}`)
}

func TestBearer(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	must(k.CreateGroup(k.ctx, &sdk.CreateGroupInput{GroupName: new("eng")}))(t)
	must(k.AddUserToGroup(k.ctx, &sdk.AddUserToGroupInput{UserName: new("ada"), GroupName: new("eng")}))(t)
	may := func(action string) string {
		t.Helper()
		b, ok, err := k.UserNamed(k.ctx, "ADA")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		who := policy.Principal{Type: policy.User, Account: account, ARN: b.ARN, Entity: b.ARN, EntityID: b.ID, UserID: b.ID}
		d := policy.Decide(policy.Call{Caller: who, Action: action, Resource: "*"}, policy.Policies{Identity: b.Identity, Boundary: b.Boundary})
		if d.By != nil {
			return d.Effect.String() + " by " + d.By.String()
		}
		return d.Effect.String()
	}
	own := k.policy("own", *doc("Allow", "ecs:*"))
	for _, step := range []struct {
		do     func() error
		action string
		want   string
	}{
		{func() error { return nil }, "ecs:ListClusters", "implicitDeny"},
		{func() error {
			_, err := k.AttachGroupPolicy(k.ctx, &sdk.AttachGroupPolicyInput{GroupName: new("eng"), PolicyArn: &own})
			return err
		}, "ecs:ListClusters", "allowed by statement 1 of policy " + own},
		{func() error {
			_, err := k.PutUserPolicy(k.ctx, &sdk.PutUserPolicyInput{UserName: new("ada"), PolicyName: new("p"), PolicyDocument: doc("Deny", "ecs:List*")})
			return err
		}, "ecs:ListClusters", "explicitDeny by statement 1 of policy user_ada_p"},
		{func() error {
			_, err := k.PutUserPermissionsBoundary(k.ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: new("ada"), PermissionsBoundary: new(readAWS)})
			return err
		}, "ecs:RunTask", "implicitDeny"},
		{func() error {
			_, err := k.DeleteUserPermissionsBoundary(k.ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: new("ada")})
			return err
		}, "ecs:RunTask", "allowed by statement 1 of policy " + own},
		{func() error {
			_, err := k.CreatePolicyVersion(k.ctx, &sdk.CreatePolicyVersionInput{PolicyArn: &own, PolicyDocument: doc("Allow", "ec2:*"), SetAsDefault: true})
			return err
		}, "ecs:RunTask", "implicitDeny"},
	} {
		k.want(step.do(), "")
		if got := may(step.action); got != step.want {
			t.Errorf("%s: got %q, want %q", step.action, got, step.want)
		}
	}
	if _, ok, err := k.UserNamed(k.ctx, "none"); ok || err != nil {
		t.Errorf("got %t, %v", ok, err)
	}
}

func TestRoleTrust(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.role("web")
	r, ok, err := k.RoleNamed(k.ctx, "web")
	if err != nil || !ok || r.MaxSession != 3600 || r.ARN != "arn:aws:iam::123456789012:role/web" {
		t.Fatalf("got %+v, %t, %v", r, ok, err)
	}
	for service, want := range map[string]policy.Effect{"ecs-tasks.amazonaws.com": policy.Allowed, "ec2.amazonaws.com": policy.ImplicitDeny} {
		d := policy.Decide(policy.Call{Caller: policy.Principal{Type: policy.Service, ARN: service}, Action: "sts:AssumeRole", Resource: r.ARN}, policy.Policies{Resource: r.Trust, Own: policy.TrustOwn})
		if d.Effect != want {
			t.Errorf("%s: got %v, want %v", service, d.Effect, want)
		}
	}
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	must(k.AttachUserPolicy(k.ctx, &sdk.AttachUserPolicyInput{UserName: new("ada"), PolicyArn: new(readAWS)}))(t)
	must(k.PutUserPolicy(k.ctx, &sdk.PutUserPolicyInput{UserName: new("ada"), PolicyName: new("p"), PolicyDocument: new(
		"{\"Version\":\"2012-10-17\",\n  \"Statement\":{\"Effect\":\"Deny\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\",\"Condition\":{\"StringEquals\":{\"s3:x\":\"y\"}}}}")}))(t)
	results := must(k.SimulatePrincipalPolicy(k.ctx, &sdk.SimulatePrincipalPolicyInput{
		PolicySourceArn: new("arn:aws:iam::123456789012:user/ada"), ActionNames: []string{"s3:GetObject", "s3:PutObject"}, ResourceArns: []string{"arn:aws:s3:::b/ada/k", "arn:aws:s3:::c"},
		ContextEntries: []types.ContextEntry{
			{ContextKeyName: new("s3:x"), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{"y"}},
			{ContextKeyName: new("aws:username"), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{"ada"}},
		},
	}))(t).EvaluationResults
	var got []string
	for _, r := range results {
		got = append(got, *r.EvalActionName+" "+*r.EvalResourceName+" "+string(r.EvalDecision))
	}
	want := "s3:GetObject arn:aws:s3:::b/ada/k explicitDeny, s3:GetObject arn:aws:s3:::c allowed, s3:PutObject arn:aws:s3:::b/ada/k implicitDeny, s3:PutObject arn:aws:s3:::c implicitDeny"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s\nwant %s", s, want)
	}
	m := results[0].MatchedStatements
	if len(m) != 1 || *m[0].SourcePolicyId != "user_ada_p" || m[0].StartPosition.Line != 2 || m[0].StartPosition.Column != 14 || m[0].EndPosition.Line != 2 {
		t.Errorf("got %+v", m)
	}
	if m := results[1].MatchedStatements; len(m) != 1 || *m[0].SourcePolicyId != "AmazonS3ReadOnlyAccess" {
		t.Errorf("got %+v", m)
	}
	without := must(k.SimulatePrincipalPolicy(k.ctx, &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: new("arn:aws:iam::123456789012:user/ada"), ActionNames: []string{"s3:GetObject"}}))(t).EvaluationResults[0]
	if s := strings.Join(without.MissingContextValues, " "); s != "s3:x aws:username" {
		t.Errorf("got %s missing", s)
	}
	custom := must(k.SimulateCustomPolicy(k.ctx, &sdk.SimulateCustomPolicyInput{
		PolicyInputList: []string{*doc("Allow", "ecs:*")}, PermissionsBoundaryPolicyInputList: []string{*doc("Allow", "ecs:List*")}, ActionNames: []string{"ecs:RunTask"},
	}))(t).EvaluationResults[0]
	if custom.EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny || custom.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Errorf("got %+v", custom)
	}
	_, err := k.SimulateCustomPolicy(k.ctx, &sdk.SimulateCustomPolicyInput{PolicyInputList: []string{"x"}, ActionNames: []string{"ecs:RunTask"}})
	k.want(err, "InvalidInput: …")
	keys := must(k.GetContextKeysForPrincipalPolicy(k.ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: new("arn:aws:iam::123456789012:user/ada")}))(t).ContextKeyNames
	if s := strings.Join(keys, " "); s != "s3:x aws:username" {
		t.Errorf("got %s", s)
	}
}

// The declarations of all operations fit AWS's model and its service authorization reference.
func TestDeclarations(t *testing.T) {
	t.Parallel()
	if _, err := wire.NewService("iam", newKit(t).Operations()...); err != nil {
		t.Error(err)
	}
}
