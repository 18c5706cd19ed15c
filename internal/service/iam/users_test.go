package iam_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/store"
)

func (k kit) user(name string) *types.User {
	k.t.Helper()
	return must(k.CreateUser(k.ctx, &sdk.CreateUserInput{UserName: &name}))(k.t).User
}

func TestUser(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	u := must(k.CreateUser(k.ctx, &sdk.CreateUserInput{UserName: new("Ada"), Path: new("/eng/")}))(t).User
	if *u.Arn != "arn:aws:iam::123456789012:user/eng/Ada" || !strings.HasPrefix(*u.UserId, "AIDA") {
		t.Errorf("got %+v", u)
	}
	_, err := k.CreateUser(k.ctx, &sdk.CreateUserInput{UserName: new("ada")})
	k.want(err, "EntityAlreadyExists: User with name ada already exists.")
	must(k.CreateAccessKey(k.ctx, &sdk.CreateAccessKeyInput{UserName: new("Ada")}))(t)
	must(k.UpdateUser(k.ctx, &sdk.UpdateUserInput{UserName: new("ada"), NewUserName: new("grace"), NewPath: new("/")}))(t)
	if got := must(k.GetUser(k.as("grace"), &sdk.GetUserInput{}))(t).User; *got.Arn != "arn:aws:iam::123456789012:user/grace" || *got.UserId != *u.UserId {
		t.Errorf("got %+v", got)
	}
	keys := must(k.ListAccessKeys(k.as("grace"), &sdk.ListAccessKeysInput{}))(t).AccessKeyMetadata
	if len(keys) != 1 || *keys[0].UserName != "grace" {
		t.Errorf("got %+v", keys)
	}
	_, err = k.GetUser(k.ctx, &sdk.GetUserInput{UserName: new("ada")})
	k.want(err, "NoSuchEntity: The user with name ada cannot be found.")
	k.user("bob")
	_, err = k.UpdateUser(k.ctx, &sdk.UpdateUserInput{UserName: new("bob"), NewUserName: new("grace")})
	k.want(err, "EntityAlreadyExists: User with name grace already exists.")
	if got := must(k.GetUser(k.ctx, &sdk.GetUserInput{}))(t).User; *got.UserId != account {
		t.Errorf("got %+v of the root user", got)
	}
	_, err = k.ListAccessKeys(k.ctx, &sdk.ListAccessKeysInput{})
	k.want(err, "ValidationError: Must specify userName when calling with non-User credentials")
}

func TestDeleteUser(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	ada := new("ada")
	must(k.CreateGroup(k.ctx, &sdk.CreateGroupInput{GroupName: new("eng")}))(t)
	must(k.AddUserToGroup(k.ctx, &sdk.AddUserToGroupInput{UserName: ada, GroupName: new("ENG")}))(t)
	key := must(k.CreateAccessKey(k.ctx, &sdk.CreateAccessKeyInput{UserName: ada}))(t).AccessKey
	must(k.CreateLoginProfile(k.ctx, &sdk.CreateLoginProfileInput{UserName: ada, Password: new("Secret-word-1")}))(t)
	must(k.AttachUserPolicy(k.ctx, &sdk.AttachUserPolicyInput{UserName: ada, PolicyArn: new(readAWS)}))(t)
	must(k.PutUserPolicy(k.ctx, &sdk.PutUserPolicyInput{UserName: ada, PolicyName: new("p"), PolicyDocument: new(readS3)}))(t)
	del := func() error { _, err := k.DeleteUser(k.ctx, &sdk.DeleteUserInput{UserName: ada}); return err }
	for _, step := range []struct {
		first string
		then  func() error
	}{
		{"detach all policies", func() error {
			_, err := k.DetachUserPolicy(k.ctx, &sdk.DetachUserPolicyInput{UserName: ada, PolicyArn: new(readAWS)})
			return err
		}},
		{"delete policies", func() error {
			_, err := k.DeleteUserPolicy(k.ctx, &sdk.DeleteUserPolicyInput{UserName: ada, PolicyName: new("p")})
			return err
		}},
		{"delete access keys", func() error {
			_, err := k.DeleteAccessKey(k.ctx, &sdk.DeleteAccessKeyInput{UserName: ada, AccessKeyId: key.AccessKeyId})
			return err
		}},
		{"delete login profile", func() error {
			_, err := k.DeleteLoginProfile(k.ctx, &sdk.DeleteLoginProfileInput{UserName: ada})
			return err
		}},
		{"remove users from group", func() error {
			_, err := k.RemoveUserFromGroup(k.ctx, &sdk.RemoveUserFromGroupInput{UserName: ada, GroupName: new("eng")})
			return err
		}},
	} {
		k.want(del(), "DeleteConflict: Cannot delete entity, must "+step.first+" first.")
		k.want(step.then(), "")
	}
	k.want(del(), "")
}

