package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("rolls back", s.testRollsBack)
	t.Run("stop", s.testStopDeployment)
	t.Run("protection", s.testProtectedTask)
}

// guarded turns on the circuit breaker and its rollback.
func guarded(in *ecs.CreateServiceInput) {
	in.DeploymentConfiguration = &types.DeploymentConfiguration{DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true}}
}

// deploying is the ARN of the service's current deployment, and query of it as
// the CLI prints it.
func (s *stage) deploying(t *testing.T, service, query string) (arn, said string) {
	t.Helper()
	arn = strings.TrimSpace(s.aws(t, "ecs", "describe-services", "--services", service, "--query", "services[0].currentServiceDeployment", "--output", "text"))
	said = s.aws(t, "ecs", "describe-service-deployments", "--service-deployment-arns", arn, "--query", "serviceDeployments[0]."+query, "--output", "text")
	return arn, strings.TrimSpace(said)
}

// Versions that don't work, each in its own way, are rolled back by themselves,
// and no request is lost.
func (s *stage) testRollsBack(t *testing.T) {
	t.Parallel()
	f, _ := s.deployed(t, "guarded", 8371, 1, guarded)
	stop := s.burden(t, f.url("/"))
	for what, edit := range map[string]func(*ecs.RegisterTaskDefinitionInput){
		"image": func(in *ecs.RegisterTaskDefinitionInput) { *in.ContainerDefinitions[0].Image += "-gone" },
		"command": func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].EntryPoint = []string{"/nothing-of-that-name"}
		},
		"crash":  command("exit", "1"),
		"health": environment("HEALTH=500"),
	} {
		s.update(t, "guarded", s.defineProbe(t, "guarded", edit))
		takes(t, 3*time.Minute, what+" is rolled back", func() bool {
			_, status := s.deploying(t, "guarded", "status")
			return status == "ROLLBACK_SUCCESSFUL"
		})
		_, said := s.deploying(t, "guarded", "[statusReason,deploymentCircuitBreaker.status,deploymentCircuitBreaker.failureCount]")
		if said != "Service deployment rolled back because the circuit breaker threshold was exceeded.\tTRIGGERED\t3" {
			t.Errorf("%s: %q", what, said)
		}
		if is := s.described(t, "guarded"); !strings.HasSuffix(*is.TaskDefinition, "guarded:1") || len(is.Deployments) != 1 || is.RunningCount != 1 {
			t.Errorf("%s: %s runs in %d deployments, %d tasks", what, *is.TaskDefinition, len(is.Deployments), is.RunningCount)
		}
	}
	_, revision := s.deploying(t, "guarded", "rollback.serviceRevisionArn")
	image := s.aws(t, "ecs", "describe-service-revisions", "--service-revision-arns", revision, "--query", "serviceRevisions[0].containerImages[0].imageDigest", "--output", "text")
	if !strings.HasPrefix(image, "sha256:") {
		t.Errorf("the revision's image is %q", image)
	}
	s.unlost(t, stop)
}

// A deployment that hangs is stopped by its user.
func (s *stage) testStopDeployment(t *testing.T) {
	t.Parallel()
	s.deploy(t, "hung", s.defineProbe(t, "hung"), "", 1)
	takes(t, time.Minute, "the first deployment succeeds", func() bool {
		_, status := s.deploying(t, "hung", "status")
		return status == "SUCCESSFUL"
	})
	s.update(t, "hung", s.defineProbe(t, "hung", command("exit", "1")))
	takes(t, time.Minute, "a task fails", func() bool { return s.described(t, "hung").Deployments[0].FailedTasks > 0 })
	arn, _ := s.deploying(t, "hung", "status")
	s.aws(t, "ecs", "stop-service-deployment", "--service-deployment-arn", arn)
	takes(t, time.Minute, "it is rolled back", func() bool {
		_, status := s.deploying(t, "hung", "status")
		return status == "ROLLBACK_SUCCESSFUL"
	})
	if is := s.described(t, "hung"); !strings.HasSuffix(*is.TaskDefinition, "hung:1") || is.RunningCount != 1 {
		t.Errorf("%s runs, %d tasks", *is.TaskDefinition, is.RunningCount)
	}
	s.awsRefused(t, "ConflictException", "ROLLBACK_SUCCESSFUL", "ecs", "stop-service-deployment", "--service-deployment-arn", arn)
	n := s.aws(t, "ecs", "list-service-deployments", "--service", "hung", "--status", "SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "--query", "length(serviceDeployments)")
	if strings.TrimSpace(n) != "2" {
		t.Errorf("%s service deployments, want 2", n)
	}
}

// A protected task outlives scale-in, until its protection is taken back.
func (s *stage) testProtectedTask(t *testing.T) {
	t.Parallel()
	s.deploy(t, "kept", s.defineProbe(t, "kept"), "", 2)
	s.stable(t, "kept")
	task := s.tasksOf(t, "kept", types.DesiredStatusRunning)[0]
	s.aws(t, "ecs", "update-task-protection", "--cluster", "default", "--tasks", task, "--protection-enabled", "--expires-in-minutes", "10")
	s.aws(t, "ecs", "update-service", "--service", "kept", "--desired-count", "0")
	const told = "was unable to scale in due to (reason 1 tasks under protection)"
	takes(t, time.Minute, "the service says what it waits for", func() bool {
		for _, e := range s.described(t, "kept").Events {
			if strings.Contains(*e.Message, told) {
				return true
			}
		}
		return false
	})
	if run := s.tasksOf(t, "kept", types.DesiredStatusRunning); fmt.Sprint(run) != fmt.Sprint([]string{task}) {
		t.Errorf("%v run, want %s", run, task)
	}
	s.aws(t, "ecs", "update-task-protection", "--cluster", "default", "--tasks", task, "--no-protection-enabled")
	takes(t, time.Minute, "it goes", func() bool { return len(s.tasksOf(t, "kept", types.DesiredStatusRunning)) == 0 })
}
