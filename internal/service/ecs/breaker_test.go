package ecs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/service/ecs/history"
)

// script has images that don't work, by their names.
var script = fake.Config{
	Pull: func(ref string) fake.Pull {
		if strings.Contains(ref, "missing") {
			return fake.Pull{Err: &engine.PullError{Reason: "manifest unknown"}}
		}
		return fake.Pull{}
	},
	Behave: func(c engine.Container) fake.Behaviour {
		switch {
		case strings.Contains(c.Image, "nocommand"):
			return fake.Behaviour{StartError: "exec: no such file"}
		case strings.Contains(c.Image, "crash"):
			return fake.Behaviour{Exits: true, ExitAfter: time.Second, ExitCode: 1}
		}
		return fake.Behaviour{}
	},
}

// image has the definition run that image.
func image(name string) func(*sdk.RegisterTaskDefinitionInput) {
	return func(in *sdk.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].Image = aws.String("example.test/" + name)
	}
}

// breaker turns on the deployment circuit breaker.
func breaker(rollback bool) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) {
		in.DeploymentConfiguration = &types.DeploymentConfiguration{
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: rollback},
		}
	}
}

// TestBreakerRollsBack brings versions that don't work, each in its own way.
// Each is given up and the service goes back to what ran, which never went away.
func TestBreakerRollsBack(t *testing.T) {
	for _, name := range []string{"missing", "nocommand", "crash"} {
		t.Run(name, func(t *testing.T) {
			ecstest.Play(t, script, func(w *ecstest.World) {
				good := w.Define()
				w.Service(2, breaker(true))
				w.After(ecstest.Sec(20))
				first := w.Describe()
				old := w.Tasks(types.DesiredStatusRunning)
				bad := w.Define(image(name))
				w.Update(&sdk.UpdateServiceInput{TaskDefinition: &bad})
				w.After(2 * time.Minute)
				s, d := w.Describe(), w.Current()
				if *s.TaskDefinition != good || len(s.Deployments) != 1 || *s.Deployments[0].Id != *first.Deployments[0].Id || s.RunningCount != 2 {
					t.Errorf("after the rollback: %s runs in %d deployments, %d tasks", *s.TaskDefinition, len(s.Deployments), s.RunningCount)
				}
				if now := w.Tasks(types.DesiredStatusRunning); !slices.EqualFunc(now, old, func(a, b types.Task) bool { return *a.TaskArn == *b.TaskArn }) {
					t.Error("the tasks that ran before were replaced")
				}
				if d.Status != types.ServiceDeploymentStatusRollbackSuccessful || d.Rollback == nil || d.FinishedAt == nil ||
					*d.Rollback.ServiceRevisionArn != *first.CurrentServiceRevisions[0].Arn ||
					*d.StatusReason != "Service deployment rolled back because the circuit breaker threshold was exceeded." {
					t.Errorf("the service deployment: %+v", d)
				}
				if b := d.DeploymentCircuitBreaker; b.Status != types.ServiceDeploymentRollbackMonitorsStatusTriggered || b.FailureCount < 3 || b.Threshold != 3 {
					t.Errorf("the circuit breaker: %+v", b)
				}
				for _, e := range []string{"deployment failed: tasks failed to start.", "rolling back to deployment " + *first.Deployments[0].Id + "."} {
					if n := w.Heard(e); n != 1 {
						t.Errorf("told %d times: %s", n, e)
					}
				}
			})
		})
	}
}

// TestBreakerWithoutRollback stops starting tasks, and leaves the old ones.
func TestBreakerWithoutRollback(t *testing.T) {
	ecstest.Play(t, script, func(w *ecstest.World) {
		w.Define()
		w.Service(2, breaker(false))
		w.After(ecstest.Sec(20))
		bad := w.Define(image("missing"))
		w.Update(&sdk.UpdateServiceInput{TaskDefinition: &bad})
		w.After(time.Minute)
		tried := len(w.Tasks(types.DesiredStatusStopped))
		w.After(time.Hour)
		s, d := w.Describe(), w.Current()
		if p := s.Deployments[0]; len(s.Deployments) != 2 || *p.TaskDefinition != bad || p.RolloutState != types.DeploymentRolloutStateFailed ||
			*p.RolloutStateReason != "ECS deployment circuit breaker: tasks failed to start." {
			t.Errorf("the deployment: %+v", s.Deployments)
		}
		if s.RunningCount != 2 || len(w.Tasks(types.DesiredStatusStopped)) != tried {
			t.Errorf("%d run; %d were tried, %d an hour later", s.RunningCount, tried, len(w.Tasks(types.DesiredStatusStopped)))
		}
		if d.Status != types.ServiceDeploymentStatusStopped || d.StoppedAt == nil || d.Rollback != nil {
			t.Errorf("the service deployment: %+v", d)
		}
		w.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(w.Define())})
		w.After(time.Minute)
		if s := w.Describe(); len(s.Deployments) != 1 || s.RunningCount != 2 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
			t.Errorf("after a version that works: %+v", s.Deployments)
		}
	})
}

