package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/skylift/skylift/internal/gateway/denial"
)

func TestPrintDenied(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		refusal denial.Refusal
		want    string
	}{
		{
			denial.Refusal{
				Request: "r", At: at, Caller: "arn:aws:iam::1:user/ada", AccessKey: "AKIA", Service: "ecs", Operation: "RunTask", Action: "iam:PassRole", Resource: "arn:aws:iam::1:role/r",
				Effect: "explicitDeny", Type: "permissions boundary", Policies: []string{"arn:p"}, Statement: &denial.Statement{Policy: "arn:p", Sid: "No", Number: 2, Line: 7},
			}, `request r of 2026-01-02T03:04:05Z was denied.
  who:   arn:aws:iam::1:user/ada with the access key AKIA
  what:  ecs:RunTask, which needs iam:PassRole
  on:    arn:aws:iam::1:role/r
  why:   statement 2 (No) of the permissions boundary arn:p, at its line 7, denies it.
`,
		},
		{
			denial.Refusal{Request: "r", At: at, Service: "s3", Operation: "GetObject", Action: "s3:GetObject", Resource: "arn:\x1b[31m", Type: "resource-based policy"},
			`request r of 2026-01-02T03:04:05Z was denied.
  who:   somebody who signed nothing
  what:  s3:GetObject
  on:    arn:�[31m
  why:   no resource-based policy allows it.
         There is none.
`,
		},
		{
			denial.Refusal{Request: "r", At: at, Caller: "c", Service: "s3", Operation: "GetObject", Action: "s3:GetObject", Resource: "*", Type: "identity-based policy", Policies: []string{"a", "b"}},
			`request r of 2026-01-02T03:04:05Z was denied.
  who:   c
  what:  s3:GetObject
  on:    *
  why:   no identity-based policy allows it.
         Asked: a, b
`,
		},
	} {
		var out strings.Builder
		if err := printDenied(&out, tt.refusal); err != nil || out.String() != tt.want {
			t.Errorf("got %v\n%s\nwant\n%s", err, out.String(), tt.want)
		}
	}
}

// A word behind why is what it asks of, unless it is denied.
func TestWhyWhat(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"why web": "web", "why web -c blue": "web blue", "why -c blue web": "web blue", "why of denied": "denied", "why denied abc": "?abc", "why denied abc -o json": "?abc",
	} {
		var cmds commands
		parser, err := kong.New(&cmds, kong.Vars{"data_dir": "/d"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(strings.Fields(line)); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got := strings.TrimSpace(strings.Join(cmds.Why.Of.Words, " ") + " " + cmds.Why.Of.Cluster)
		if cmds.Why.Denied.Request != "" {
			got = "?" + cmds.Why.Denied.Request
		}
		if got != want {
			t.Errorf("%s: asks of %q, want %q", line, got, want)
		}
	}
}
