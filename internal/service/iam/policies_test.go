package iam_test

import (
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func (k kit) policy(name, text string) string {
	k.t.Helper()
	return *must(k.CreatePolicy(k.ctx, &sdk.CreatePolicyInput{PolicyName: &name, PolicyDocument: &text}))(k.t).Policy.Arn
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	p := must(k.CreatePolicy(k.ctx, &sdk.CreatePolicyInput{PolicyName: new("p"), Path: new("/x/"), PolicyDocument: new(readS3), Description: new("d")}))(t).Policy
	if *p.Arn != "arn:aws:iam::123456789012:policy/x/p" || *p.AttachmentCount != 0 || *p.PermissionsBoundaryUsageCount != 0 || !p.IsAttachable || *p.DefaultVersionId != "v1" || !strings.HasPrefix(*p.PolicyId, "ANPA") {
		t.Errorf("got %+v", p)
	}
	_, err := k.CreatePolicy(k.ctx, &sdk.CreatePolicyInput{PolicyName: new("P"), PolicyDocument: new(readS3)})
	k.want(err, "EntityAlreadyExists: A policy called P already exists. Duplicate names are not allowed.")
	_, err = k.CreatePolicy(k.ctx, &sdk.CreatePolicyInput{PolicyName: new("q"), PolicyDocument: new("{}")})
	k.want(err, "MalformedPolicyDocument: Syntax errors in policy.")
	long := strings.Replace(readS3, "s3:Get*", "s3:"+strings.Repeat("a", 6144), 1)
	_, err = k.CreatePolicy(k.ctx, &sdk.CreatePolicyInput{PolicyName: new("q"), PolicyDocument: &long})
	k.want(err, "LimitExceeded: Cannot exceed quota for PolicySize: 6144")
	_, err = k.GetPolicy(k.ctx, &sdk.GetPolicyInput{PolicyArn: new("arn:aws:iam::123456789012:policy/p")})
	k.want(err, "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/p was not found.")
	_, err = k.GetPolicy(k.ctx, &sdk.GetPolicyInput{PolicyArn: new("a-name-without-an-arn")})
	k.want(err, "ValidationError: Invalid ARN:  Could not be parsed!")
}

func TestVersions(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	arn := k.policy("p", readS3)
	next := func(def bool) (string, error) {
		out, err := k.CreatePolicyVersion(k.ctx, &sdk.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: new(readS3), SetAsDefault: def})
		if err != nil {
			return "", err
		}
		return *out.PolicyVersion.VersionId, nil
	}
	for i := 2; i <= 5; i++ {
		if v := must(next(i == 5))(t); v != fmt.Sprintf("v%d", i) {
			t.Errorf("got %s", v)
		}
	}
	_, err := next(false)
	k.want(err, "LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	del := func(v string) error {
		_, err := k.DeletePolicyVersion(k.ctx, &sdk.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &v})
		return err
	}
	k.want(del("v5"), "DeleteConflict: Cannot delete the default version of a policy.")
	k.want(del("v4"), "")
	k.want(del("v4"), "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/p version v4 does not exist or is not attachable.")
	if v := must(next(false))(t); v != "v6" {
		t.Errorf("got %s: a number came again", v)
	}
	must(k.SetDefaultPolicyVersion(k.ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: new("v2")}))(t)
	var got []string
	for _, v := range must(k.ListPolicyVersions(k.ctx, &sdk.ListPolicyVersionsInput{PolicyArn: &arn}))(t).Versions {
		got = append(got, fmt.Sprintf("%s %t", *v.VersionId, v.IsDefaultVersion))
	}
	if s := strings.Join(got, ", "); s != "v6 false, v5 false, v3 false, v2 true, v1 false" {
		t.Errorf("got %s", s)
	}
	if got := plain(t, must(k.GetPolicyVersion(k.ctx, &sdk.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("v1")}))(t).PolicyVersion.Document); got != readS3 {
		t.Errorf("got %s", got)
	}
	_, err = k.DeletePolicy(k.ctx, &sdk.DeletePolicyInput{PolicyArn: &arn})
	k.want(err, "DeleteConflict: This policy has more than one version…")
}

