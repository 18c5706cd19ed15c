package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/test/definitions"
)

// TestCorpus registers the task definitions of test/definitions with the AWS
// CLI, as people do, and runs some of them with the probe in place of their
// images.
func TestCorpus(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	all := must(definitions.All(s.account))(t)
	t.Run("register", func(t *testing.T) {
		t.Parallel()
		for _, d := range all {
			s.registers(t, d)
		}
	})
	t.Run("run", func(t *testing.T) {
		t.Parallel()
		for name, check := range map[string]func(*testing.T, string, string){
			"migration": s.runsMigration, "traces-adot": s.runsTraces, "init-chain": s.runsChain,
		} {
			i := slices.IndexFunc(all, func(d definitions.Definition) bool { return d.Name == name })
			o := must(all[i].Object())(t)
			s.play(o)
			o["family"] = fmt.Sprint("corpus-run-", o["family"])
			arn := s.aws(t, "ecs", "register-task-definition", "--cli-input-json", asFile(t, o), "--query", "taskDefinition.taskDefinitionArn", "--output", "text")
			task := s.started(t, arn, s.open)
			check(t, task, task[strings.LastIndex(task, "/")+1:])
			s.aws(t, "ecs", "stop-task", "--task", task)
			s.reaches(t, task, "STOPPED")
		}
	})
}

// registers registers a definition, or sees it refused with all that is wrong.
func (s *stage) registers(t *testing.T, d definitions.Definition) {
	t.Helper()
	o := must(d.Object())(t)
	o["family"] = fmt.Sprint("corpus-", o["family"]) // no other test's families begin so
	file := asFile(t, o)
	if len(d.Refusals) == 0 {
		if out := s.aws(t, "ecs", "register-task-definition", "--cli-input-json", file, "--query", "taskDefinition.status", "--output", "text"); out != "ACTIVE" {
			t.Errorf("%s is %s", d.Name, out)
		}
		return
	}
	code, message := s.awsErr(t, "ecs", "register-task-definition", "--cli-input-json", file)
	for _, r := range d.Refusals {
		for _, word := range r.Words {
			if code != "ClientException" || !strings.Contains(message, word) {
				t.Errorf("%s: of %s it isn't said %q: %s: %s", d.Name, strings.Join(r.Path, "."), word, code, message)
			}
		}
	}
}

// play has the probe play the containers of a definition: a small one.
func (s *stage) play(definition object) {
	definition["cpu"], definition["memory"] = "256", "512"
	for _, c := range containers(definition) {
		for _, name := range []string{"cpu", "memory", "memoryReservation", "entryPoint", "environment", "user"} {
			delete(c, name)
		}
		c["image"], c["command"], c["stopTimeout"] = s.image, []any{"do", "put /ok fine", "hold"}, 2
		if h, ok := c["healthCheck"].(object); ok {
			h["command"], h["interval"] = checking(h["command"].([]any)[0].(string)), 5
		}
		switch c["name"] {
		case "migrate":
			c["command"] = []any{"do", "say migrated", "exit 0"}
		case "fetch-index":
			c["command"] = []any{"do", "put /index/words hello", "exit 0"}
		case "search", "tail":
			c["command"] = []any{"do", "cat /var/lib/index/words", "hold"}
		}
	}
}

// checking is the health check of the probe in the form that begins so; the
// probe's image has no shell.
func checking(form string) []any {
	if strings.HasPrefix(form, "CMD") {
		return []any{"CMD", "/probe", "check", "/ok"}
	}
	return []any{"/probe", "check", "/ok"}
}

// become waits until the containers of a task are in these states.
func (s *stage) become(t *testing.T, arn string, want map[string]string) {
	t.Helper()
	waitFor(t, time.Minute, "containers", func() error {
		got := map[string]string{}
		for _, c := range s.task(t, arn).Containers {
			got[*c.Name] = *c.LastStatus
			if c.HealthStatus == types.HealthStatusHealthy {
				got[*c.Name] += " HEALTHY"
			}
			if c.ExitCode != nil {
				got[*c.Name] += fmt.Sprint(" ", *c.ExitCode)
			}
		}
		for name, is := range want {
			if got[name] != is {
				return fmt.Errorf("%s is %s, want %s", name, got[name], is)
			}
		}
		return nil
	})
}

func (s *stage) runsMigration(t *testing.T, arn, id string) {
	s.become(t, arn, map[string]string{"migrate": "STOPPED 0", "shop": "RUNNING HEALTHY"})
	task := s.task(t, arn)
	if m, at := task.Containers[0], task.StartedAt; *m.Name != "migrate" || at == nil {
		t.Errorf("%s came first, the task started at %v", *m.Name, at)
	}
	s.said(t, "/ecs/shop", "migrate/migrate/"+id, "say migrated: migrated")
}

func (s *stage) runsTraces(t *testing.T, arn, id string) {
	s.become(t, arn, map[string]string{"aws-otel-collector": "RUNNING HEALTHY", "nginx": "RUNNING", "aws-otel-emitter": "RUNNING", "statsd-emitter": "RUNNING"})
	s.said(t, "/ecs/statsd-emitter", "ecs/statsd-emitter/"+id, "put /ok fine: done") // its group is made, for "True" is true
}

func (s *stage) runsChain(t *testing.T, arn, _ string) {
	s.become(t, arn, map[string]string{"fetch-index": "STOPPED 0", "cache": "RUNNING HEALTHY", "search": "RUNNING", "tail": "RUNNING"})
	for _, c := range s.task(t, arn).Containers {
		if *c.Name == "tail" && c.ExitCode != nil {
			t.Errorf("tail ended with %d", *c.ExitCode)
		}
	}
}

// said waits until a stream has a line.
func (s *stage) said(t *testing.T, group, stream, line string) {
	t.Helper()
	waitFor(t, 30*time.Second, line, func() error {
		var got []string
		for _, e := range s.events(t, group) {
			if *e.LogStreamName == stream && *e.Message == line {
				return nil
			}
			got = append(got, *e.LogStreamName+": "+*e.Message)
		}
		return fmt.Errorf("not in %s of %s, but %q", stream, group, got)
	})
}
