package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestStart has an instance live through an ordinary day: started, used,
// ended, started again.
func TestStart(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/livez", "/readyz"} {
		if err := s.probe(path); err != nil {
			t.Error(err)
		}
	}
	if got := s.aws(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"); !strings.HasSuffix(got, ":root") {
		t.Errorf("caller is %s", got)
	}
	s.site(t, "shop", 2)
	before := s.tasks(t)

	if took := s.term(t); took > 10*time.Second {
		t.Errorf("took %v to end", took)
	}
	if n, want := len(s.containers(t)), 2*(1+s.behind().sandboxes()); n != want {
		t.Errorf("%d containers run without Skylift, want %d", n, want)
	}
	s.restart(t)
	s.answers(t, "shop.test", "site=shop version=1")
	s.stable(t, "shop")
	sameTasks(t, before, s.tasks(t))
}

// TestDown stops everything, and has it come back when nothing was purged.
func TestDown(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 1)
	before := s.tasks(t)

	s.run(t, "down", "--yes", "--data-dir", s.dir)
	if s.runs() {
		t.Fatal("Skylift runs after skylift down")
	}
	if left := s.containers(t); len(left) > 0 {
		t.Errorf("containers left: %v", left)
	}
	s.restart(t)
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=1")
	if after := s.tasks(t); len(after) != 1 || after[0] == before[0] {
		t.Errorf("tasks before %v, after %v", before, after)
	}
	// Purged at the end of the test while it runs, as TestStart's is.
}

// TestPurgedWhenDown purges an instance that doesn't run, with tasks that do.
func TestPurgedWhenDown(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 1)
	id := s.id()
	s.kill9(t)
	if len(s.containers(t)) == 0 {
		t.Fatal("no containers to purge")
	}
	s.run(t, "down", "--purge", "--yes", "--data-dir", s.dir)
	if err := s.left(id); err != nil {
		t.Error(err)
	}
	if err := s.removeImages(); err != nil {
		t.Error(err)
	}
}

// TestPurgedWhenUp purges an instance under its feet, twice.
func TestPurgedWhenUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 1)
	id := s.id()
	s.run(t, "down", "--purge", "--yes", "--data-dir", s.dir)
	if err := s.left(id); err != nil {
		t.Error(err)
	}
	if err := s.removeImages(); err != nil {
		t.Error(err)
	}
	if code, said := s.fails(t, "down", "--purge", "--yes", "--data-dir", s.dir); code != 1 || !strings.Contains(said, "no Skylift has run") {
		t.Errorf("down again: %d %s", code, said)
	}
}

// TestCommands holds the other subcommands to what people and scripts read.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 2)
	version := strings.TrimSpace(s.run(t, "version"))
	if !regexp.MustCompile(`^skylift \d+\.\d+\.\d+`).MatchString(version) {
		t.Errorf("version: %q", version)
	}
	var v struct{ Version string }
	if err := json.Unmarshal([]byte(s.run(t, "version", "-o", "json")), &v); err != nil || "skylift "+v.Version != version {
		t.Errorf("version as JSON: %v, %v; as text %s", v, err, version)
	}
	for k, v := range s.access {
		if line := "export " + k + "=" + v + "\n"; !strings.Contains(s.run(t, "env", "--data-dir", s.dir), line) {
			t.Errorf("env does not say %s", line)
		}
	}
	checkStatus(t, s)
	checkProfile(t, s)
}

func checkStatus(t *testing.T, s *skylift) {
	t.Helper()
	text := s.run(t, "status", "--data-dir", s.dir)
	for _, want := range []string{`SERVICE +DESIRED +RUNNING`, `shop +2 +2 +0 +COMPLETED +shop:1`, `front +http://front-\d+\.us-west-2\.elb\.localhost/ +shop\.test`, `shop +2/2`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("status has no %q:\n%s", want, text)
		}
	}
	r := s.status(t)
	if len(r.Clusters) != 1 || len(r.Clusters[0].Services) != 1 {
		t.Fatalf("status: %+v", r)
	}
	if svc := r.Clusters[0].Services[0]; svc.Running != 2 || svc.Rollout != "COMPLETED" || svc.TaskDefinition != "shop:1" {
		t.Errorf("service in status: %+v", svc)
	}
	if tg := r.TargetGroups[0]; tg.Healthy != 2 || tg.Total != 2 || len(r.Findings)+len(r.Problems) != 0 {
		t.Errorf("status: %+v", r)
	}
}

// checkProfile uses the profile that `skylift env --profile` writes.
func checkProfile(t *testing.T, s *skylift) {
	t.Helper()
	home := t.TempDir()
	cmd := s.command("env", "--data-dir", s.dir, "--profile", "here")
	cmd.Env = append(cmd.Env, "HOME="+home, "AWS_CONFIG_FILE=", "AWS_SHARED_CREDENTIALS_FILE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("env --profile: %v\n%s", err, out)
	}
	cli := exec.Command("aws", "--profile", "here", "ecs", "list-services", "--query", "serviceArns", "--output", "text")
	cli.Env = append(cmd.Environ(), "AWS_CONFIG_FILE="+filepath.Join(home, ".aws/config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, ".aws/credentials"))
	cli.Env = append(cli.Env, "HOME="+mustHome(t))
	if out, err := cli.CombinedOutput(); err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "service/default/shop") {
		t.Errorf("aws --profile here: %v\n%s", err, out)
	}
}
