package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/projection/why"
	"github.com/skylift/skylift/internal/projection/why/finding"
)

func TestPrintWhy(t *testing.T) {
	t.Parallel()
	stopped := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := why.Report{
		Service: &why.Service{Cluster: "default", Name: "web", Status: "ACTIVE", Rollout: "FAILED", Reason: "tasks failed to start.", Events: []string{"2026-01-02T03:04:05Z (service web) failed"}},
		Tasks: []why.Task{{
			ID: "t1", Cluster: "default", Group: "service:web", TaskDefinition: "web:3", Status: "STOPPED", StopCode: "EssentialContainerExited",
			Reason: "Essential container in task exited", StoppedAt: &stopped, ProcessLimit: 1024,
			Containers: []why.Container{
				{Name: "web", Image: "web:1", Status: "STOPPED", ExitCode: aws.Int32(137), Reason: "OutOfMemoryError", Restarts: 2, Health: "UNHEALTHY", HealthLog: "refused\n", Lines: []string{"one", "\x1b[31mred"}},
				{Name: "side", Image: "side:1", Status: "STOPPED"},
			},
		}},
	}
	want := `service web in cluster default: ACTIVE, deployment FAILED
  tasks failed to start.
  2026-01-02T03:04:05Z (service web) failed

task t1 of web:3 (service:web, cluster default): STOPPED since 2026-01-02T03:04:05Z
  EssentialContainerExited: Essential container in task exited
  it could not start a process or a thread: it had the 1024 that it may have

  container web (web:1): STOPPED, exit code 137, started again 2 times, UNHEALTHY
    OutOfMemoryError
    its last health check said:
      refused
    its last output:
      one
      �[31mred

  container side (side:1): STOPPED
`
	var out strings.Builder
	if printDetails(&out, r); out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestWhyQuery(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"":                        "cluster=",
		"web":                     "cluster=&of=web",
		"web can't reach db 5432": "cluster=&of=web&port=5432&to=db",
		"web reach internet":      "cluster=&of=web&to=internet",
		"web db":                  "",
		"web can't reach":         "",
		"a b reach c":             "",
		"a reach b 1 2":           "",
	} {
		q, err := whyCmd{Words: strings.Fields(words)}.query()
		if got := q.Encode(); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v, want %q", words, got, err, want)
		}
	}
}

func TestPrintAnswer(t *testing.T) {
	t.Parallel()
	a := why.Answer{
		Thing: "service web in cluster default",
		Findings: []finding.Finding{{
			Check: "check-redirected", Level: finding.Down, Possible: true, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Cause: "the check gets a 302",
			Evidence: []finding.Evidence{{What: "health check", Says: "GET / → 302\nLocation: \x1b[31m/login"}},
			Mend:     []finding.Mend{finding.Do("take it", finding.NewCall("elbv2", "ModifyTargetGroup", "TargetGroupArn", "tg")), finding.Change("or check another path")},
		}},
		Unknown: []string{"the connections of task 1"},
	}
	want := `service web in cluster default

the check gets a 302 [down, possible, check-redirected]
  since 2026-01-02T03:04:05Z
  health check: GET / → 302
      Location: �[31m/login
  → take it:
      aws elbv2 modify-target-group --target-group-arn tg
  → or check another path

not known: the connections of task 1
`
	var out strings.Builder
	if err := printAnswer(&out, a); err != nil || out.String() != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out.String(), want)
	}
	out.Reset()
	if err := printAnswer(&out, why.Answer{Looked: []string{"the disk"}}); err != nil || !strings.Contains(out.String(), "nothing is wrong") || !strings.Contains(out.String(), "  the disk\n") {
		t.Errorf("got %v\n%s", err, out.String())
	}
}
