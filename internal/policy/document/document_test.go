package document

import (
	"errors"
	"strings"
	"testing"
)

const (
	syntax  = "Syntax errors in policy."
	legacy  = "The policy failed legacy parsing"
	actions = "Policy statement must contain actions."
	trustOf = "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity"
)

// of makes a document of 2012 with one statement.
func of(statement string) string {
	return `{"Version":"2012-10-17","Statement":` + statement + `}`
}

// on makes one whose statement is about a resource.
func on(resource string) string {
	return of(`{"Effect":"Allow","Action":"s3:*","Resource":` + resource + `}`)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, want string
	}{
		{"all", on(`"*"`), ""},
		{"a list of statements", of(`[{"Effect":"Allow","Action":["s3:*","ec2:Run*"],"Resource":["*"]},{"Effect":"Deny","NotAction":"iam:*","NotResource":"arn:aws:s3:::b"}]`), ""},
		{"unknown services and actions", of(`{"Effect":"Allow","Action":"nosuch:Thing","Resource":"arn:aws:nosuch:::x"}`), ""},
		{"scalars that aren't quoted", of(`{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"s3:max-keys":[1,2.5]}}}`), ""},
		{"an id", `{"Version":"2012-10-17","Id":"x","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, ""},

		{"no JSON", `{`, syntax},
		{"two values", on(`"*"`) + "{}", syntax},
		{"a list", `[]`, syntax},
		{"an unknown element", `{"Version":"2012-10-17","Statement":[],"Extra":1}`, syntax},
		{"an element in other case", `{"Version":"2012-10-17","statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, syntax},
		{"an unknown element of a statement", of(`{"Effect":"Allow","Action":"*","Resource":"*","Extra":"x"}`), syntax},
		{"no statement", `{"Version":"2012-10-17"}`, syntax},
		{"no statements", of(`[]`), syntax},
		{"a bad version", `{"Version":"2012-10-18","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, syntax},
		{"Action and NotAction", of(`{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}`), syntax},
		{"Resource and NotResource", of(`{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"}`), syntax},
		{"no effect", of(`{"Action":"*","Resource":"*"}`), syntax},
		{"an unknown effect", of(`{"Effect":"Maybe","Action":"*","Resource":"*"}`), syntax},
		{"a name twice", of(`{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}`), syntax},
		{"an operator that isn't there", of(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringMatches":{"a:b":"x"}}}`), syntax},
		{"a condition of the wrong type", of(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":"x"}}`), syntax},
		{"a value of the wrong type", of(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:b":{"c":"d"}}}}`), syntax},
		{"a null", of(`{"Effect":"Allow","Action":null,"Resource":"*"}`), syntax},
		{"a number for an action", of(`{"Effect":"Allow","Action":1,"Resource":"*"}`), syntax},
		{"a Sid with a blank", of(`{"Sid":"a b","Effect":"Allow","Action":"*","Resource":"*"}`), syntax},
		{"too deep", of(strings.Repeat("[", 40) + strings.Repeat("]", 40)), syntax},

		{"no version", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "Policy document must be version 2012-10-17 or greater."},
		{"2008", `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "Policy document must be version 2012-10-17 or greater."},
		{"an effect in other case", of(`{"Effect":"allow","Action":"*","Resource":"*"}`), legacy},
		{"a bad date", of(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}}`), legacy},
		{"a short ARN of S3", on(`"arn:aws:s3::x"`), legacy},
		{"a Sid twice", of(`[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"}]`), "Statement IDs (SID) in a single policy must be unique."},
		{"no action", of(`{"Effect":"Allow","Resource":"*"}`), actions},
		{"an empty list of actions", of(`{"Effect":"Allow","Action":[],"Resource":"*"}`), actions},
		{"no resource", of(`{"Effect":"Allow","Action":"*"}`), "Policy statement must contain resources."},
		{"an empty list of resources", of(`{"Effect":"Allow","Action":"*","Resource":[]}`), "Policy statement must contain resources."},
		{"a principal", of(`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`), "Policy document should not specify a principal."},

		{"a short ARN", on(`"arn:aws:s3"`), ""},
		{"no ARN", on(`"bucket"`), `Resource bucket must be in ARN format or "*".`},
		{"a partition that isn't there", on(`"arn:b:c"`), `Partition "b" is not valid for resource "arn:b:c:*:*:*".`},
		{"a vendor with a wildcard", on(`"arn:aws:s?:::x"`), "Resource vendor must be fully qualified and cannot contain regexes."},
		{"IAM with a region", on(`"arn:aws:iam:us-east-1:1:user/x"`), "IAM resource arn:aws:iam:us-east-1:1:user/x cannot contain region information."},
		{"S3 with a region", on(`"arn:aws:s3:us-east-1::x"`), "Resource arn:aws:s3:us-east-1::x can not contain region information."},
		{"a path of IAM", on(`"arn:aws:iam::1:users/x"`), `IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`},
		{"an action without a vendor", of(`{"Effect":"Allow","Action":"Get","Resource":"*"}`), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"an action with two colons", of(`{"Effect":"Allow","Action":"s3:a:b","Resource":"*"}`), "Actions/Condition can contain only one colon."},
		{"a vendor that isn't one", of(`{"Effect":"Allow","Action":"a b:c","Resource":"*"}`), "Vendor a b is not valid"},
	} {
		expect(t, c.name, c.text, Managed, c.want)
	}
}

func TestCheckOfKinds(t *testing.T) {
	t.Parallel()
	const old = `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	trust := func(rest string) string { return of(`{"Effect":"Allow",` + rest + `}`) }
	for _, c := range []struct {
		name, text string
		kind       Kind
		want       string
	}{
		{"an inline one of 2008", old, Inline, ""},
		{"a session's of 2008", old, Session, ""},
		{"trust", trust(`"Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"`), Trust, ""},
		{"trust with tags", trust(`"Principal":{"AWS":["*"]},"Action":["sts:AssumeRole","sts:TagSession"]`), Trust, ""},
		{"trust with a wildcard", trust(`"Principal":{"AWS":"1"},"Action":"sts:Assume*"`), Trust, ""},
		{"trust that is no JSON", `x`, Trust, "This policy contains invalid Json"},
		{"trust with other elements", `{"Statement":[],"X":1}`, Trust, syntax},
		{"trust with a resource", trust(`"Principal":"*","Action":"sts:AssumeRole","Resource":"*"`), Trust, "Has prohibited field Resource."},
		{"trust of nobody", trust(`"Action":"sts:AssumeRole"`), Trust, "Missing required field Principal"},
		{"trust of all but", trust(`"NotPrincipal":{"AWS":"1"},"Action":"sts:AssumeRole"`), Trust, "Missing required field Principal"},
		{"trust about other things", trust(`"Principal":"*","Action":"s3:GetObject"`), Trust, trustOf},
		{"trust about everything", trust(`"Principal":"*","Action":"*"`), Trust, trustOf},
		{"trust about all but", trust(`"Principal":"*","NotAction":"sts:AssumeRole"`), Trust, trustOf},
		{"a resource's", trust(`"Principal":{"AWS":"1","Federated":"x"},"Action":"ecr:*"`), Resource, ""},
		{"a resource's for nobody", trust(`"Action":"ecr:*"`), Resource, "Policy statement must contain principals."},
		{"a resource's for all but", trust(`"NotPrincipal":{"AWS":"1"},"Action":"ecr:*"`), Resource, "Allow with NotPrincipal is not allowed."},
		{"a principal that is no object", trust(`"Principal":"ada","Action":"ecr:*"`), Resource, syntax},
		{"a principal of an unknown type", trust(`"Principal":{"User":"ada"},"Action":"ecr:*"`), Resource, syntax},
	} {
		expect(t, c.name, c.text, c.kind, c.want)
	}
}

func expect(t *testing.T, name, text string, kind Kind, want string) {
	t.Helper()
	_, err := Check(text, kind)
	got := ""
	if err != nil {
		got = err.Error()
		if _, ok := errors.AsType[*Malformed](err); !ok {
			t.Errorf("%s: %T is no *Malformed", name, err)
		}
	}
	if got != want {
		t.Errorf("%s: got %q, want %q\n%s", name, got, want, text)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	text := of(`[ {"Sid":"a","Effect":"Allow","Principal":{"AWS":["*","1"]},"Action":"x:y"} , {"Effect":"Deny","NotAction":["x:y"],"NotResource":"*","Condition":{"Bool":{"a:b":true}}}]`)
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	one, two := d.Statements[0], d.Statements[1]
	if text[one.Start] != '{' || text[one.End-1] != '}' || !strings.HasPrefix(text[one.Start:one.End], `{"Sid":"a"`) || !strings.HasSuffix(text[:two.End], `true}}}`) {
		t.Errorf("the statements are at %q and %q", text[one.Start:one.End], text[two.Start:two.End])
	}
	if p := one.Principals; !p.Everybody || len(p.AWS) != 1 || !one.AnyResource {
		t.Errorf("got %+v, principals %+v", one, p)
	}
	if !two.NotAction || !two.NotResource || two.AnyResource || two.Conditions[0].Values[0] != "true" {
		t.Errorf("got %+v", two)
	}
}

// FuzzCheck holds Check to what it promises for any text: an error is a
// *Malformed, and statements stand where they say.
func FuzzCheck(f *testing.F) {
	for _, text := range []string{on(`"*"`), of(`[]`), `{`, `{"Version":"2008-10-17","Statement":[{"Sid":"a","Effect":"Deny","NotAction":["a:b"],"NotResource":["arn:aws:s3:::x"],"Condition":{"Null":{"a:b":true}}}]}`, of(`{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":"sts:AssumeRole"}`)} {
		f.Add(text, int(Inline))
	}
	f.Fuzz(func(t *testing.T, text string, kind int) {
		d, err := Check(text, Kind(kind))
		if err != nil {
			if _, ok := errors.AsType[*Malformed](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		for _, s := range d.Statements {
			if text[s.Start] != '{' || text[s.End-1] != '}' {
				t.Fatalf("a statement from %d to %d of %q", s.Start, s.End, text)
			}
		}
	})
}