func TestGroup(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	for i := range 11 {
		must(k.CreateGroup(k.ctx, &sdk.CreateGroupInput{GroupName: new(fmt.Sprintf("g%02d", i))}))(t)
	}
	add := func(group string) error {
		_, err := k.AddUserToGroup(k.ctx, &sdk.AddUserToGroupInput{UserName: new("ada"), GroupName: &group})
		return err
	}
	for i := range 10 {
		k.want(add(fmt.Sprintf("g%02d", i)), "")
	}
	k.want(add("g00"), "")
	k.want(add("g10"), "LimitExceeded: Cannot exceed quota for GroupsPerUser: 10")
	k.want(add("none"), "NoSuchEntity: The group with name none cannot be found.")
	must(k.UpdateGroup(k.ctx, &sdk.UpdateGroupInput{GroupName: new("g03"), NewGroupName: new("zz")}))(t)
	of := must(k.ListGroupsForUser(k.ctx, &sdk.ListGroupsForUserInput{UserName: new("ada")}))(t).Groups
	if len(of) != 10 || *of[9].GroupName != "zz" {
		t.Errorf("got %d groups", len(of))
	}
	g := must(k.GetGroup(k.ctx, &sdk.GetGroupInput{GroupName: new("zz")}))(t)
	if len(g.Users) != 1 || *g.Users[0].UserName != "ada" || !strings.HasPrefix(*g.Group.GroupId, "AGPA") {
		t.Errorf("got %+v", g)
	}
	_, err := k.DeleteGroup(k.ctx, &sdk.DeleteGroupInput{GroupName: new("zz")})
	k.want(err, "DeleteConflict: Cannot delete entity, must remove users from group first.")
}

