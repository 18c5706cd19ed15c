package daemon

import (
	"errors"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/sts"
)

// identities are those of the estate, with a root key.
func (e *estate) identities() identities {
	tokens := e.parts["sts"].api.(*sts.API)
	return identities{
		root: credential.Root{Key: credential.Key{AccessKeyID: "AKIAROOT", SecretAccessKey: "s"}, Account: e.ns.Account},
		iam:  e.parts["iam"].api.(*iam.API), mint: tokens.Mint, db: e.db,
	}
}

// TestIdentities gives a user a key and a policy, and takes them away again.
func TestIdentities(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	api := e.parts["iam"].api.(*iam.API)
	i := e.identities()
	ok(api.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: new("ada")}))(t)
	key := ok(api.CreateAccessKey(t.Context(), &sdk.CreateAccessKeyInput{UserName: new("ada")}))(t).AccessKey
	ok(api.PutUserPolicy(t.Context(), &sdk.PutUserPolicyInput{
		UserName: new("ada"), PolicyName: new("p"),
		PolicyDocument: new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecs:*","Resource":"*"}}`),
	}))(t)
	may := func(action string) policy.Effect {
		c, secret, err := i.Lookup(*key.AccessKeyId, "")
		if err != nil || secret != *key.SecretAccessKey {
			t.Fatalf("the key is unknown, or its secret is another: %v", c)
		}
		who, err := i.Identity(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return policy.Decide(policy.Call{Caller: who.Principal, Action: action, Resource: "*"}, who.Policies).Effect
	}
	if may("ecs:ListClusters") != policy.Allowed || may("ecr:ListImages") != policy.ImplicitDeny {
		t.Errorf("got %v and %v, want what the policy allows", may("ecs:ListClusters"), may("ecr:ListImages"))
	}
	if _, _, err := i.Lookup(*key.AccessKeyId, "token"); !errors.Is(err, caller.ErrBadToken) {
		t.Error("a long-term key is good with a session token")
	}
	root, _, _ := i.Lookup("AKIAROOT", "")
	if who, err := i.Identity(t.Context(), root); err != nil || who.Principal.Type != policy.Root {
		t.Errorf("got %v, %v, want root", who, err)
	}
	ok(api.DeleteUserPolicy(t.Context(), &sdk.DeleteUserPolicyInput{UserName: new("ada"), PolicyName: new("p")}))(t)
	if may("ecs:ListClusters") != policy.ImplicitDeny {
		t.Error("the policy still allows what it did, though it is gone")
	}
	c, _, _ := i.Lookup(*key.AccessKeyId, "")
	ok(api.UpdateAccessKey(t.Context(), &sdk.UpdateAccessKeyInput{UserName: new("ada"), AccessKeyId: key.AccessKeyId, Status: "Inactive"}))(t)
	if _, _, err := i.Lookup(*key.AccessKeyId, ""); !errors.Is(err, caller.ErrUnknownKey) {
		t.Error("an inactive key is good")
	}
	ok(api.DeleteAccessKey(t.Context(), &sdk.DeleteAccessKeyInput{UserName: new("ada"), AccessKeyId: key.AccessKeyId}))(t)
	ok(api.DeleteUser(t.Context(), &sdk.DeleteUserInput{UserName: new("ada")}))(t)
	ok(api.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: new("ada")}))(t)
	ok(api.AttachUserPolicy(t.Context(), &sdk.AttachUserPolicyInput{UserName: new("ada"), PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")}))(t)
	if who, err := i.Identity(t.Context(), c); !errors.Is(err, caller.ErrUnknownKey) {
		t.Errorf("a user who is gone is somebody: %v, %v", who, err)
	}
	c.Session = &caller.Session{Kind: caller.OfRole, Entity: "ci", EntityID: "AROAGONE", Name: "s"}
	if who, err := i.Identity(t.Context(), c); !errors.Is(err, caller.ErrUnknownKey) {
		t.Errorf("a session whose role is gone is somebody: %v, %v", who, err)
	}
}
