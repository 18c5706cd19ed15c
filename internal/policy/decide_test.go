package policy

import (
	"slices"
	"testing"

	"github.com/skylift/skylift/internal/policy/document"
)

const (
	account = "123456789012"
	user    = "arn:aws:iam::123456789012:user/eng/ada"
	role    = "arn:aws:iam::123456789012:role/app/web"
	session = "arn:aws:sts::123456789012:assumed-role/web/one"
	bucket  = "arn:aws:s3:::b"
)

var (
	ada    = Principal{Type: User, Account: account, ARN: user, Entity: user, EntityID: "AIDAADA", UserID: "AIDAADA"}
	web    = Principal{Type: RoleSession, Account: account, ARN: session, Entity: role, EntityID: "AROAWEB", UserID: "AROAWEB:one"}
	fed    = Principal{Type: FederatedUser, Account: account, ARN: "arn:aws:sts::123456789012:federated-user/eve", Entity: user, EntityID: "AIDAADA", UserID: account + ":eve"}
	root   = Principal{Type: Root, Account: account, ARN: "arn:aws:iam::123456789012:root", UserID: account}
	tasks  = Principal{Type: Service, ARN: "ecs-tasks.amazonaws.com"}
	github = Principal{Type: WebIdentity, ARN: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}
	other  = Principal{Type: User, Account: "210987654321", ARN: "arn:aws:iam::210987654321:user/bob", Entity: "arn:aws:iam::210987654321:user/bob", EntityID: "AIDABOB", UserID: "AIDABOB"}
)

