package iam_test

import (
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func (k kit) role(name string) *types.Role {
	k.t.Helper()
	return must(k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(trust)}))(k.t).Role
}

func TestRole(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	r := must(k.CreateRole(k.ctx, &sdk.CreateRoleInput{
		RoleName: new("Web"), Path: new("/app/"), AssumeRolePolicyDocument: new(trust), Description: new("d"), MaxSessionDuration: new(int32(7200)),
		PermissionsBoundary: new(readAWS), Tags: []types.Tag{{Key: new("team"), Value: new("blue")}},
	}))(t).Role
	if *r.Arn != "arn:aws:iam::123456789012:role/app/Web" || len(*r.RoleId) != 21 || !strings.HasPrefix(*r.RoleId, "AROA") || r.MaxSessionDuration != nil || r.RoleLastUsed != nil {
		t.Errorf("created %s, id %s, %v, %v", *r.Arn, *r.RoleId, r.MaxSessionDuration, r.RoleLastUsed)
	}
	g := must(k.GetRole(k.ctx, &sdk.GetRoleInput{RoleName: new("web")}))(t).Role // names are without case
	if *g.MaxSessionDuration != 7200 || g.RoleLastUsed == nil || len(g.Tags) != 1 || *g.PermissionsBoundary.PermissionsBoundaryArn != readAWS || *g.RoleName != "Web" {
		t.Errorf("got %+v", g)
	}
	if got := plain(t, g.AssumeRolePolicyDocument); got != trust {
		t.Errorf("got %s, want the document as it was sent", got)
	}
	list := must(k.ListRoles(k.ctx, &sdk.ListRolesInput{PathPrefix: new("/app/")}))(t).Roles
	if len(list) != 1 || list[0].Tags != nil || list[0].PermissionsBoundary != nil || list[0].RoleLastUsed != nil {
		t.Errorf("lists have more than AWS's: %+v", list)
	}
	_, err := k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: new("wEB"), AssumeRolePolicyDocument: new(trust)})
	k.want(err, "EntityAlreadyExists: Role with name wEB already exists.")
	must(k.UpdateRole(k.ctx, &sdk.UpdateRoleInput{RoleName: new("Web"), Description: new("e")}))(t)
	must(k.TagRole(k.ctx, &sdk.TagRoleInput{RoleName: new("Web"), Tags: []types.Tag{{Key: new("Team"), Value: new("red")}}}))(t)
	g = must(k.GetRole(k.ctx, &sdk.GetRoleInput{RoleName: new("Web")}))(t).Role
	if *g.Description != "e" || *g.MaxSessionDuration != 3600 || len(g.Tags) != 1 || *g.Tags[0].Value != "red" {
		t.Errorf("got %s, %d, %v after the changes", *g.Description, *g.MaxSessionDuration, g.Tags)
	}
	_, err = k.GetRole(k.ctx, &sdk.GetRoleInput{RoleName: new("none")})
	k.want(err, "NoSuchEntity: The role with name none cannot be found.")
}

func TestTrust(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	for principal, want := range map[string]string{
		`{"Service":"ecs-tasks.amazonaws.com"}`:                                        "",
		`{"AWS":["arn:aws:iam::123456789012:root","123456789012","999999999999","*"]}`: "",
		`{"AWS":"arn:aws:iam::123456789012:user/ada"}`:                                 "",
		`{"AWS":"arn:aws:iam::999999999999:role/ci"}`:                                  "",
		`{"Federated":"arn:aws:iam::123456789012:oidc-provider/x"}`:                    "",
		`{"AWS":"arn:aws:iam::123456789012:user/bob"}`:                                 `MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/bob"`,
		`{"AWS":"arn:aws:iam::123456789012:user/eng/ada"}`:                             `MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/eng/ada"`,
		`{"AWS":"ada"}`:         `MalformedPolicyDocument: Invalid principal in policy: "AWS":"ada"`,
		`{"Service":"ecs"}`:     `MalformedPolicyDocument: Invalid principal in policy: "SERVICE":"ecs"`,
		`{"CanonicalUser":"x"}`: `MalformedPolicyDocument: Invalid principal in policy: "CANONICAL_USER":"x"`,
	} {
		text := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}}`
		_, err := k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: &text})
		k.want(err, want)
		if err == nil {
			must(k.DeleteRole(k.ctx, &sdk.DeleteRoleInput{RoleName: new("r")}))(t)
		}
	}
	_, err := k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: new("x")})
	k.want(err, "MalformedPolicyDocument: This policy contains invalid Json")
	long := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["` + strings.Repeat("a", 2048) + `.amazonaws.com"]},"Action":"sts:AssumeRole"}}`
	_, err = k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: &long})
	k.want(err, "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048")
}

