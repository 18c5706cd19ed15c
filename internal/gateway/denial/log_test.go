package denial

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
)

// The log keeps the last refusals, within its bound, over restarts and a line that a crash cut off.
func TestLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.max = 4 << 10
	const many = 200
	for i := range many {
		if err := l.Add(Refusal{Request: fmt.Sprintf("request-%03d", i), Resource: strings.Repeat("x", 100)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.file.WriteString(`{"request":"request-199","resou`); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Add(Refusal{Request: "after"}); err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]bool{"request-000": false, "request-199": true, "request-180": true, "after": true, "": false, "request": false} {
		r, ok, err := l.Find(request)
		if err != nil || ok != want || ok && r.Request != request {
			t.Errorf("%q: got %+v, %v, %v, want %v", request, r, ok, err, want)
		}
	}
	total := int64(0)
	for _, name := range []string{l.newer(), l.older()} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
	}
	if most := int64(9 << 10); total > most {
		t.Errorf("%d refusals fill %d bytes, more than %d", many, total, most)
	}
}

// A refusal names the statement that denied, or the policies that didn't allow.
func TestRefused(t *testing.T) {
	t.Parallel()
	compiled := func(name policy.Name, text string) *policy.Policy {
		d, err := document.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Compile(name, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	allow := compiled(policy.Name{Name: "inline"}, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecs:List*","Resource":"*"}}`)
	deny := compiled(policy.Name{ARN: "arn:aws:iam::123456789012:policy/guard"}, "{\"Version\":\"2012-10-17\",\"Statement\":[\n"+`{"Effect":"Allow","Action":"*","Resource":"*"},`+"\n"+`{"Sid":"No","Effect":"Deny","Action":"ecs:Delete*","Resource":"*"}]}`)
	call := policy.Call{Caller: policy.Principal{Type: policy.User, Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/ada"}, Action: "ecs:DeleteCluster", Resource: strings.Repeat("é", longest)}
	const arn = "arn:aws:iam::123456789012:policy/guard"
	by := &Statement{Policy: arn, Sid: "No", Number: 2, Line: 3}
	for _, tt := range []struct {
		policies policy.Policies
		by       string
		want     Refusal
	}{
		{
			policy.Policies{Identity: []*policy.Policy{allow}, Boundary: deny}, "statement 2 (No) of policy " + arn,
			Refusal{Effect: "explicitDeny", Type: "permissions boundary", Statement: by, Policies: []string{arn}},
		},
		{
			policy.Policies{Identity: []*policy.Policy{allow}}, "no statement",
			Refusal{Effect: "implicitDeny", Type: "identity-based policy", Policies: []string{"inline"}},
		},
		{
			policy.Policies{Own: policy.KeyOwn}, "no statement",
			Refusal{Effect: "implicitDeny", Type: "resource-based policy", Policies: []string{}},
		},
	} {
		got := Refused(call, tt.policies, policy.Decide(call, tt.policies))
		if got.By() != tt.by || len(got.Resource) > longest {
			t.Errorf("by %s on %d bytes, want %s", got.By(), len(got.Resource), tt.by)
		}
		if diff := cmp.Diff(tt.want, *got, cmpopts.IgnoreUnexported(Refusal{}), cmpopts.IgnoreFields(Refusal{}, "Caller", "Action", "Resource")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
