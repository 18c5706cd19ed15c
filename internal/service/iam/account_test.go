package iam_test

import (
	"encoding/csv"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestAlias(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	aliases := func() string {
		return strings.Join(must(k.ListAccountAliases(k.ctx, &sdk.ListAccountAliasesInput{}))(t).AccountAliases, " ")
	}
	must(k.CreateAccountAlias(k.ctx, &sdk.CreateAccountAliasInput{AccountAlias: new("one")}))(t)
	must(k.CreateAccountAlias(k.ctx, &sdk.CreateAccountAliasInput{AccountAlias: new("two")}))(t)
	if aliases() != "two" {
		t.Errorf("got %q: an account has one alias", aliases())
	}
	_, err := k.DeleteAccountAlias(k.ctx, &sdk.DeleteAccountAliasInput{AccountAlias: new("one")})
	k.want(err, "NoSuchEntity: The Account Alias cannot be found.")
	must(k.DeleteAccountAlias(k.ctx, &sdk.DeleteAccountAliasInput{AccountAlias: new("two")}))(t)
	if aliases() != "" {
		t.Errorf("got %q", aliases())
	}
	_, err = k.CreateAccountAlias(k.ctx, &sdk.CreateAccountAliasInput{AccountAlias: new("a--b")})
	k.want(err, "InvalidInput: …")
}

func TestPasswordPolicy(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	_, err := k.GetAccountPasswordPolicy(k.ctx, &sdk.GetAccountPasswordPolicyInput{})
	k.want(err, "NoSuchEntity: The Password Policy with domain name 123456789012 cannot be found.")
	must(k.UpdateAccountPasswordPolicy(k.ctx, &sdk.UpdateAccountPasswordPolicyInput{RequireNumbers: true, MaxPasswordAge: new(int32(90))}))(t)
	p := must(k.GetAccountPasswordPolicy(k.ctx, &sdk.GetAccountPasswordPolicyInput{}))(t).PasswordPolicy
	if *p.MinimumPasswordLength != 6 || !p.RequireNumbers || !p.ExpirePasswords || *p.MaxPasswordAge != 90 || p.PasswordReusePrevention != nil {
		t.Errorf("got %+v", p)
	}
	must(k.DeleteAccountPasswordPolicy(k.ctx, &sdk.DeleteAccountPasswordPolicyInput{}))(t)
	_, err = k.DeleteAccountPasswordPolicy(k.ctx, &sdk.DeleteAccountPasswordPolicyInput{})
	k.want(err, "NoSuchEntity: …")
}

func TestSummaryAndDetails(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.user("ada")
	k.role("web")
	must(k.CreateGroup(k.ctx, &sdk.CreateGroupInput{GroupName: new("eng")}))(t)
	must(k.AddUserToGroup(k.ctx, &sdk.AddUserToGroupInput{UserName: new("ada"), GroupName: new("eng")}))(t)
	must(k.PutUserPolicy(k.ctx, &sdk.PutUserPolicyInput{UserName: new("ada"), PolicyName: new("p"), PolicyDocument: new(readS3)}))(t)
	must(k.AttachRolePolicy(k.ctx, &sdk.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: new(readAWS)}))(t)
	k.policy("mine", readS3)
	m := must(k.GetAccountSummary(k.ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap
	for name, want := range map[string]int32{"Users": 1, "Roles": 1, "Groups": 1, "Policies": 1, "PolicyVersionsInUse": 1, "InstanceProfiles": 0, "UsersQuota": 5000} {
		if m[name] != want {
			t.Errorf("%s is %d, want %d", name, m[name], want)
		}
	}
	var all sdk.GetAccountAuthorizationDetailsOutput
	in := &sdk.GetAccountAuthorizationDetailsInput{MaxItems: new(int32(2))}
	for more := true; more; more = in.Marker != nil {
		out := must(k.GetAccountAuthorizationDetails(k.ctx, in))(t)
		all.UserDetailList = append(all.UserDetailList, out.UserDetailList...)
		all.GroupDetailList = append(all.GroupDetailList, out.GroupDetailList...)
		all.RoleDetailList = append(all.RoleDetailList, out.RoleDetailList...)
		all.Policies = append(all.Policies, out.Policies...)
		in.Marker = out.Marker
	}
	if len(all.UserDetailList) != 1 || len(all.GroupDetailList) != 1 || len(all.RoleDetailList) != 1 || len(all.Policies) != 2 {
		t.Fatalf("got %d users, %d groups, %d roles, %d policies", len(all.UserDetailList), len(all.GroupDetailList), len(all.RoleDetailList), len(all.Policies))
	}
	if u := all.UserDetailList[0]; u.GroupList[0] != "eng" || plain(t, u.UserPolicyList[0].PolicyDocument) != readS3 {
		t.Errorf("got %+v", u)
	}
	if r := all.RoleDetailList[0]; *r.AttachedManagedPolicies[0].PolicyArn != readAWS {
		t.Errorf("got %+v", r)
	}
	if only := must(k.GetAccountAuthorizationDetails(k.ctx, &sdk.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeLocalManagedPolicy}}))(t); len(only.Policies) != 1 || len(only.UserDetailList) != 0 {
		t.Errorf("got %+v", only)
	}
}

