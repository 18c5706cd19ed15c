package e2e

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestDeployments(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("rolling", s.testRolling)
	t.Run("minimum and maximum", s.testBounds)
	t.Run("broken version", s.testBrokenVersion)
	t.Run("unhealthy target", s.testUnhealthyTarget)
	t.Run("drain", s.testDrain)
	t.Run("same bytes", s.testSameBytes)
	t.Run("target group deleted", s.testTargetGroupDeleted)
}

// deployed makes a balanced service of count probes and waits until it is stable.
func (s *stage) deployed(t *testing.T, name string, port, count int32, more ...func(*ecs.CreateServiceInput)) (f front, pool string) {
	t.Helper()
	pool = s.pool(t, name)
	f = s.front(t, name, port, forward(pool))
	s.deploy(t, name, s.defineProbe(t, name), pool, count, more...)
	s.stable(t, name)
	return f, pool
}

// bounds are a service's minimum and maximum percent.
func bounds(low, high int32) func(*ecs.CreateServiceInput) {
	return func(in *ecs.CreateServiceInput) {
		in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: &low, MaximumPercent: &high}
	}
}

// update has the service run another revision.
func (s *stage) update(t *testing.T, service, definition string) {
	t.Helper()
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: &service, TaskDefinition: &definition}))(t)
}

// burden asks url without pause until stop is called, which returns how many
// answers there were by their first three words, and those that weren't 200.
func (s *stage) burden(t *testing.T, url string) (stop func() (n int, lost []string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	var mu sync.Mutex
	var lost []string
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				code, body := s.ask(url)
				n.Add(1)
				if code != 200 {
					mu.Lock()
					lost = append(lost, fmt.Sprint(code, " ", body))
					mu.Unlock()
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	t.Cleanup(cancel)
	return func() (int, []string) {
		cancel()
		wg.Wait()
		return int(n.Load()), lost
	}
}

func (s *stage) unlost(t *testing.T, stop func() (int, []string)) {
	t.Helper()
	n, lost := stop()
	if len(lost) > 0 || n < 20 {
		t.Errorf("%d of %d requests were lost: %v", len(lost), n, lost[:min(5, len(lost))])
	}
}

// A new version, a scale-out and a scale-in lose no request.
func (s *stage) testRolling(t *testing.T) {
	t.Parallel()
	f, _ := s.deployed(t, "rolling", 8301, 2)
	stop := s.burden(t, f.url("/slow?ms=100"))
	s.update(t, "rolling", s.defineProbe(t, "rolling", environment("VERSION=2")))
	s.stable(t, "rolling")
	if _, body := s.ask(f.url("/")); !strings.Contains(body, "version=2") {
		t.Errorf("after the deployment: %s", body)
	}
	for _, n := range []int32{3, 1} {
		must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("rolling"), DesiredCount: &n}))(t)
		s.stable(t, "rolling")
	}
	s.unlost(t, stop)
	var events []string
	for _, e := range slices.Backward(s.described(t, "rolling").Events) {
		events = append(events, *e.Message)
	}
	all := strings.Join(events, "\n")
	for _, want := range []string{
		"(service rolling) has started 2 tasks: (task ", "(service rolling) registered 1 targets in (target-group arn:aws:elasticloadbalancing:",
		"(service rolling) has begun draining connections on 1 tasks.", "(service rolling) deregistered 1 targets in (target-group ",
		"(service rolling) (deployment ecs-svc/", " deployment completed.", "(service rolling) has reached a steady state.",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no event %q in:\n%s", want, all)
		}
	}
}

// A service that may not grow replaces its tasks one after the other; one that
// may not shrink starts new ones first.
func (s *stage) testBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ low, high, fewest, most int32 }{
		"tight": {50, 100, 1, 2},
		"grows": {100, 150, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.deploy(t, name, s.defineProbe(t, name), "", 2, bounds(c.low, c.high))
			s.stable(t, name)
			s.update(t, name, s.defineProbe(t, name, environment("VERSION=2")))
			fewest, most := int32(99), int32(0)
			takes(t, 90*time.Second, "the deployment is completed", func() bool {
				is := s.described(t, name)
				fewest, most = min(fewest, is.RunningCount), max(most, is.RunningCount+is.PendingCount)
				return len(is.Deployments) == 1 && is.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted
			})
			if fewest != c.fewest || most != c.most {
				t.Errorf("%d to %d tasks ran, want %d to %d", fewest, most, c.fewest, c.most)
			}
		})
	}
}