// TestBreakerWithNothingToGoBackTo: a first deployment that fails stays there.
func TestBreakerWithNothingToGoBackTo(t *testing.T) {
	ecstest.Play(t, script, func(w *ecstest.World) {
		w.Define(image("crash"))
		w.Service(1, breaker(true))
		w.After(10 * time.Minute)
		s, d := w.Describe(), w.Current()
		if d.Status != types.ServiceDeploymentStatusRollbackFailed || *d.StatusReason != "No rollback candidate was found to run the rollback." {
			t.Errorf("the service deployment: %+v", d)
		}
		if s.Deployments[0].RolloutState != types.DeploymentRolloutStateFailed || len(w.Tasks(types.DesiredStatusStopped)) != 3 {
			t.Errorf("%s after %d tasks", s.Deployments[0].RolloutState, len(w.Tasks(types.DesiredStatusStopped)))
		}
	})
}

// TestStopServiceDeployment ends deployments that hang.
func TestStopServiceDeployment(t *testing.T) {
	tests := []struct {
		stop             types.StopServiceDeploymentStopType
		asked, at        types.ServiceDeploymentStatus
		runs, deployment int // which revision is primary at the end, and how many deployments there are
	}{
		{"", types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackSuccessful, 1, 1},
		{types.StopServiceDeploymentStopTypeRollback, types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackSuccessful, 1, 1},
		{types.StopServiceDeploymentStopTypeAbort, types.ServiceDeploymentStatusStopRequested, types.ServiceDeploymentStatusStopped, 2, 2},
	}
	for _, tt := range tests {
		t.Run(string(tt.stop), func(t *testing.T) {
			ecstest.Play(t, script, func(w *ecstest.World) {
				definitions := []string{w.Define(), w.Define(image("missing"))}
				w.Service(2, func(in *sdk.CreateServiceInput) { in.TaskDefinition = &definitions[0] })
				w.After(ecstest.Sec(20))
				w.Update(&sdk.UpdateServiceInput{TaskDefinition: &definitions[1]})
				w.After(10 * time.Minute)
				d := w.Current()
				if d.Status != types.ServiceDeploymentStatusInProgress {
					t.Fatalf("before: %s", d.Status)
				}
				in := &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: d.ServiceDeploymentArn, StopType: tt.stop}
				w.Halt()
				if _, err := w.API.StopServiceDeployment(w.T.Context(), in); err != nil {
					t.Fatal(err)
				}
				if d := w.Current(); d.Status != tt.asked {
					t.Errorf("asked: %s, want %s", d.Status, tt.asked)
				}
				w.Start()
				w.After(time.Minute)
				d, s := w.Current(), w.Describe()
				if d.Status != tt.at || *s.TaskDefinition != definitions[tt.runs-1] || len(s.Deployments) != tt.deployment || s.RunningCount != 2 {
					t.Errorf("at the end: %s; %s runs in %d deployments, %d tasks", d.Status, *s.TaskDefinition, len(s.Deployments), s.RunningCount)
				}
				_, err := w.API.StopServiceDeployment(w.T.Context(), in)
				wantError(t, err, "ConflictException", string(tt.at))
				gone := strings.Replace(*d.ServiceDeploymentArn, "/web/", "/other/", 1)
				_, err = w.API.StopServiceDeployment(w.T.Context(), &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: &gone})
				wantError(t, err, "ServiceDeploymentNotFoundException", "not found")
			})
		})
	}
}

// TestServiceDeploymentHistory lists what a service has been through.
func TestServiceDeploymentHistory(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		w.After(ecstest.Sec(20))
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true}) // superseded before it is done
		w.After(100 * time.Millisecond)
		w.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(w.Define())})
		w.After(time.Minute)
		list := func(in sdk.ListServiceDeploymentsInput) *sdk.ListServiceDeploymentsOutput {
			in.Service = aws.String("web")
			out, err := w.API.ListServiceDeployments(w.T.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		var got []types.ServiceDeploymentStatus
		for in := (sdk.ListServiceDeploymentsInput{MaxResults: aws.Int32(2)}); ; {
			out := list(in)
			for _, d := range out.ServiceDeployments {
				got = append(got, d.Status)
			}
			if in.NextToken = out.NextToken; out.NextToken == nil {
				break
			}
		}
		want := []types.ServiceDeploymentStatus{types.ServiceDeploymentStatusSuccessful, types.ServiceDeploymentStatusStopped, types.ServiceDeploymentStatusSuccessful}
		if !slices.Equal(got, want) {
			t.Errorf("history %v, want %v", got, want)
		}
		if n := len(list(sdk.ListServiceDeploymentsInput{Status: []types.ServiceDeploymentStatus{types.ServiceDeploymentStatusStopped}}).ServiceDeployments); n != 1 {
			t.Errorf("%d are STOPPED, want 1", n)
		}
		if n := len(list(sdk.ListServiceDeploymentsInput{CreatedAt: &types.CreatedAt{After: aws.Time(time.Now().Add(-65 * time.Second))}}).ServiceDeployments); n != 2 {
			t.Errorf("%d were made in the last minute, want 2", n)
		}
		d := w.Current()
		revisions, err := w.API.DescribeServiceRevisions(w.T.Context(), &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{*d.TargetServiceRevision.Arn, *d.TargetServiceRevision.Arn + "1"}})
		if err != nil || len(revisions.ServiceRevisions) != 1 || len(revisions.Failures) != 1 {
			t.Fatalf("describe revisions: %v %+v", err, revisions)
		}
		r := revisions.ServiceRevisions[0]
		if c := r.ContainerImages; *r.TaskDefinition != *w.Describe().TaskDefinition || len(c) != 1 || !strings.HasPrefix(*c[0].ImageDigest, "sha256:") {
			t.Errorf("the revision: %+v", r)
		}
		if d.TargetServiceRevision.RequestedTaskCount != 1 || d.TargetServiceRevision.RunningTaskCount != 1 || len(d.SourceServiceRevisions) != 2 {
			t.Errorf("its service deployment: %+v from %+v", d.TargetServiceRevision, d.SourceServiceRevisions)
		}
		if _, err := w.API.DeleteService(w.T.Context(), &sdk.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		w.After(time.Minute)
		out, err := w.API.DescribeServiceDeployments(w.T.Context(), &sdk.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*d.ServiceDeploymentArn}})
		if err != nil || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
			t.Errorf("after the service was deleted: %v %+v", err, out)
		}
	})
}

