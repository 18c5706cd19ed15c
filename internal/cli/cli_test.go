package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/daemon"
	"github.com/skylift/skylift/internal/projection/status"
	"github.com/skylift/skylift/internal/projection/why/finding"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		code int
		want string // in what is written
	}{
		{[]string{"version"}, 0, "skylift " + Version},
		{[]string{"version", "-o", "json"}, 0, `"version": "` + Version + `"`},
		{[]string{"--help"}, 0, "Usage: skylift <command>"},
		{nil, 2, "expected one of"},
		{[]string{"serve", "--bogus"}, 2, "unknown flag --bogus"},
		{[]string{"serve", "--vpc-cidr", "x"}, 2, `--vpc-cidr "x" must be an IPv4 range`},
		{[]string{"serve", "--lb-address", "here"}, 2, `--lb-address "here" must be an IPv4 address`},
		{[]string{"serve", "--log-level", "loud"}, 2, "--log-level must be one of"},
		{[]string{"env", "--data-dir", "/nowhere"}, 1, "no Skylift has run with data directory /nowhere"},
		{[]string{"status", "--data-dir", "/nowhere"}, 1, "no Skylift has run with data directory /nowhere"},
		{[]string{"down", "--yes", "--data-dir", "/nowhere"}, 1, "no Skylift has run with data directory /nowhere"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var out bytes.Buffer
			if code := Main(tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
				t.Errorf("exit %d, want %d; output, which should hold %q:\n%s", code, tt.code, tt.want, &out)
			}
		})
	}
}

func TestProfileKeepsTheRest(t *testing.T) {
	dir := t.TempDir()
	config, credentials := filepath.Join(dir, "config"), filepath.Join(dir, "credentials")
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentials)
	if err := os.WriteFile(config, []byte("[profile work]\nregion = eu-west-1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := access{Endpoint: "http://127.0.0.1:4566", AccessKeyID: "AKIA", SecretAccessKey: "secret", Region: "us-west-2"}
	var out bytes.Buffer
	for range 2 {
		if err := a.writeProfile(&out, "sky"); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := os.ReadFile(config)
	if s := string(b); strings.Count(s, "[profile sky]") != 1 || !strings.Contains(s, "eu-west-1") || !strings.Contains(s, "http://127.0.0.1:4566") {
		t.Errorf("config:\n%s", s)
	}
	b, _ = os.ReadFile(credentials)
	if s := string(b); !strings.Contains(s, "[sky]") || !strings.Contains(s, "secret") {
		t.Errorf("credentials:\n%s", s)
	}
	if i, err := os.Stat(credentials); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("credentials can be read by others: %v %v", i.Mode(), err)
	}
	if strings.Contains(out.String(), "secret") {
		t.Error("the secret is printed")
	}
}

func TestPrintStatus(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := printStatus(&out, daemon.Status{Report: status.Report{
		Account: "111122223333", Region: "us-west-2",
		Problems: []string{"the disk is nearly full"},
		Capacity: status.Capacity{
			Total: status.Size{Memory: 3584, VCPU: 8}, Reserved: status.Size{Memory: 1024, VCPU: 0.5},
			Waiting: []status.Waiting{{Service: "default/shop", Tasks: 2, Each: status.Size{Memory: 4096, VCPU: 1}}},
		},
		Clusters: []status.Cluster{{Name: "default", Tasks: 2, Services: []status.Service{
			{Name: "shop", Status: "ACTIVE", Desired: 2, Running: 1, Pending: 1, Rollout: "IN_PROGRESS", TaskDefinition: "shop:3", LastFailure: "exit code 3"},
		}}},
		LoadBalancers: []status.LoadBalancer{{Name: "demo", URLs: []string{"http://demo.elb.localhost/"}}},
		TargetGroups:  []status.TargetGroup{{Name: "shop", Healthy: 1, Total: 2, Targets: []status.Target{{Address: "10.0.0.1:80", State: "unhealthy", Description: "Health checks failed with these codes: [302]"}}}},
	}, Findings: []finding.Finding{{Cause: "load balancer demo can't reach shop", Mend: []finding.Mend{finding.Run("", "aws ec2 authorize…")}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"PROBLEM  the disk is nearly full",
		"CAPACITY  1024 of 3584 MiB and 0.5 of 8 vCPU are reserved\n  default/shop waits for room: 2 tasks of 4096 MiB and 1 vCPU\n",
		"WRONG  load balancer demo can't reach shop\n  mend it:  aws ec2 authorize…",
		"shop     2        1        1        IN_PROGRESS  shop:3",
		"shop: its last failed task: exit code 3",
		"demo           http://demo.elb.localhost/  -",
		"shop          1/2      10.0.0.1:80 unhealthy (Health checks failed with these codes: [302])",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
}
