package access_test

import (
	"testing"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/efs/access"
)

const (
	account = "123456789012"
	appRole = "arn:aws:iam::" + account + ":role/app"
)

// TestAdmit holds what a client may do to the file system's policy and to its own.
func TestAdmit(t *testing.T) {
	t.Parallel()
	const fs, client = "fs-0123456789abcdef0", "elasticfilesystem:Client"
	ns := arn.Namespace{Region: "us-west-2", Account: account}
	statement := func(effect, principal, actions, more string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `",` + principal + `"Action":[` + actions + `]` + more + `}]}`
	}
	compiled := func(text string) []*policy.Policy {
		d, err := document.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Compile(policy.Name{Name: "own"}, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		return []*policy.Policy{p}
	}
	app := policy.Principal{
		Type: policy.RoleSession, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/app/task", Entity: appRole, EntityID: "AROAAPP", UserID: "AROAAPP:task",
	}
	const mount, all = `"` + client + `Mount"`, `"` + client + `*"`
	anybody, theApp := `"Principal":{"AWS":"*"},`, `"Principal":{"AWS":"`+appRole+`"},`
	resource := `,"Resource":"` + ns.ARN("elasticfilesystem", "file-system/"+fs) + `"`
	when := func(operator, key, value string) string {
		return `,"Condition":{"` + operator + `":{"` + key + `":"` + value + `"}}`
	}
	point := ns.ARN("elasticfilesystem", "access-point/fsap-1")
	for name, tc := range map[string]struct {
		policy string
		own    string // of the role; "" is nobody who mounts
		role   bool
		open   bool // not encrypted in transit
		point  string
		want   string // letters of Mount, Write, Root
	}{
		"by default":                             {want: "mwr"},
		"by default, a role":                     {role: true, want: "mwr"},
		"by default, a role that is denied":      {role: true, own: statement("Deny", "", `"`+client+`RootAccess"`, `,"Resource":"*"`), want: "mw"},
		"reading":                                {policy: statement("Allow", anybody, mount, ""), want: "m"},
		"reading, a role that may more":          {policy: statement("Allow", anybody, mount, ""), role: true, own: statement("Allow", "", all, resource), want: "mwr"},
		"reading, a role that says nothing":      {policy: statement("Allow", anybody, mount, ""), role: true, want: "m"},
		"writing without mounting":               {policy: statement("Allow", anybody, `"`+client+`Write"`, ""), want: "w"},
		"a role only, nobody":                    {policy: statement("Allow", theApp, all, resource), want: ""},
		"a role only":                            {policy: statement("Allow", theApp, all, resource), role: true, want: "mwr"},
		"another file system":                    {policy: statement("Allow", anybody, all, `,"Resource":"`+ns.ARN("elasticfilesystem", "file-system/fs-other")+`"`), want: ""},
		"encrypted only":                         {policy: statement("Allow", anybody, all, when("Bool", "aws:SecureTransport", "true")), want: "mwr"},
		"encrypted only, open":                   {policy: statement("Allow", anybody, all, when("Bool", "aws:SecureTransport", "true")), open: true, want: ""},
		"by a mount target":                      {policy: statement("Allow", anybody, all, when("Bool", "elasticfilesystem:AccessedViaMountTarget", "true")), want: "mwr"},
		"by an access point":                     {policy: statement("Allow", anybody, all, when("StringEquals", "elasticfilesystem:AccessPointArn", point)), point: "fsap-1", want: "mwr"},
		"by another access point":                {policy: statement("Allow", anybody, all, when("StringEquals", "elasticfilesystem:AccessPointArn", point)), point: "fsap-2", want: ""},
		"by none":                                {policy: statement("Allow", anybody, all, when("StringEquals", "elasticfilesystem:AccessPointArn", point)), want: ""},
		"a key that EFS doesn't tell":            {policy: statement("Allow", anybody, all, when("ArnLike", "aws:PrincipalArn", appRole)), role: true, want: ""},
		"a role's own, with a key of EFS's":      {policy: statement("Deny", anybody, all, when("Bool", "aws:SecureTransport", "false")), role: true, own: statement("Allow", "", all, resource), want: "mwr"},
		"a role's own, denied by the resource's": {policy: statement("Deny", anybody, all, when("Bool", "aws:SecureTransport", "false")), role: true, own: statement("Allow", "", all, resource), open: true, want: ""},
	} {
		f := efs.FileSystem{ID: fs, Policy: efs.Policy{Text: tc.policy, IDs: map[string]string{appRole: "AROAAPP"}}}
		who := access.Client{Encrypted: !tc.open}
		if tc.role {
			who.Principal = app
		}
		if tc.own != "" {
			who.Policies.Identity = compiled(tc.own)
		}
		may, d, err := access.Admit(ns, f, who, tc.point)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		for _, l := range []struct {
			is     bool
			letter string
		}{{d.Allowed(), "m"}, {may.Write, "w"}, {may.Root, "r"}} {
			if l.is {
				got += l.letter
			}
		}
		if got != tc.want {
			t.Errorf("%s: may %q (%+v), want %q", name, got, d, tc.want)
		}
	}
}