// A version that doesn't start, or doesn't get healthy, never takes the old
// one down.
func (s *stage) testBrokenVersion(t *testing.T) {
	t.Parallel()
	f, pool := s.deployed(t, "broken", 8311, 1)
	stop := s.burden(t, f.url("/"))
	old := s.tasksOf(t, "broken", types.DesiredStatusRunning)
	for _, c := range []struct {
		edit func(*ecs.RegisterTaskDefinitionInput)
		says string
	}{
		{command("exit", "1"), "failed: "},
		{environment("HEALTH=500"), fmt.Sprintf("is unhealthy in (target-group %s) due to (reason Health checks failed with these codes: [500])", pool)},
	} {
		s.update(t, "broken", s.defineProbe(t, "broken", c.edit))
		takes(t, 60*time.Second, "an event says "+c.says, func() bool {
			return slices.ContainsFunc(s.described(t, "broken").Events, func(e types.ServiceEvent) bool { return strings.Contains(*e.Message, c.says) })
		})
		if now := s.tasksOf(t, "broken", types.DesiredStatusRunning); !slices.Contains(now, old[0]) {
			t.Errorf("the old task %s is not among %v", old[0], now)
		}
	}
	if is := s.described(t, "broken"); len(is.Deployments) < 2 || is.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress || is.Deployments[0].FailedTasks == 0 {
		t.Errorf("deployments: %+v", is.Deployments)
	}
	s.update(t, "broken", "broken:1")
	s.stable(t, "broken")
	s.unlost(t, stop)
}

// A task whose target gets unhealthy is replaced.
func (s *stage) testUnhealthyTarget(t *testing.T) {
	t.Parallel()
	f, pool := s.deployed(t, "sick", 8321, 2)
	code, body := s.ask(f.url("/sick"))
	if code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	sick := ""
	takes(t, 60*time.Second, "the sick task is stopped", func() bool {
		for _, arn := range s.tasksOf(t, "sick", types.DesiredStatusStopped) {
			sick = arn
		}
		return sick != ""
	})
	task := s.reaches(t, sick, "STOPPED")
	if want := fmt.Sprintf("Task failed ELB health checks in (target-group %s)", pool); *task.StoppedReason != want || task.StopCode != types.TaskStopCodeServiceSchedulerInitiated {
		t.Errorf("%s %q, want %q", task.StopCode, *task.StoppedReason, want)
	}
	if !strings.Contains(body, strings.ReplaceAll(address(t, task), ".", "-")) {
		t.Errorf("the task %s is not the sick one: %s", address(t, task), body)
	}
	s.stable(t, "sick")
}

// A target is deregistered and drained before its task gets SIGTERM, whoever
// stops it.
func (s *stage) testDrain(t *testing.T) {
	t.Parallel()
	f, _ := s.deployed(t, "drain", 8331, 1)
	for name, stop := range map[string]func(task string){
		"StopTask": func(task string) {
			must(s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &task}))(t)
		},
		"scale-in": func(string) {
			must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("drain"), DesiredCount: new(int32(0))}))(t)
		},
	} {
		must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("drain"), DesiredCount: new(int32(1))}))(t)
		s.stable(t, "drain")
		takes(t, 30*time.Second, "the task answers", func() bool {
			code, _ := s.ask(f.url("/"))
			return code == 200
		})
		arn := s.tasksOf(t, "drain", types.DesiredStatusRunning)[0]
		res := must(s.browser().Get(f.url("/slow?ms=3000&begin=1")))(t) // the task has begun to answer
		stop(arn)
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || !strings.HasPrefix(string(body), "slow") || err != nil {
			t.Errorf("%s: a request that was under way got %s %q, %v", name, res.Status, body, err)
		}
		s.reaches(t, arn, "STOPPED")
		id := arn[strings.LastIndex(arn, "/")+1:]
		out := must(s.clients.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: new("/probe"), LogStreamNames: []string{"drain/web/" + id}, FilterPattern: new("SIGTERM"),
		}))(t)
		if len(out.Events) != 1 || !strings.Contains(*out.Events[0].Message, "SIGTERM with 0 requests under way") {
			t.Errorf("%s: the task says of SIGTERM: %+v", name, out.Events)
		}
	}
}