func TestAccessKey(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	k.user("bob")
	create := func() (*sdk.CreateAccessKeyOutput, error) {
		return k.CreateAccessKey(k.ctx, &sdk.CreateAccessKeyInput{UserName: new("ada")})
	}
	one := must(create())(t).AccessKey
	if len(*one.AccessKeyId) != 20 || !strings.HasPrefix(*one.AccessKeyId, "AKIA") || len(*one.SecretAccessKey) != 40 || one.Status != types.StatusTypeActive {
		t.Errorf("got %s, a secret of %d characters, %s", *one.AccessKeyId, len(*one.SecretAccessKey), one.Status)
	}
	must(create())(t)
	_, err := create()
	k.want(err, "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2")
	got, ok, err := k.Key(k.ctx, *one.AccessKeyId)
	if !ok || err != nil || got.Secret != *one.SecretAccessKey || got.ARN != "arn:aws:iam::123456789012:user/ada" {
		t.Errorf("got %v, %t, %v", got, ok, err)
	}
	if s := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(s, got.Secret) {
		t.Errorf("printing tells the secret: %s", s)
	}
	status := func(user string, s types.StatusType) error {
		_, err := k.UpdateAccessKey(k.ctx, &sdk.UpdateAccessKeyInput{UserName: &user, AccessKeyId: one.AccessKeyId, Status: s})
		return err
	}
	k.want(status("bob", types.StatusTypeInactive), "NoSuchEntity: The Access Key with id "+*one.AccessKeyId+" cannot be found.")
	k.want(status("ada", types.StatusTypeInactive), "")
	if _, ok, err := k.Key(k.ctx, *one.AccessKeyId); ok || err != nil {
		t.Errorf("got %t, %v of an inactive key", ok, err)
	}
	k.want(status("ada", types.StatusTypeActive), "")
	used := must(k.GetAccessKeyLastUsed(k.ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: one.AccessKeyId}))(t)
	if u := used.AccessKeyLastUsed; u.LastUsedDate != nil || *u.ServiceName != "N/A" || *used.UserName != "ada" {
		t.Errorf("got %+v", used)
	}
	if err := k.Used(k.ctx, *one.AccessKeyId, "ecs", "us-west-2"); err != nil {
		t.Fatal(err)
	}
	used = must(k.GetAccessKeyLastUsed(k.ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: one.AccessKeyId}))(t)
	if u := used.AccessKeyLastUsed; u.LastUsedDate == nil || *u.ServiceName != "ecs" || *u.Region != "us-west-2" {
		t.Errorf("got %+v", used)
	}
	must(k.DeleteAccessKey(k.ctx, &sdk.DeleteAccessKeyInput{UserName: new("ada"), AccessKeyId: one.AccessKeyId}))(t)
	if _, ok, err := k.Key(k.ctx, *one.AccessKeyId); ok || err != nil {
		t.Errorf("got %t, %v of a key that is gone", ok, err)
	}
}