// TestHistoryIsBounded keeps the newest 100 service deployments, for 90 days,
// and the revisions that they tell of.
func TestHistoryIsBounded(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		for range 120 {
			w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
			w.After(ecstest.Sec(1))
		}
		w.After(time.Minute)
		in := &sdk.ListServiceDeploymentsInput{Service: aws.String("web"), MaxResults: aws.Int32(100)}
		out, err := w.API.ListServiceDeployments(w.T.Context(), in)
		if err != nil || len(out.ServiceDeployments) != 100 || out.NextToken != nil {
			t.Errorf("%d are kept: %v", len(out.ServiceDeployments), err)
		}
		for more := true; more; {
			if more, err = history.Prune(w.T.Context(), w.DB, "default/web", time.Now().Add(91*24*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if out, err = w.API.ListServiceDeployments(w.T.Context(), in); err != nil || len(out.ServiceDeployments) != 1 {
			t.Errorf("after 90 days %d are kept, want the current one: %v", len(out.ServiceDeployments), err)
		}
	})
}

// TestBreakerAndTheMachine: a container engine that restarts, or is cleared, in
// the middle of a deployment says nothing of the version that is deployed.
func TestBreakerAndTheMachine(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(4, ecstest.Balanced, breaker(true))
		w.After(ecstest.Sec(20))
		good := w.Define()
		w.Update(&sdk.UpdateServiceInput{TaskDefinition: &good})
		for range 4 {
			w.After(1500 * time.Millisecond)
			w.Engine.Restart()
		}
		w.After(5 * time.Minute)
		if s, d := w.Describe(), w.Current(); d.Status != types.ServiceDeploymentStatusSuccessful || *s.TaskDefinition != good || s.RunningCount != 4 {
			t.Errorf("%s, %d tasks of %s", d.Status, s.RunningCount, *s.TaskDefinition)
		}
	})
}

// TestProtection: neither scale-in nor a deployment stops a protected task
// before its protection is over, and the service says what it waits for.
func TestProtection(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2)
		w.After(ecstest.Sec(20))
		kept := w.Tasks(types.DesiredStatusRunning)[0].TaskArn
		protect := func(on bool) {
			in := &sdk.UpdateTaskProtectionInput{Cluster: aws.String("default"), Tasks: []string{*kept}, ProtectionEnabled: on}
			if on {
				in.ExpiresInMinutes = aws.Int32(10)
			}
			if out, err := w.API.UpdateTaskProtection(w.T.Context(), in); err != nil || len(out.Failures) > 0 {
				t.Fatal(err, out)
			}
		}
		runs := func() bool {
			return slices.ContainsFunc(w.Tasks(types.DesiredStatusRunning), func(t types.Task) bool { return *t.TaskArn == *kept })
		}
		const told = "was unable to scale in due to (reason 1 tasks under protection)"
		protect(true)
		w.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(0)})
		w.After(time.Minute)
		if n := len(w.Tasks(types.DesiredStatusRunning)); n != 1 || !runs() || w.Heard(told) != 1 {
			t.Errorf("scaled in to none: %d run, the protected one does: %v; told %d times", n, runs(), w.Heard(told))
		}
		w.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(1), ForceNewDeployment: true})
		w.After(time.Minute)
		s := w.Describe()
		if s.RunningCount != 2 || !runs() || len(s.Deployments) != 2 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress || w.Heard(told) != 2 {
			t.Errorf("deployed: %d run, the protected one does: %v, %d deployments; told %d times", s.RunningCount, runs(), len(s.Deployments), w.Heard(told))
		}
		w.After(9 * time.Minute) // it expires
		if s := w.Describe(); s.RunningCount != 1 || runs() || len(s.Deployments) != 1 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
			t.Errorf("after its protection: %d run, the protected one does: %v, %d deployments", s.RunningCount, runs(), len(s.Deployments))
		}
	})
}