// A trust policy means whoever had a name when it was written.
func TestTrustOfSomebodyWhoIsGone(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	id := *k.user("ada").UserId
	text := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ada"},"Action":"sts:AssumeRole"}}`
	must(k.CreateRole(k.ctx, &sdk.CreateRoleInput{RoleName: new("r"), AssumeRolePolicyDocument: &text}))(t)
	shown := func() string {
		return plain(t, must(k.GetRole(k.ctx, &sdk.GetRoleInput{RoleName: new("r")}))(t).Role.AssumeRolePolicyDocument)
	}
	if shown() != text {
		t.Errorf("got %s", shown())
	}
	must(k.DeleteUser(k.ctx, &sdk.DeleteUserInput{UserName: new("ada")}))(t)
	k.user("ada")
	if want := strings.Replace(text, "arn:aws:iam::123456789012:user/ada", id, 1); shown() != want {
		t.Errorf("got %s, want %s: another user has the name now", shown(), want)
	}
}

func TestDeleteRole(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.role("web")
	name := new("web")
	del := func() error { _, err := k.DeleteRole(k.ctx, &sdk.DeleteRoleInput{RoleName: name}); return err }
	must(k.AttachRolePolicy(k.ctx, &sdk.AttachRolePolicyInput{RoleName: name, PolicyArn: new(readAWS)}))(t)
	must(k.PutRolePolicy(k.ctx, &sdk.PutRolePolicyInput{RoleName: name, PolicyName: new("p"), PolicyDocument: new(readS3)}))(t)
	must(k.CreateInstanceProfile(k.ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: new("i")}))(t)
	must(k.AddRoleToInstanceProfile(k.ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: new("i"), RoleName: name}))(t)
	k.want(del(), "DeleteConflict: Cannot delete entity, must detach all policies first.")
	must(k.DetachRolePolicy(k.ctx, &sdk.DetachRolePolicyInput{RoleName: name, PolicyArn: new(readAWS)}))(t)
	k.want(del(), "DeleteConflict: Cannot delete entity, must delete policies first.")
	must(k.DeleteRolePolicy(k.ctx, &sdk.DeleteRolePolicyInput{RoleName: name, PolicyName: new("p")}))(t)
	k.want(del(), "DeleteConflict: Cannot delete entity, must remove roles from instance profile first.")
	must(k.RemoveRoleFromInstanceProfile(k.ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("i"), RoleName: name}))(t)
	k.want(del(), "")
	k.want(del(), "NoSuchEntity: The role with name web cannot be found.")
}