func TestAttach(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.role("web")
	k.user("ada")
	must(k.CreateGroup(k.ctx, &sdk.CreateGroupInput{GroupName: new("eng")}))(t)
	attach := func(arn string) error {
		_, err := k.AttachRolePolicy(k.ctx, &sdk.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: &arn})
		return err
	}
	own := k.policy("p", readS3)
	for range 2 {
		k.want(attach(own), "")
	}
	must(k.AttachUserPolicy(k.ctx, &sdk.AttachUserPolicyInput{UserName: new("ada"), PolicyArn: &own}))(t)
	must(k.AttachGroupPolicy(k.ctx, &sdk.AttachGroupPolicyInput{GroupName: new("eng"), PolicyArn: &own}))(t)
	must(k.PutRolePermissionsBoundary(k.ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: new("web"), PermissionsBoundary: &own}))(t)
	if p := must(k.GetPolicy(k.ctx, &sdk.GetPolicyInput{PolicyArn: &own}))(t).Policy; *p.AttachmentCount != 3 || *p.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("attached %d times, a boundary %d times", *p.AttachmentCount, *p.PermissionsBoundaryUsageCount)
	}
	all := must(k.ListEntitiesForPolicy(k.ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: &own}))(t)
	if len(all.PolicyUsers) != 1 || len(all.PolicyGroups) != 1 || len(all.PolicyRoles) != 1 {
		t.Errorf("got %+v", all)
	}
	bounded := must(k.ListEntitiesForPolicy(k.ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: &own, PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}))(t)
	if len(bounded.PolicyUsers) != 0 || len(bounded.PolicyRoles) != 1 {
		t.Errorf("got %+v", bounded)
	}
	_, err := k.DeletePolicy(k.ctx, &sdk.DeletePolicyInput{PolicyArn: &own})
	k.want(err, "DeleteConflict: Cannot delete a policy attached to entities.")
	k.want(attach("arn:aws:iam::123456789012:policy/none"), "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/none does not exist or is not attachable.")
	k.want(attach("arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy"), "PolicyNotAttachable: Cannot attach a Service Role Policy to a Customer Role.")
	for i := range 9 {
		k.want(attach(k.policy(fmt.Sprintf("p%d", i), readS3)), "")
	}
	k.want(attach(readAWS), "LimitExceeded: Cannot exceed quota for PoliciesPerRole: 10")
	_, err = k.DetachRolePolicy(k.ctx, &sdk.DetachRolePolicyInput{RoleName: new("web"), PolicyArn: new(readAWS)})
	k.want(err, "NoSuchEntity: Policy "+readAWS+" was not found.")
	if list := must(k.ListAttachedRolePolicies(k.ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: new("web")}))(t).AttachedPolicies; len(list) != 10 || *list[0].PolicyName != "p" {
		t.Errorf("got %d, the first is %s", len(list), *list[0].PolicyName)
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	put := func(name, text string) error {
		_, err := k.PutUserPolicy(k.ctx, &sdk.PutUserPolicyInput{UserName: new("ada"), PolicyName: &name, PolicyDocument: &text})
		return err
	}
	k.want(put("b", readS3), "")
	k.want(put("a", readS3), "")
	k.want(put("a", `{"Version":"2012-10-17","Statement":[]}`), "MalformedPolicyDocument: Syntax errors in policy.")
	k.want(put("c", strings.Replace(readS3, "s3:Get*", "s3:"+strings.Repeat("a", 1900), 1)), "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user ada")
	k.want(put("c", strings.Replace(readS3, " ", strings.Repeat(" ", 4000), 1)), "") // white space doesn't count
	if got := must(k.ListUserPolicies(k.ctx, &sdk.ListUserPoliciesInput{UserName: new("ada")}))(t).PolicyNames; strings.Join(got, "") != "abc" {
		t.Errorf("got %q", got)
	}
	out := must(k.GetUserPolicy(k.ctx, &sdk.GetUserPolicyInput{UserName: new("ADA"), PolicyName: new("a")}))(t)
	if *out.UserName != "ada" || plain(t, out.PolicyDocument) != readS3 {
		t.Errorf("got %s, %s", *out.UserName, *out.PolicyDocument)
	}
	_, err := k.GetUserPolicy(k.ctx, &sdk.GetUserPolicyInput{UserName: new("ada"), PolicyName: new("x")})
	k.want(err, "NoSuchEntity: The user policy with name x cannot be found.")
}

func TestPoliciesOfAWS(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	n := 0
	in := &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeAws}
	for more := true; more; more = in.Marker != nil {
		out := must(k.ListPolicies(k.ctx, in))(t)
		n += len(out.Policies)
		in.Marker = out.Marker
	}
	if n != 171 {
		t.Errorf("there are %d", n)
	}
	p := must(k.GetPolicy(k.ctx, &sdk.GetPolicyInput{PolicyArn: new("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")}))(t).Policy
	v := must(k.GetPolicyVersion(k.ctx, &sdk.GetPolicyVersionInput{PolicyArn: p.Arn, VersionId: p.DefaultVersionId}))(t).PolicyVersion
	if *p.Path != "/service-role/" || !strings.Contains(plain(t, v.Document), "ecr:GetAuthorizationToken") {
		t.Errorf("got %+v", p)
	}
	_, err := k.DeletePolicy(k.ctx, &sdk.DeletePolicyInput{PolicyArn: p.Arn})
	k.want(err, "UnmodifiableEntity: …")
	_, err = k.CreatePolicyVersion(k.ctx, &sdk.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: new(readS3)})
	k.want(err, "UnmodifiableEntity: …")
	k.policy("mine", readS3)
	if list := must(k.ListPolicies(k.ctx, &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))(t).Policies; len(list) != 1 {
		t.Errorf("got %d of the account", len(list))
	}
	if list := must(k.ListPolicies(k.ctx, &sdk.ListPoliciesInput{OnlyAttached: true}))(t).Policies; len(list) != 0 {
		t.Errorf("got %d that are attached", len(list))
	}
}
