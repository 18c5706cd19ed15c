package iam_test

import (
	"context"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestPathsInARNs: policy is asked about ARNs that have the paths of what they name, also of what is to be made.
func TestPathsInARNs(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	must(k.CreateUser(k.ctx, &sdk.CreateUserInput{UserName: new("ada"), Path: new("/eng/")}))(t)
	must(k.CreateGroup(k.ctx, &sdk.CreateGroupInput{GroupName: new("eng"), Path: new("/a/")}))(t)
	must(k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: new("worker"), Path: new("/app/"), AssumeRolePolicyDocument: new(trust)}))(t)
	s, err := wiretest.New("iam", k.Operations())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		in   any
		want []string
	}{
		{&sdk.CreateRoleInput{RoleName: new("r"), Path: new("/a/b/"), AssumeRolePolicyDocument: new(trust)}, []string{"iam:CreateRole role/a/b/r"}},
		{&sdk.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: new(trust)}, []string{"iam:CreateRole role/r"}},
		{&sdk.CreateUserInput{UserName: new("u"), Path: new("/a/")}, []string{"iam:CreateUser user/a/u"}},
		{&sdk.CreateGroupInput{GroupName: new("g"), Path: new("/a/")}, []string{"iam:CreateGroup group/a/g"}},
		{&sdk.CreatePolicyInput{PolicyName: new("p"), Path: new("/a/"), PolicyDocument: new(readS3)}, []string{"iam:CreatePolicy policy/a/p"}},
		{&sdk.CreateInstanceProfileInput{InstanceProfileName: new("i"), Path: new("/a/")}, []string{"iam:CreateInstanceProfile instance-profile/a/i"}},
		{&sdk.AddRoleToInstanceProfileInput{InstanceProfileName: new("i"), RoleName: new("worker")}, []string{"iam:AddRoleToInstanceProfile instance-profile/i", "iam:PassRole role/app/worker"}},
		{&sdk.GetRoleInput{RoleName: new("worker")}, []string{"iam:GetRole role/app/worker"}},
		{&sdk.UpdateUserInput{UserName: new("ada")}, []string{"iam:UpdateUser user/eng/ada"}},
		{&sdk.UpdateUserInput{UserName: new("ada"), NewUserName: new("root")}, []string{"iam:UpdateUser user/eng/ada", "iam:UpdateUser user/eng/root"}},
		{&sdk.UpdateUserInput{UserName: new("ada"), NewPath: new("/admins/")}, []string{"iam:UpdateUser user/eng/ada", "iam:UpdateUser user/admins/ada"}},
		{&sdk.UpdateUserInput{UserName: new("no"), NewUserName: new("u")}, []string{"iam:UpdateUser user/no", "iam:UpdateUser user/u"}},
		{&sdk.UpdateGroupInput{GroupName: new("eng"), NewGroupName: new("g"), NewPath: new("/b/")}, []string{"iam:UpdateGroup group/a/eng", "iam:UpdateGroup group/b/g"}},
		{&sdk.CreateServiceLinkedRoleInput{AWSServiceName: new("ecs.amazonaws.com")}, []string{"iam:CreateServiceLinkedRole role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"}},
	} {
		c, err := s.Decode(t, tc.in)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := c.Questions(t.Context(), arn.Namespace{Region: "us-west-2", Account: account}, nil)
		if err != nil || len(asked) != len(tc.want) {
			t.Errorf("%s: got %v, %v; want %v", c.Operation, asked, err, tc.want)
			continue
		}
		for i, q := range asked {
			if got := q.Action + " " + q.Resource; got != tc.want[i][:len(q.Action)+1]+"arn:aws:iam::"+account+":"+tc.want[i][len(q.Action)+1:] {
				t.Errorf("got %s, want %s", got, tc.want[i])
			}
		}
	}
}

// TestOneself: a call that names no user is about the caller, so that what policies say of the caller's own user counts.
func TestOneself(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s, err := wiretest.New("iam", k.Operations())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []any{
		&sdk.GetUserInput{}, &sdk.CreateAccessKeyInput{}, &sdk.DeleteAccessKeyInput{AccessKeyId: new("AKIAIOSFODNN7EXAMPLE")}, &sdk.ListAccessKeysInput{},
		&sdk.UpdateAccessKeyInput{AccessKeyId: new("AKIAIOSFODNN7EXAMPLE"), Status: types.StatusTypeInactive}, &sdk.CreateLoginProfileInput{}, &sdk.DeleteLoginProfileInput{},
		&sdk.GetLoginProfileInput{}, &sdk.ListMFADevicesInput{}, &sdk.ListSSHPublicKeysInput{}, &sdk.ListServiceSpecificCredentialsInput{}, &sdk.ListSigningCertificatesInput{},
	} {
		c, err := s.Decode(t, in)
		if err != nil {
			t.Fatal(err)
		}
		for user, ctx := range map[string]context.Context{"eng/ci": k.as("eng/ci"), "*": k.ctx} {
			asked, err := c.Questions(ctx, arn.Namespace{Region: "us-west-2", Account: account}, nil)
			if err != nil || len(asked) != 1 || asked[0].Resource != "arn:aws:iam::"+account+":user/"+user {
				t.Errorf("%s: got %v, %v; want it to be about user/%s", c.Operation, asked, err, user)
			}
		}
	}
}

// TestTagsAreKnown: policies see the tags of all that has some.
func TestTagsAreKnown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	tags := []types.Tag{{Key: new("team"), Value: new("blue")}}
	must(k.CreateInstanceProfile(k.ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: new("Box"), Path: new("/a/"), Tags: tags}))(t)
	provider := must(k.CreateOpenIDConnectProvider(k.ctx, &sdk.CreateOpenIDConnectProviderInput{
		Url: new("https://ci.example.com/Acme"), ThumbprintList: []string{strings.Repeat("ab", 20)}, Tags: tags,
	}))(t).OpenIDConnectProviderArn
	for _, ref := range []string{"arn:aws:iam::" + account + ":instance-profile/a/Box", *provider} {
		err := k.db.View(k.ctx, func(tx store.Tx) error {
			known, _, err := k.Known(tx, ref)
			if known["team"] != "blue" {
				t.Errorf("%s: known are %v", ref, known)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestManySimulations: a page is made of very many pairs without all the others.
func TestManySimulations(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const many = 100_000
	in := &sdk.SimulateCustomPolicyInput{PolicyInputList: []string{readS3}, MaxItems: new(int32(2))}
	for range many {
		in.ActionNames, in.ResourceArns = append(in.ActionNames, "s3:GetObject"), append(in.ResourceArns, "arn:aws:s3:::b")
	}
	in.ResourceArns[2] = "arn:aws:s3:::third"
	first := must(k.SimulateCustomPolicy(k.ctx, in))(t)
	in.Marker = first.Marker
	second := must(k.SimulateCustomPolicy(k.ctx, in))(t)
	if len(first.EvaluationResults) != 2 || !second.IsTruncated || *second.EvaluationResults[0].EvalResourceName != "arn:aws:s3:::third" {
		t.Errorf("got %d results, and then those on %s", len(first.EvaluationResults), *second.EvaluationResults[0].EvalResourceName)
	}
}