func TestCredentialReport(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	_, err := k.GetCredentialReport(k.ctx, &sdk.GetCredentialReportInput{})
	k.want(err, "ReportNotPresent: …")
	k.user("ada")
	must(k.CreateAccessKey(k.ctx, &sdk.CreateAccessKeyInput{UserName: new("ada")}))(t)
	for _, want := range []types.ReportStateType{types.ReportStateTypeStarted, types.ReportStateTypeComplete} {
		if got := must(k.GenerateCredentialReport(k.ctx, &sdk.GenerateCredentialReportInput{}))(t).State; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	out := must(k.GetCredentialReport(k.ctx, &sdk.GetCredentialReportInput{}))(t)
	rows, err := csv.NewReader(strings.NewReader(string(out.Content))).ReadAll() // it holds that rows are equally long
	if err != nil || len(rows) != 3 || len(rows[0]) != 22 || rows[2][0] != "ada" || rows[2][8] != "true" || rows[2][13] != "false" {
		t.Errorf("got %q, %v", rows, err)
	}
}

func TestProvider(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	create := func(url string, thumbprints ...string) error {
		_, err := k.CreateOpenIDConnectProvider(k.ctx, &sdk.CreateOpenIDConnectProviderInput{Url: &url, ClientIDList: []string{"sts.amazonaws.com"}, ThumbprintList: thumbprints})
		return err
	}
	k.want(create("http://x.example"), "ValidationError: Invalid Open ID Connect Provider URL")
	k.want(create("https://x.example?a=b"), "InvalidInput: …")
	k.want(create("https://x.example", "zz"), "ValidationError: …")
	k.want(create("https://token.example:8443/a"), "")
	k.want(create("https://token.example:8443/a"), "EntityAlreadyExists: Provider with url https://token.example:8443/a already exists.")
	arn := new("arn:aws:iam::123456789012:oidc-provider/token.example:8443/a")
	must(k.AddClientIDToOpenIDConnectProvider(k.ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: new("two")}))(t)
	p := must(k.GetOpenIDConnectProvider(k.ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	if *p.Url != "token.example:8443/a" || strings.Join(p.ClientIDList, " ") != "sts.amazonaws.com two" {
		t.Errorf("got %s, %q", *p.Url, p.ClientIDList)
	}
	if got, ok, err := k.ProviderOf(k.ctx, "token.example:8443/a"); !ok || err != nil || got.ARN != *arn {
		t.Errorf("got %+v, %t, %v", got, ok, err)
	}
	must(k.DeleteOpenIDConnectProvider(k.ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	_, err := k.GetOpenIDConnectProvider(k.ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	k.want(err, "NoSuchEntity: OpenIDConnect Provider not found for arn "+*arn)
}