func TestInstanceProfile(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.role("web")
	k.role("db")
	p := must(k.CreateInstanceProfile(k.ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: new("i"), Path: new("/x/"), Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}))(t).InstanceProfile
	if *p.Arn != "arn:aws:iam::123456789012:instance-profile/x/i" || !strings.HasPrefix(*p.InstanceProfileId, "AIPA") || len(p.Tags) != 1 {
		t.Errorf("got %+v", p)
	}
	_, err := k.CreateInstanceProfile(k.ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: new("I")})
	k.want(err, "EntityAlreadyExists: Instance Profile I already exists.")
	add := func(role string) error {
		_, err := k.AddRoleToInstanceProfile(k.ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: new("i"), RoleName: &role})
		return err
	}
	k.want(add("none"), "NoSuchEntity: The role with name none cannot be found.")
	k.want(add("web"), "")
	k.want(add("db"), "LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	_, err = k.DeleteInstanceProfile(k.ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: new("i")})
	k.want(err, "DeleteConflict: Cannot delete entity, must remove roles from instance profile first.")
	of := must(k.ListInstanceProfilesForRole(k.ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: new("web")}))(t).InstanceProfiles
	if len(of) != 1 || len(of[0].Roles) != 1 || *of[0].Roles[0].RoleName != "web" || of[0].Tags != nil {
		t.Errorf("got %+v", of)
	}
	if got := must(k.GetInstanceProfile(k.ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: new("i")}))(t).InstanceProfile; len(got.Tags) != 1 || len(got.Roles) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestServiceLinkedRole(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	make := func(service string, suffix *string) error {
		_, err := k.CreateServiceLinkedRole(k.ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: &service, CustomSuffix: suffix})
		return err
	}
	k.want(make("ecs.amazonaws.com", new("x")), "InvalidInput: Custom suffix is not allowed for ecs.amazonaws.com")
	k.want(make("lambda.amazonaws.com", nil), "InvalidInput: Service-linked roles are not supported for lambda.amazonaws.com by Skylift.")
	k.want(make("ecs.amazonaws.com", nil), "")
	k.want(make("ecs.amazonaws.com", nil), "InvalidInput: Service role name AWSServiceRoleForECS has been taken in this account, please try a different suffix.")
	name := new("AWSServiceRoleForECS")
	r := must(k.GetRole(k.ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role
	if *r.Arn != "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS" {
		t.Errorf("got %s", *r.Arn)
	}
	for _, attached := range must(k.ListAttachedRolePolicies(k.ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies {
		must(k.GetPolicy(k.ctx, &sdk.GetPolicyInput{PolicyArn: attached.PolicyArn}))(t)
	}
	const protected = "UnmodifiableEntity: Cannot perform the operation on the protected role 'AWSServiceRoleForECS' - this role is only modifiable by AWS"
	_, err := k.DeleteRole(k.ctx, &sdk.DeleteRoleInput{RoleName: name})
	k.want(err, protected)
	_, err = k.AttachRolePolicy(k.ctx, &sdk.AttachRolePolicyInput{RoleName: name, PolicyArn: new(readAWS)})
	k.want(err, protected)
	_, err = k.UpdateAssumeRolePolicy(k.ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: new(trust)})
	k.want(err, protected)
	must(k.TagRole(k.ctx, &sdk.TagRoleInput{RoleName: name, Tags: []types.Tag{{Key: new("made"), Value: new("by hand")}}}))(t)
	if tags := must(k.ListRoleTags(k.ctx, &sdk.ListRoleTagsInput{RoleName: name}))(t).Tags; len(tags) != 1 {
		t.Errorf("tags %+v", tags)
	}
	must(k.UntagRole(k.ctx, &sdk.UntagRoleInput{RoleName: name, TagKeys: []string{"made"}}))(t)
	must(k.UpdateRole(k.ctx, &sdk.UpdateRoleInput{RoleName: name, Description: new("changed")}))(t)
	_, err = k.UpdateRole(k.ctx, &sdk.UpdateRoleInput{RoleName: name, Description: new("longer"), MaxSessionDuration: new(int32(7200))})
	k.want(err, protected)
	if r := must(k.GetRole(k.ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role; *r.Description != "changed" || *r.MaxSessionDuration != 3600 {
		t.Errorf("%q, sessions of %d s", *r.Description, *r.MaxSessionDuration)
	}
	task := must(k.DeleteServiceLinkedRole(k.ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: name}))(t).DeletionTaskId
	if !strings.HasPrefix(*task, "task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/") {
		t.Errorf("got %s", *task)
	}
	if got := must(k.GetServiceLinkedRoleDeletionStatus(k.ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t).Status; got != types.DeletionTaskStatusTypeSucceeded {
		t.Errorf("got %s", got)
	}
	for range 2 {
		if err := k.Link(k.ctx, "ecs.amazonaws.com"); err != nil {
			t.Error(err)
		}
	}
	must(k.GetRole(k.ctx, &sdk.GetRoleInput{RoleName: name}))(t)
}

func TestPages(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for i := range 7 {
		k.role(fmt.Sprintf("r%d", i))
	}
	var names []string
	in := &sdk.ListRolesInput{MaxItems: new(int32(3))}
	for pages := 1; ; pages++ {
		out := must(k.ListRoles(k.ctx, in))(t)
		for _, r := range out.Roles {
			names = append(names, *r.RoleName)
		}
		if out.IsTruncated != (out.Marker != nil) {
			t.Errorf("IsTruncated is %t with marker %v", out.IsTruncated, out.Marker)
		}
		if in.Marker = out.Marker; in.Marker == nil {
			break
		}
	}
	if got := strings.Join(names, " "); got != "r0 r1 r2 r3 r4 r5 r6" {
		t.Errorf("got %s", got)
	}
	_, err := k.ListRoles(k.ctx, &sdk.ListRolesInput{Marker: new("x")})
	k.want(err, "ValidationError: Invalid Marker.")
}
