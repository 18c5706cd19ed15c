package daemon

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdkecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/onepiece"
)

// front is all services behind a gateway, for clients.
type front struct {
	*estate
	t    *testing.T
	url  string
	who  identities
	root aws.Config
}

func newFront(t *testing.T, change ...func(*gateway.Config)) *front {
	t.Helper()
	f := &front{estate: newEstate(t), t: t}
	f.m.root = f.identities().root
	f.who = f.identities()
	cfg, err := f.m.front(f.all)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&cfg)
	}
	srv := httptest.NewServer(gateway.New(cfg))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	f.root = f.as("AKIAROOT", "s", "")
	return f
}

// as is how somebody calls.
func (f *front) as(key, secret, token string) aws.Config {
	return aws.Config{
		Region: f.ns.Region, BaseEndpoint: &f.url, RetryMaxAttempts: 1, HTTPClient: onepiece.Client(http.DefaultTransport),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token}, nil
		}),
	}
}

func (f *front) with(c *types.Credentials) aws.Config {
	return f.as(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

// user makes a user who may do what a document says, and returns how she calls.
func (f *front) user(name, document string) aws.Config {
	f.t.Helper()
	api := sdkiam.NewFromConfig(f.root)
	ok(api.CreateUser(f.t.Context(), &sdkiam.CreateUserInput{UserName: &name}))(f.t)
	if document != "" {
		ok(api.PutUserPolicy(f.t.Context(), &sdkiam.PutUserPolicyInput{UserName: &name, PolicyName: new("p"), PolicyDocument: &document}))(f.t)
	}
	key := ok(api.CreateAccessKey(f.t.Context(), &sdkiam.CreateAccessKeyInput{UserName: &name}))(f.t).AccessKey
	return f.as(*key.AccessKeyId, *key.SecretAccessKey, "")
}

// role makes a role below /app/ and returns its ARN.
func (f *front) role(name, principal, actions, document string) string {
	f.t.Helper()
	api := sdkiam.NewFromConfig(f.root)
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":` + actions + `}}`
	r := ok(api.CreateRole(f.t.Context(), &sdkiam.CreateRoleInput{RoleName: &name, Path: new("/app/"), AssumeRolePolicyDocument: &trust}))(f.t).Role
	ok(api.PutRolePolicy(f.t.Context(), &sdkiam.PutRolePolicyInput{RoleName: &name, PolicyName: new("p"), PolicyDocument: &document}))(f.t)
	return *r.Arn
}

func (f *front) assume(as aws.Config, role string, change ...func(*sdksts.AssumeRoleInput)) (*sdksts.AssumeRoleOutput, error) {
	in := &sdksts.AssumeRoleInput{RoleArn: &role, RoleSessionName: new("s1")}
	for _, c := range change {
		c(in)
	}
	return sdksts.NewFromConfig(as).AssumeRole(f.t.Context(), in)
}

func (f *front) whoIs(as aws.Config) string {
	f.t.Helper()
	out, err := sdksts.NewFromConfig(as).GetCallerIdentity(f.t.Context(), &sdksts.GetCallerIdentityInput{})
	if err != nil {
		return heard(err)
	}
	return *out.Arn + " " + *out.UserId
}

// clusters lists clusters, which needs ecs:ListClusters.
func (f *front) clusters(as aws.Config) string {
	_, err := sdkecs.NewFromConfig(as).ListClusters(f.t.Context(), &sdkecs.ListClustersInput{})
	return heard(err)
}

// heard is an error as a client has it; "" for none.
func heard(err error) string {
	if err == nil {
		return ""
	}
	e, is := errors.AsType[smithy.APIError](err)
	if !is {
		return err.Error()
	}
	return e.ErrorCode() + ": " + e.ErrorMessage()
}

func (f *front) want(what, got, want string) {
	f.t.Helper()
	if prefix, cut := strings.CutSuffix(want, "…"); got != want && (!cut || !strings.HasPrefix(got, prefix)) {
		f.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func allow(actions string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + actions + `,"Resource":"*"}}`
}

const (
	lists   = `"ecs:List*"`
	invalid = "The security token included in the request is invalid."
	expired = "The security token included in the request is expired"
)

// TestAssumedRole: a session has its role's rights as they are at each call, and ends with the role.
func TestAssumedRole(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	ada, eve := f.user("ada", ""), f.user("eve", allow(`"sts:AssumeRole"`))
	role := f.role("worker", `{"AWS":"arn:aws:iam::123456789012:user/ada"}`, `"sts:AssumeRole"`, allow(lists))
	out := ok(f.assume(ada, role))(t)
	f.want("the session", *out.AssumedRoleUser.Arn, "arn:aws:sts::123456789012:assumed-role/worker/s1")
	if left := time.Until(*out.Credentials.Expiration); left > time.Hour || left < 59*time.Minute {
		t.Errorf("it lasts for %v", left)
	}
	as := f.with(out.Credentials)
	f.want("who it is", f.whoIs(as), *out.AssumedRoleUser.Arn+" "+*out.AssumedRoleUser.AssumedRoleId)
	f.want("what it may", f.clusters(as), "")
	_, err := sdkecs.NewFromConfig(as).CreateCluster(t.Context(), &sdkecs.CreateClusterInput{})
	f.want("what it may not", heard(err), "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/worker/s1 is not authorized to perform: ecs:CreateCluster on resource: …")
	const denied = "AccessDenied: User: arn:aws:iam::123456789012:user/eve is not authorized to perform: sts:AssumeRole on resource: "
	f.want("somebody whom the role doesn't trust", heard(second(f.assume(eve, role))), denied+role)
	f.want("a role that isn't there", heard(second(f.assume(eve, role+"x"))), denied+role+"x")
	f.want("a role without its path", heard(second(f.assume(eve, "arn:aws:iam::123456789012:role/worker"))), denied+"arn:aws:iam::123456789012:role/worker")
	f.want("root", heard(second(f.assume(f.root, role))), "AccessDenied: Roles may not be assumed by root accounts.")
	f.want("no ARN of a role", heard(second(f.assume(ada, "arn:aws:iam::123456789012:user/ada"))), "ValidationError: arn:aws:iam::123456789012:user/ada is invalid")
	f.want("a long session", heard(second(f.assume(ada, role, func(in *sdksts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }))),
		"ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")

	c := out.Credentials
	f.want("another's token", f.whoIs(f.as(*c.AccessKeyId, *c.SecretAccessKey, "x"+*c.SessionToken)), "InvalidClientTokenId: "+invalid)
	f.want("no token", f.whoIs(f.as(*c.AccessKeyId, *c.SecretAccessKey, "")), "InvalidClientTokenId: "+invalid)
	f.want("a token with root's key", f.clusters(f.as("AKIAROOT", "s", *c.SessionToken)), "UnrecognizedClientException: "+invalid)
	f.want("another secret", f.whoIs(f.as(*c.AccessKeyId, "x"+*c.SecretAccessKey, *c.SessionToken)), "SignatureDoesNotMatch: …")

	api := sdkiam.NewFromConfig(f.root)
	ok(api.PutRolePolicy(t.Context(), &sdkiam.PutRolePolicyInput{RoleName: new("worker"), PolicyName: new("revoked"), PolicyDocument: new(
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"` + time.Now().Add(time.Minute).UTC().Format(time.RFC3339) + `"}}}}`)}))(t)
	f.want("a session that was revoked", f.clusters(as), "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/worker/s1 is not authorized to perform: ecs:ListClusters on resource: * with an explicit deny in an identity-based policy")
	ok(api.DeleteRolePolicy(t.Context(), &sdkiam.DeleteRolePolicyInput{RoleName: new("worker"), PolicyName: new("revoked")}))(t)
	f.want("and isn't any more", f.clusters(as), "")
	ok(api.DeleteRolePolicy(t.Context(), &sdkiam.DeleteRolePolicyInput{RoleName: new("worker"), PolicyName: new("p")}))(t)
	ok(api.DeleteRole(t.Context(), &sdkiam.DeleteRoleInput{RoleName: new("worker")}))(t)
	f.want("the role is gone", f.clusters(as), "UnrecognizedClientException: "+invalid)
	f.role("worker", `{"AWS":"arn:aws:iam::123456789012:user/ada"}`, `"sts:AssumeRole"`, allow(lists))
	f.want("another role has its name", f.clusters(as), "UnrecognizedClientException: "+invalid)
}

func second[T any](_ T, err error) error { return err }

// TestExpiredSession calls with credentials that have ended, in each protocol.
func TestExpiredSession(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.role("worker", `{"Service":"ecs-tasks.amazonaws.com"}`, `"sts:AssumeRole"`, allow(`"*"`))
	r := ok2(f.who.iam.RoleNamed(t.Context(), "worker"))(t)
	c, err := f.who.mint.Issue(caller.Session{Kind: caller.OfRole, Entity: "worker", EntityID: r.ID, Name: "s1", Issued: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	as := f.as(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	f.want("query", f.whoIs(as), "ExpiredToken: "+expired)
	f.want("JSON", f.clusters(as), "ExpiredTokenException: "+expired)
	_, err = sdkec2.NewFromConfig(as).DescribeVpcs(t.Context(), &sdkec2.DescribeVpcsInput{})
	f.want("EC2", heard(err), "RequestExpired: Request has expired.")
}

func ok2[T any](v T, there bool, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil || !there {
			t.Fatalf("%v, %v", there, err)
		}
		return v
	}
}

// TestNarrowedSession: session policies cut down what a role may, and name themselves.
func TestNarrowedSession(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	ada := f.user("ada", "")
	role := f.role("worker", `{"AWS":"arn:aws:iam::123456789012:user/ada"}`, `"sts:AssumeRole"`, allow(`["ecs:ListClusters","ecs:ListServices"]`))
	narrow := func(change func(in *sdksts.AssumeRoleInput)) aws.Config {
		t.Helper()
		out := ok(f.assume(ada, role, change))(t)
		if out.PackedPolicySize == nil || *out.PackedPolicySize < 1 { //nolint:staticcheck // older clients read it
			t.Error("there is no size of the session policies")
		}
		return f.with(out.Credentials)
	}
	inline := narrow(func(in *sdksts.AssumeRoleInput) { in.Policy = new(allow(`["ecs:ListServices","ecs:CreateCluster"]`)) })
	const who = "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/worker/s1 is not authorized to perform: "
	f.want("what the role alone allows", f.clusters(inline), who+"ecs:ListClusters on resource: * because no session policy allows the ecs:ListClusters action")
	_, err := sdkecs.NewFromConfig(inline).CreateCluster(t.Context(), &sdkecs.CreateClusterInput{})
	f.want("what the session policy alone allows", heard(err), who+"ecs:CreateCluster on resource: …")
	both := narrow(func(in *sdksts.AssumeRoleInput) {
		in.Policy, in.PolicyArns = new(allow(`"s3:*"`)), []types.PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/AmazonECS_FullAccess")}}
	})
	f.want("one of several", f.clusters(both), "")
	for name, tc := range map[string]struct {
		change func(in *sdksts.AssumeRoleInput)
		want   string
	}{
		"no policy": {func(in *sdksts.AssumeRoleInput) { in.Policy = new("{}") }, "MalformedPolicyDocument: Syntax errors in policy."},
		"one with principals": {func(in *sdksts.AssumeRoleInput) {
			in.Policy = new(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)
		}, "MalformedPolicyDocument: Policy document should not specify a principal."},
		"a missing one": {func(in *sdksts.AssumeRoleInput) {
			in.PolicyArns = []types.PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/None")}}
		}, "ValidationError: Policy ARN arn:aws:iam::aws:policy/None does not exist…"},
		"eleven": {func(in *sdksts.AssumeRoleInput) {
			in.PolicyArns = slices.Repeat([]types.PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}}, 11)
		}, "ValidationError: …"},
		"a long one": {func(in *sdksts.AssumeRoleInput) { in.Policy = new(allow(`"` + strings.Repeat("s", 2048) + `:*"`)) }, "ValidationError: …"},
		"MFA": {func(in *sdksts.AssumeRoleInput) {
			in.SerialNumber, in.TokenCode = new("arn:aws:iam::123456789012:mfa/ada"), new("123456")
		}, "ValidationError: …"},
	} {
		f.want(name, heard(second(f.assume(ada, role, tc.change))), tc.want)
	}
}

// TestChainedSession: tags that are transitive and a source identity stay when a session assumes another role, for an hour at most.
func TestChainedSession(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	ada := f.user("ada", "")
	const all = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	first := f.role("first", `{"AWS":"arn:aws:iam::123456789012:user/ada"}`, all, allow(`"sts:*"`))
	next := f.role("next", `{"AWS":"`+first+`"}`, all, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecs:ListClusters","Resource":"*","Condition":{"StringEquals":{
		"aws:PrincipalTag/Team":"blue","aws:SourceIdentity":"ada"},"Null":{"aws:PrincipalTag/Here":"true"}}}}`)
	plain := f.role("plain", `{"AWS":"`+first+`"}`, `"sts:AssumeRole"`, allow(`"*"`))
	out := ok(f.assume(ada, first, func(in *sdksts.AssumeRoleInput) {
		in.Tags, in.TransitiveTagKeys = []types.Tag{{Key: new("team"), Value: new("blue")}, {Key: new("here"), Value: new("1")}}, []string{"Team"}
		in.SourceIdentity = new("ada")
	}))(t)
	f.want("the source identity", *out.SourceIdentity, "ada")
	as := f.with(out.Credentials)
	chained := ok(f.assume(as, next))(t)
	f.want("what stays of the first", f.clusters(f.with(chained.Credentials)), "")
	f.want("the source identity", *chained.SourceIdentity, "ada")
	f.want("a role that doesn't trust tags", heard(second(f.assume(as, plain))), "AccessDenied: User: arn:aws:sts::123456789012:assumed-role/first/s1 is not authorized to perform: sts:TagSession on resource: "+plain)
	ok(sdkiam.NewFromConfig(f.root).UpdateRole(t.Context(), &sdkiam.UpdateRoleInput{RoleName: new("next"), MaxSessionDuration: aws.Int32(7200)}))(t)
	for name, tc := range map[string]struct {
		change func(in *sdksts.AssumeRoleInput)
		want   string
	}{
		"two hours":        {func(in *sdksts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) }, "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		"another identity": {func(in *sdksts.AssumeRoleInput) { in.SourceIdentity = new("eve") }, "ValidationError: The source identity is already set for this assume role session"},
		"the same again":   {func(in *sdksts.AssumeRoleInput) { in.Tags = []types.Tag{{Key: new("TEAM"), Value: new("red")}} }, "InvalidParameterValue: One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."},
		"a key twice": {func(in *sdksts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: new("a"), Value: new("")}, {Key: new("A"), Value: new("")}}
		}, "InvalidParameterValue: Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		"a missing key": {func(in *sdksts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"a"} }, "InvalidParameterValue: The specified transitive tag key must be included in the requested tags."},
	} {
		f.want(name, heard(second(f.assume(as, next, tc.change))), tc.want)
	}
}

// TestSessionsOfUsers: GetSessionToken's may not call IAM, and GetFederationToken's only do what both allow.
func TestSessionsOfUsers(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	ada := f.user("ada", allow(`["ecs:*","iam:*","sts:*"]`))
	role := f.role("worker", `{"AWS":"arn:aws:iam::123456789012:user/ada"}`, `"sts:AssumeRole"`, allow(lists))
	api := sdksts.NewFromConfig(ada)
	as := f.with(ok(api.GetSessionToken(t.Context(), &sdksts.GetSessionTokenInput{}))(t).Credentials)
	f.want("who it is", f.whoIs(as), f.whoIs(ada))
	f.want("what she may", f.clusters(as), "")
	_, err := sdkiam.NewFromConfig(as).ListUsers(t.Context(), &sdkiam.ListUsersInput{})
	f.want("IAM", heard(err), "InvalidClientTokenId: "+invalid)
	f.want("a role", heard(second(f.assume(as, role))), "")
	_, err = sdksts.NewFromConfig(as).GetSessionToken(t.Context(), &sdksts.GetSessionTokenInput{})
	f.want("a session of a session", heard(err), "AccessDenied: Cannot call GetSessionToken with session credentials")
	_, err = sdksts.NewFromConfig(as).GetAccessKeyInfo(t.Context(), &sdksts.GetAccessKeyInfoInput{AccessKeyId: new("AKIAIOSFODNN7EXAMPLE")})
	f.want("another operation of STS", heard(err), "AccessDenied: Cannot call GetAccessKeyInfo with session credentials")

	vouch := func(policy *string) aws.Config {
		t.Helper()
		return f.with(ok(api.GetFederationToken(t.Context(), &sdksts.GetFederationTokenInput{Name: new("bob"), Policy: policy}))(t).Credentials)
	}
	const bob = "arn:aws:sts::123456789012:federated-user/bob"
	f.want("who he is", f.whoIs(vouch(nil)), bob+" 123456789012:bob")
	f.want("without a policy", f.clusters(vouch(nil)), "AccessDeniedException: User: "+bob+" is not authorized to perform: ecs:ListClusters on resource: * because no session policy allows the ecs:ListClusters action")
	f.want("with one", f.clusters(vouch(new(allow(`"*"`)))), "")
	f.want("a role", heard(second(f.assume(vouch(new(allow(`"*"`))), role))), "AccessDenied: User: "+bob+" is not authorized to perform: sts:AssumeRole on resource: "+role)
	f.want("root's", f.clusters(f.with(ok(sdksts.NewFromConfig(f.root).GetFederationToken(t.Context(), &sdksts.GetFederationTokenInput{Name: new("bob"), Policy: new(allow(lists))}))(t).Credentials)), "")
	_, err = sdksts.NewFromConfig(f.user("eve", "")).GetFederationToken(t.Context(), &sdksts.GetFederationTokenInput{Name: new("bob")})
	f.want("who may not", heard(err), "AccessDenied: User: arn:aws:iam::123456789012:user/eve is not authorized to perform: sts:GetFederationToken on resource: "+bob+" because no identity-based policy allows the sts:GetFederationToken action")

	root := ok(sdksts.NewFromConfig(f.root).GetSessionToken(t.Context(), &sdksts.GetSessionTokenInput{DurationSeconds: aws.Int32(43200)}))(t).Credentials
	f.want("root's session", f.whoIs(f.with(root)), "arn:aws:iam::123456789012:root 123456789012")
	if time.Until(*root.Expiration) > time.Hour {
		t.Errorf("root's session lasts until %v", root.Expiration)
	}
	iam := sdkiam.NewFromConfig(f.root)
	ok(iam.DeleteUserPolicy(t.Context(), &sdkiam.DeleteUserPolicyInput{UserName: new("ada"), PolicyName: new("p")}))(t)
	f.want("her rights at each call", f.clusters(as), "AccessDeniedException: User: arn:aws:iam::123456789012:user/ada is not authorized…")
	for _, k := range ok(iam.ListAccessKeys(t.Context(), &sdkiam.ListAccessKeysInput{UserName: new("ada")}))(t).AccessKeyMetadata {
		ok(iam.DeleteAccessKey(t.Context(), &sdkiam.DeleteAccessKeyInput{UserName: new("ada"), AccessKeyId: k.AccessKeyId}))(t)
	}
	ok(iam.DeleteUser(t.Context(), &sdkiam.DeleteUserInput{UserName: new("ada")}))(t)
	f.want("she is gone", f.clusters(as), "UnrecognizedClientException: "+invalid)
}

// TestDecodeAuthorizationMessage reads what a call to EC2 was told in secret, for which one needs a permission.
func TestDecodeAuthorizationMessage(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	ada := f.user("ada", "")
	_, err := sdkec2.NewFromConfig(ada).DescribeVpcs(t.Context(), &sdkec2.DescribeVpcsInput{})
	before, secret, there := strings.Cut(heard(err), " Encoded authorization failure message: ")
	f.want("the refusal", before, "UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/ada is not authorized to perform: "+
		"ec2:DescribeVpcs on resource: * because no identity-based policy allows the ec2:DescribeVpcs action.")
	if !there {
		t.Fatalf("nothing is told in secret: %v", err)
	}
	decode := func(as aws.Config, message string) (*sdksts.DecodeAuthorizationMessageOutput, error) {
		return sdksts.NewFromConfig(as).DecodeAuthorizationMessage(t.Context(), &sdksts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
	}
	f.want("without the permission", heard(second(decode(ada, secret))), "AccessDenied: …")
	out := ok(decode(f.root, secret))(t)
	for _, want := range []string{`"allowed":false,"explicitDeny":false`, `"arn":"arn:aws:iam::123456789012:user/ada"`, `"action":"ec2:DescribeVpcs"`, `"key":"aws:username","values":{"items":[{"value":"ada"}]}`} {
		if !strings.Contains(*out.DecodedMessage, want) {
			t.Errorf("%s isn't in %s", want, *out.DecodedMessage)
		}
	}
	f.want("garbage", heard(second(decode(f.root, "garbage"))), "InvalidAuthorizationMessageException: …")
	info := ok(sdksts.NewFromConfig(f.root).GetAccessKeyInfo(t.Context(), &sdksts.GetAccessKeyInfoInput{AccessKeyId: new("ASIAY34FZKBOKMUTVV7A")}))(t)
	f.want("whose key it is", *info.Account, "609629065308")
}

// TestTaskCredentials: the credentials of a task's role are the task's alone, and end with it.
func TestTaskCredentials(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	arn := f.role("worker", `{"Service":"ecs-tasks.amazonaws.com"}`, `"sts:AssumeRole"`, allow(lists))
	other := f.role("other", `{"Service":"ec2.amazonaws.com"}`, `"sts:AssumeRole"`, allow(lists))
	roles := &taskRoles{iam: f.who.iam, mint: f.who.mint, account: f.ns.Account}
	task := ecs.Task{ID: "0123456789abcdef0123456789abcdef", Cluster: "c", ARN: f.ns.ARN("ecs", "task/c/0123456789abcdef0123456789abcdef"), Role: arn, CredentialsID: "x", Status: ecs.Running, Desired: ecs.Running}
	put := func(change func(t *ecs.Task)) {
		t.Helper()
		change(&task)
		if err := f.db.Update(t.Context(), func(tx store.Tx) error { return ecs.Tasks.Put(tx, task.Key(), task) }); err != nil {
			t.Fatal(err)
		}
	}
	put(func(*ecs.Task) {})
	if roles.Assume(t.Context(), arn, task.ARN) != nil || roles.Assume(t.Context(), other, task.ARN) == nil || roles.Assume(t.Context(), arn+"x", task.ARN) == nil {
		t.Error("ECS may assume another role than the one that trusts it")
	}
	c := ok(roles.Credentials(t.Context(), task))(t)
	if again := ok(roles.Credentials(t.Context(), task))(t); again != c || time.Until(c.Expiration) < 5*time.Hour {
		t.Errorf("got %v and %v until %v", c, again, c.Expiration)
	}
	as := f.as(c.AccessKeyID, c.SecretAccessKey, c.Token)
	f.want("who it is", f.whoIs(as), "arn:aws:sts::123456789012:assumed-role/worker/"+task.ID+" …")
	f.want("what it may", f.clusters(as), "")
	put(func(t *ecs.Task) { t.Desired, t.Status = ecs.Stopped, ecs.Stopping })
	f.want("while it is told to stop", f.clusters(as), "")
	put(func(t *ecs.Task) { t.Status = ecs.Deprovisioning })
	f.want("its containers have ended", f.clusters(as), "UnrecognizedClientException: "+invalid)
	old := roles.given[task.Key()]
	old.Expiration = time.Now().Add(taskCredentialsRenew - time.Minute)
	roles.given[task.Key()] = old
	if next := ok(roles.Credentials(t.Context(), task))(t); next.AccessKeyID == c.AccessKeyID {
		t.Error("credentials aren't renewed after half of their life")
	}
}
