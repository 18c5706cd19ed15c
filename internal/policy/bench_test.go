package policy_test

import (
	"testing"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/policy/managed"
)

// BenchmarkDecide decides with ten of AWS's managed policies attached, among them the
// longest: the call that the last of them allows, one that none does, and one that is
// held against a condition.
func BenchmarkDecide(b *testing.B) {
	attached := map[string]bool{
		"ReadOnlyAccess": true, "SecurityAudit": true, "NetworkAdministrator": true, "AmazonEC2FullAccess": true, "AmazonSSMFullAccess": true, "AmazonECS_FullAccess": true,
		"CloudWatchFullAccessV2": true, "AmazonVPCFullAccess": true, "ViewOnlyAccess": true, "AmazonECSTaskExecutionRolePolicy": true,
	}
	var p policy.Policies
	for _, m := range managed.All() {
		if !attached[m.Name] {
			continue
		}
		d, err := document.Parse(m.Document)
		if err != nil {
			b.Fatal(err)
		}
		one, err := policy.Compile(policy.Name{ARN: m.ARN}, d, nil)
		if err != nil {
			b.Fatal(err)
		}
		p.Identity = append(p.Identity, one)
	}
	if len(p.Identity) != len(attached) {
		b.Fatalf("%d policies", len(p.Identity))
	}
	caller := policy.Principal{Type: policy.RoleSession, Account: home, ARN: oneS, Entity: webs, EntityID: "AROA", UserID: "AROA:one"}
	for _, c := range []struct {
		action, resource string
		want             policy.Effect
	}{
		{"ecs:UpdateService", "arn:aws:ecs:us-west-2:123456789012:service/web/web", policy.Allowed},
		{"logs:PutLogEvents", "arn:aws:logs:us-west-2:123456789012:log-group:web:log-stream:one", policy.Allowed},
		{"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf", policy.ImplicitDeny},
		{"iam:PassRole", webs, policy.ImplicitDeny},
	} {
		b.Run(c.action, func(b *testing.B) {
			call := policy.Call{Caller: caller, Action: c.action, Resource: c.resource, Keys: caller.Keys()}
			call.Keys.Set("iam:PassedToService", "ecs.amazonaws.com")
			b.ReportAllocs()
			for b.Loop() {
				if got := policy.Decide(call, p); got.Effect != c.want {
					b.Fatalf("got %v by %v, want %v", got.Effect, got.By, c.want)
				}
			}
		})
	}
}
