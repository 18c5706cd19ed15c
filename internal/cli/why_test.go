package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/projection/why"
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
	if err := printWhy(&out, r); err != nil || out.String() != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out.String(), want)
	}
}