// compiled compiles a policy whose statements are given.
func compiled(t testing.TB, name Name, statements string) *Policy {
	t.Helper()
	d, err := document.Parse(`{"Version":"2012-10-17","Statement":` + statements + `}`)
	if err != nil {
		t.Fatalf("%v\n%s", err, statements)
	}
	p, err := Compile(name, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	allow     = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	deny      = `{"Effect":"Deny","Action":"s3:*","Resource":"*"}`
	unrelated = `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`
)

// to makes a statement of a resource's policy.
func to(effect, principal string) string {
	return `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"*"}`
}

func aws(name string) string { return `{"AWS":"` + name + `"}` }

func TestDecide(t *testing.T) {
	t.Parallel()
	const (
		noIdentity = "because no identity-based policy allows the s3:GetObject action"
		noBoundary = "because no permissions boundary allows the s3:GetObject action"
		noSession  = "because no session policy allows the s3:GetObject action"
		noResource = "because no resource-based policy allows the s3:GetObject action"
		noTrust    = "because no role trust policy allows the s3:GetObject action"
	)
	byARN := `{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"` + role + `"}}}`
	nobodyBut := func(names string) string {
		return `{"Effect":"Deny","NotPrincipal":{"AWS":[` + names + `]},"Action":"*"}`
	}
	for _, c := range []struct {
		name                                   string
		caller                                 Principal
		identity, boundary, session, resources string
		own                                    Own
		want                                   string
	}{
		{"nothing", ada, "", "", "", "", Grants, noIdentity},
		{"allowed", ada, allow, "", "", "", Grants, ""},
		{"not about it", ada, unrelated, "", "", "", Grants, noIdentity},
		{"denied", ada, "[" + allow + "," + deny + "]", "", "", "", Grants, "with an explicit deny in an identity-based policy: arn:aws:iam::123456789012:policy/p"},
		{"boundary", ada, allow, unrelated, "", "", Grants, noBoundary},
		{"boundary allows, nothing else", ada, "", allow, "", "", Grants, noIdentity},
		{"boundary denies", ada, allow, deny, "", "", Grants, "with an explicit deny in a permissions boundary"},
		{"session", web, allow, allow, unrelated, "", Grants, noSession},
		{"session denies", web, allow, "", deny, "", Grants, "with an explicit deny in a sessions policy"},
		{"all three", web, allow, allow, allow, "", Grants, ""},
		{"root", root, "", "", "", "", Grants, ""},
		{"root, denied by a bucket", root, "", "", "", to("Deny", `"*"`), Grants, "with an explicit deny in a resource-based policy"},
		{"root, not named by a key", root, "", "", "", to("Allow", aws(user)), KeyOwn, noResource},
		{"root, by a key's account", root, "", "", "", to("Allow", aws(account)), KeyOwn, ""},

		{"resource names the user", ada, "", unrelated, "", to("Allow", aws(user)), Grants, ""},
		{"by its unique id", ada, "", unrelated, "", to("Allow", aws("AIDAADA")), Grants, ""},
		{"resource names another", ada, "", "", "", to("Allow", aws("arn:aws:iam::123456789012:user/ada")), Grants, noIdentity},
		{"resource denies the user", ada, allow, "", "", to("Deny", aws(user)), Grants, "with an explicit deny in a resource-based policy"},
		{"resource denies another", ada, allow, "", "", to("Deny", aws(role)), Grants, ""},
		{"user's federated session", fed, allow, "", unrelated, to("Allow", aws(user)), Grants, noSession},
		{"federated session by name", fed, "", "", unrelated, to("Allow", aws(fed.ARN)), Grants, ""},
		{"resource names the role", web, "", "", "", to("Allow", aws(role)), Grants, ""},
		{"role within its boundary", web, "", unrelated, "", to("Allow", aws(role)), Grants, noBoundary},
		{"role within its session", web, "", "", unrelated, to("Allow", aws("AROAWEB")), Grants, noSession},
		{"resource names the session", web, "", unrelated, unrelated, to("Allow", aws(session)), Grants, ""},
		{"resource names the account", ada, "", "", "", to("Allow", aws("arn:aws:iam::123456789012:root")), Grants, noIdentity},
		{"everybody", web, "", "", "", to("Allow", `"*"`), Grants, ""},
		{"everybody, within the boundary", web, "", unrelated, "", to("Allow", aws("*")), Grants, noBoundary},
		{"everybody of an ARN", web, "", unrelated, unrelated, byARN, Grants, ""},
		{"everybody, strangers", Principal{}, "", "", "", to("Allow", `"*"`), Grants, ""},
		{"a stranger", Principal{}, "", "", "", to("Allow", aws(account)), Grants, noResource},
		{"a service", tasks, "", "", "", to("Allow", `{"Service":["x","ecs-tasks.amazonaws.com"]}`), Grants, ""},
		{"another service", tasks, "", "", "", to("Allow", `{"Service":"ecs.amazonaws.com"}`), Grants, noResource},

		{"trust needs its yes", web, allow, "", "", "", TrustOwn, noTrust},
		{"trust denies", web, allow, "", "", to("Deny", `"*"`), TrustOwn, "with an explicit deny in the role trust policy"},
		{"trust names the caller", ada, "", "", "", to("Allow", aws(user)), TrustOwn, ""},
		{"trust names the account", ada, "", "", "", to("Allow", aws(account)), TrustOwn, noIdentity},
		{"trust names the account, and it may", ada, allow, "", "", to("Allow", aws(account)), TrustOwn, ""},
		{"trust names everybody", web, "", "", "", to("Allow", `"*"`), TrustOwn, noIdentity},
		{"trust names everybody of an ARN", web, "", "", "", byARN, TrustOwn, noIdentity},
		{"trust names everybody, and it may", web, allow, "", "", to("Allow", `"*"`), TrustOwn, ""},
		{"trust names everybody, and the caller", ada, "", "", "", to("Allow", `{"AWS":["*","`+user+`"]}`), TrustOwn, ""},
		{"trust names everybody, a stranger", Principal{}, "", "", "", to("Allow", `"*"`), TrustOwn, noTrust},
		{"trust of a provider", github, "", "", "", to("Allow", `{"Federated":"`+github.ARN+`"}`), TrustOwn, ""},
		{"trust of another provider", github, "", "", "", to("Allow", `{"Federated":"accounts.google.com"}`), TrustOwn, noTrust},
		{"key needs its yes", ada, allow, "", "", to("Allow", aws(role)), KeyOwn, noResource},

		{"another account's needs both", other, allow, "", "", "", Grants, noResource},
		{"another account's has one", other, "", "", "", to("Allow", aws(other.ARN)), Grants, noIdentity},
		{"another account's has both", other, allow, "", "", to("Allow", aws("210987654321")), Grants, ""},

		{"NotPrincipal", ada, allow, "", "", nobodyBut(`"` + role + `"`), Grants, "with an explicit deny in a resource-based policy"},
		{"NotPrincipal spares", ada, allow, "", "", nobodyBut(`"` + user + `","` + account + `"`), Grants, ""},
		{"NotPrincipal spares a session", web, allow, "", "", nobodyBut(`"` + role + `","` + session + `","` + account + `"`), Grants, ""},
		{"NotPrincipal without the session", web, allow, "", "", nobodyBut(`"` + role + `","` + account + `"`), Grants, "with an explicit deny in a resource-based policy"},
		{"NotPrincipal and a boundary", ada, allow, allow, "", nobodyBut(`"` + user + `","` + account + `"`), Grants, "with an explicit deny in a resource-based policy"},
	} {
		p := Policies{Own: c.own}
		if c.identity != "" {
			p.Identity = []*Policy{compiled(t, Name{ARN: "arn:aws:iam::123456789012:policy/p"}, c.identity)}
		}
		if c.boundary != "" {
			p.Boundary = compiled(t, Name{}, c.boundary)
		}
		if c.session != "" {
			p.Session = []*Policy{compiled(t, Name{}, c.session)}
		}
		if c.resources != "" {
			p.Resource = compiled(t, Name{}, c.resources)
		}
		call := Call{Caller: c.caller, Action: "s3:GetObject", Resource: bucket + "/k", Owner: account, Keys: c.caller.Keys()}
		d := Decide(call, p)
		if got := d.Reason(call.Action); got != c.want || d.Allowed() != (c.want == "") {
			t.Errorf("%s: got %q (%v), want %q", c.name, got, d.Effect, c.want)
		}
	}
}

func TestEmptySession(t *testing.T) {
	t.Parallel()
	p := Policies{Identity: []*Policy{compiled(t, Name{}, allow)}, Session: []*Policy{}}
	d := Decide(Call{Caller: fed, Action: "s3:GetObject", Resource: bucket}, p)
	if want := (Decision{Effect: ImplicitDeny, Kind: Session}); d != want {
		t.Errorf("got %+v, want %+v: a session by GetFederationToken without a policy may nothing", d, want)
	}
}

func TestWhichStatement(t *testing.T) {
	t.Parallel()
	one := compiled(t, Name{Name: "one"}, `[`+unrelated+`,{"Sid":"Read","Effect":"Allow","Action":"s3:Get*","Resource":"*"}]`)
	two := compiled(t, Name{ARN: "arn:aws:iam::aws:policy/Two"}, `{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/secret"}`)
	p := Policies{Identity: []*Policy{one, two}}
	for resource, want := range map[string]string{
		"arn:aws:s3:::b/k":      "statement 2 (Read) of policy one",
		"arn:aws:s3:::b/secret": "statement 1 of policy arn:aws:iam::aws:policy/Two",
	} {
		call := Call{Caller: ada, Action: "s3:getobject", Resource: resource}
		if got := Decide(call, p).By.String(); got != want {
			t.Errorf("%s: got %q, want %q", resource, got, want)
		}
	}
	call := Call{Caller: ada, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/secret"}
	want := "User: " + user + " is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/secret with an explicit deny in an identity-based policy: arn:aws:iam::aws:policy/Two"
	if got := Decide(call, p).Explain(call); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestUniqueIDs(t *testing.T) {
	t.Parallel()
	d, err := document.Check(`{"Statement":`+to("Allow", aws(user))+`}`, document.Resource)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(Name{}, d, map[string]string{user: "AIDAADA"})
	if err != nil {
		t.Fatal(err)
	}
	again := ada
	again.EntityID, again.UserID = "AIDANEW", "AIDANEW"
	for _, c := range []struct {
		caller Principal
		want   Effect
	}{{ada, Allowed}, {again, ImplicitDeny}} {
		if d := Decide(Call{Caller: c.caller, Action: "s3:GetObject", Resource: bucket}, Policies{Resource: p}); d.Effect != c.want {
			t.Errorf("%s: got %v, want %v", c.caller.EntityID, d.Effect, c.want)
		}
	}
}

func TestPrincipalKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		caller          Principal
		key, want, none string
	}{
		{ada, "aws:username", "ada", "aws:PrincipalServiceName"},
		{ada, "aws:PrincipalArn", user, ""},
		{web, "aws:PrincipalArn", role, "aws:username"},
		{web, "aws:userid", "AROAWEB:one", ""},
		{fed, "aws:PrincipalType", "FederatedUser", "aws:username"},
		{root, "aws:PrincipalType", "Account", "aws:username"},
		{tasks, "aws:PrincipalServiceName", "ecs-tasks.amazonaws.com", "aws:PrincipalArn"},
		{Principal{}, "aws:PrincipalType", "Anonymous", "aws:PrincipalArn"},
	} {
		keys := c.caller.Keys()
		if got, _ := keys.One(c.key); got != c.want || c.none != "" && keys.Has(c.none) {
			t.Errorf("%s: %s: got %q, want %q; has %s: %t", c.caller.ARN, c.key, got, c.want, c.none, keys.Has(c.none))
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	p := compiled(t, Name{Name: "p"}, `[
		{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"},
		{"Sid":"b","Effect":"Deny","Action":"s3:Put*","Resource":"*","Condition":{"StringNotEquals":{"s3:x-amz-acl":"${aws:PrincipalTag/acl}"}}},
		{"Sid":"c","Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"AWS:UserName":"ada","ec2:Region":"x"}}}]`)
	call := Call{Caller: ada, Action: "s3:PutObject", Resource: bucket + "/ada/k", Keys: ada.Keys()}
	var sids []string
	for _, s := range p.Applying(call) {
		sids = append(sids, s.Sid)
	}
	if !slices.Equal(sids, []string{"a", "b"}) {
		t.Errorf("got %q", sids)
	}
	if got, want := p.Missing(call), []string{"s3:x-amz-acl", "aws:PrincipalTag/acl"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q missing", got, want)
	}
	if got, want := p.Keys(), []string{"aws:username", "s3:x-amz-acl", "aws:PrincipalTag/acl", "ec2:Region"}; len(got) != len(want) || !slices.Contains(got, "ec2:Region") || got[0] != "aws:username" {
		t.Errorf("got keys %q, want %q", got, want)
	}
}