// No secret is in a record.
func TestCanary(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	key := must(k.CreateAccessKey(k.ctx, &sdk.CreateAccessKeyInput{UserName: new("ada")}))(t).AccessKey
	const password = "Canary-word-7"
	must(k.CreateLoginProfile(k.ctx, &sdk.CreateLoginProfileInput{UserName: new("ada"), Password: new(password)}))(t)
	must(k.ChangePassword(k.as("ada"), &sdk.ChangePasswordInput{OldPassword: new(password), NewPassword: new(password + "8")}))(t)
	rows, enough := 0, errors.New("enough")
	err := k.db.Follow(k.ctx, "", func(b store.Batch) error {
		for _, c := range b.Changes {
			rows++
			for _, secret := range []string{*key.SecretAccessKey, password} {
				if v := c.Value.String(); strings.Contains(v, secret) || bytes.Contains([]byte(c.Key), []byte(secret)) {
					t.Errorf("%s has a secret: %s", c.Key, v)
				}
			}
		}
		return enough
	})
	if !errors.Is(err, enough) || rows < 2 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestLoginProfile(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	create := func(password string) error {
		_, err := k.CreateLoginProfile(k.ctx, &sdk.CreateLoginProfileInput{UserName: new("ada"), Password: &password, PasswordResetRequired: true})
		return err
	}
	_, err := k.GetLoginProfile(k.ctx, &sdk.GetLoginProfileInput{UserName: new("ada")})
	k.want(err, "NoSuchEntity: Login Profile for User ada cannot be found.")
	k.want(create("Ab1!"), "PasswordPolicyViolation: Password should have a minimum length of 8")
	k.want(create("abcdefgh"), "PasswordPolicyViolation: …")
	k.want(create(strings.Repeat("Ab1!", 20)), "PasswordPolicyViolation: Password must not be longer than 72 bytes.")
	k.want(create("Abcdefg1"), "")
	k.want(create("Abcdefg1"), "EntityAlreadyExists: Login Profile for user ada already exists.")
	if p := must(k.GetLoginProfile(k.ctx, &sdk.GetLoginProfileInput{UserName: new("ada")}))(t).LoginProfile; !p.PasswordResetRequired || *p.UserName != "ada" {
		t.Errorf("got %+v", p)
	}
	must(k.UpdateAccountPasswordPolicy(k.ctx, &sdk.UpdateAccountPasswordPolicyInput{RequireSymbols: true, PasswordReusePrevention: new(int32(2))}))(t)
	change := func(from, to string) error {
		_, err := k.ChangePassword(k.as("ada"), &sdk.ChangePasswordInput{OldPassword: &from, NewPassword: &to})
		return err
	}
	k.want(change("wrong", "abcdefg!"), "AccessDenied: The old password was incorrect.")
	k.want(change("Abcdefg1", "abcdefgh"), "PasswordPolicyViolation: Password should have at least one symbol")
	k.want(change("Abcdefg1", "abcdefg!"), "")
	k.want(change("abcdefg!", "abcdefg!"), "PasswordPolicyViolation: Password has been used before and cannot be used again")
	k.want(change("abcdefg!", "Abcdefg1!"), "")
	k.want(change("Abcdefg1!", "abcdefg!"), "PasswordPolicyViolation: Password has been used before and cannot be used again")
	k.want(change("Abcdefg1!", "Third!"), "")
	k.want(change("Third!", "abcdefg!"), "") // the policy remembers two
	_, err = k.UpdateLoginProfile(k.ctx, &sdk.UpdateLoginProfileInput{UserName: new("ada"), Password: new("Third!")})
	k.want(err, "PasswordPolicyViolation: Password has been used before and cannot be used again")
	_, err = k.ChangePassword(k.ctx, &sdk.ChangePasswordInput{OldPassword: new("a"), NewPassword: new("b")})
	k.want(err, "InvalidUserType: …")
	must(k.UpdateLoginProfile(k.ctx, &sdk.UpdateLoginProfileInput{UserName: new("ada"), PasswordResetRequired: new(true)}))(t)
	must(k.DeleteLoginProfile(k.ctx, &sdk.DeleteLoginProfileInput{UserName: new("ada")}))(t)
}

// A password that is hard expired can be changed by an administrator only. Users may change theirs without a policy where the account says so.
func TestPasswordsOfTheAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		k.user("ada")
		must(k.CreateLoginProfile(k.ctx, &sdk.CreateLoginProfileInput{UserName: new("ada"), Password: new("Abcdefg1")}))(t)
		change := func(from, to string) error {
			_, err := k.ChangePassword(k.as("ada"), &sdk.ChangePasswordInput{OldPassword: &from, NewPassword: &to})
			return err
		}
		allowed := func(action string) bool {
			b, ok, err := k.UserNamed(k.ctx, "ada")
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			who := policy.Principal{Type: policy.User, Account: "123456789012", ARN: b.ARN, Entity: b.ARN, EntityID: b.ID, UserID: b.ID}
			return policy.Decide(policy.Call{Caller: who, Action: action, Resource: b.ARN}, policy.Policies{Identity: b.Identity, Boundary: b.Boundary}).Allowed()
		}
		if allowed("iam:ChangePassword") {
			t.Error("without a policy she may change her password")
		}
		must(k.UpdateAccountPasswordPolicy(k.ctx, &sdk.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: true, HardExpiry: new(true), MaxPasswordAge: new(int32(10))}))(t)
		if !allowed("iam:ChangePassword") || allowed("iam:UpdateLoginProfile") {
			t.Error("where the account lets users change their passwords, she may do that and no more")
		}
		time.Sleep(9 * 24 * time.Hour)
		k.want(change("Abcdefg1", "Abcdefg2"), "")
		time.Sleep(11 * 24 * time.Hour)
		k.want(change("Abcdefg2", "Abcdefg3"), "PasswordPolicyViolation: …")
		must(k.UpdateLoginProfile(k.ctx, &sdk.UpdateLoginProfileInput{UserName: new("ada"), Password: new("Abcdefg4")}))(t)
		k.want(change("Abcdefg4", "Abcdefg5"), "")
	})
}