// A target group is deleted under a service: its tasks run on, new ones wait and
// an event tells why, and with another target group the service goes on.
func (s *stage) testTargetGroupDeleted(t *testing.T) {
	t.Parallel()
	const name = "group-gone"
	f, pool := s.deployed(t, name, 8351, 2)
	old := s.tasksOf(t, name, types.DesiredStatusRunning)
	s.aws(t, "elbv2", "modify-listener", "--listener-arn", f.listener, "--default-actions", "Type=fixed-response,FixedResponseConfig={StatusCode=503}")
	s.aws(t, "elbv2", "delete-target-group", "--target-group-arn", pool)
	s.aws(t, "ecs", "update-service", "--service", name, "--force-new-deployment")
	want := fmt.Sprintf("(service %s) failed to register targets in (target-group %s) with (error Target groups '%s' not found)", name, pool, pool)
	takes(t, 60*time.Second, want, func() bool {
		return strings.Contains(s.aws(t, "ecs", "describe-services", "--services", name, "--query", "services[0].events[].message", "--output", "text"), want)
	})
	takes(t, 60*time.Second, "two new tasks wait", func() bool {
		tasks := append([]string{"--tasks"}, s.tasksOf(t, name, types.DesiredStatusRunning)...)
		status := s.aws(t, append([]string{"ecs", "describe-tasks", "--query", "tasks[].lastStatus", "--output", "text"}, tasks...)...)
		return strings.Count(status, "ACTIVATING") == 2 && strings.Count(status, "RUNNING") == 2
	})
	for _, arn := range old {
		if task := s.task(t, arn); aws.ToString(task.LastStatus) != "RUNNING" || aws.ToString(task.DesiredStatus) != "RUNNING" {
			t.Errorf("a task of before is %s, wanted %s: %s", *task.LastStatus, *task.DesiredStatus, aws.ToString(task.StoppedReason))
		}
	}
	again := s.pool(t, name+"-2")
	s.aws(t, "elbv2", "modify-listener", "--listener-arn", f.listener, "--default-actions", "Type=forward,TargetGroupArn="+again)
	s.aws(t, "ecs", "update-service", "--service", name, "--load-balancers", "targetGroupArn="+again+",containerName=web,containerPort=8080")
	s.stable(t, name)
	if code, body := s.ask(f.url("/")); code != 200 {
		t.Errorf("with another target group: %d %s", code, body)
	}
	for _, arn := range s.tasksOf(t, name, types.DesiredStatusRunning) {
		if slices.Contains(old, arn) {
			t.Errorf("task %s is in no target group and still runs", arn)
		}
	}
}

// All tasks of a deployment run the image that its tag stood for when it
// started.
func (s *stage) testSameBytes(t *testing.T) {
	t.Parallel()
	ref := s.push(t, "same-bytes", "latest", "SITE=first")
	def := s.define(t, "same-bytes", ref)
	s.deploy(t, "same-bytes", def, "", 1)
	s.stable(t, "same-bytes")
	digest := func() (all []string) {
		for _, arn := range s.tasksOf(t, "same-bytes", types.DesiredStatusRunning) {
			all = append(all, aws.ToString(s.task(t, arn).Containers[0].ImageDigest))
		}
		return slices.Compact(all)
	}
	first := digest()
	s.push(t, "same-bytes", "latest", "SITE=second")
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("same-bytes"), DesiredCount: new(int32(2))}))(t)
	s.stable(t, "same-bytes")
	if now := digest(); !slices.Equal(now, first) {
		t.Errorf("scaled out, the tasks run %v, not %v", now, first)
	}
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("same-bytes"), ForceNewDeployment: true}))(t)
	s.stable(t, "same-bytes")
	if now := digest(); len(now) != 1 || now[0] == first[0] {
		t.Errorf("deployed anew, the tasks run %v, before %v", now, first)
	}
}
