package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// TestWhy lets things go wrong, and looks that `skylift why` names the cause with its evidence, and that its command
// mends it.
func TestWhy(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log:\n%s", s.tail())
		}
	})
	t.Run("checks", s.testWhyChecks)
	t.Run("tasks", s.testWhyTasks)
	t.Run("crash", s.testWhyCrash)
	t.Run("reach", s.testWhyReach)
	t.Run("slow", s.testWhySlow)
	t.Run("deaf", s.testWhyDeaf)
	t.Run("cramped", s.testWhyCramped)
}

// found waits until `skylift why` of a thing names a check, with these words in its cause and its evidence.
func (s *stage) found(t *testing.T, thing, check, cause, evidence string) (f wrong) {
	t.Helper()
	waitFor(t, 90*time.Second, check+" of "+thing, func() error {
		said, all := s.wrongs(t, thing)
		i := slices.IndexFunc(all, func(f wrong) bool { return f.Check == check })
		if i < 0 {
			return fmt.Errorf("found %s", said)
		}
		f = all[i]
		shows := ""
		for _, e := range f.Evidence {
			shows += e.What + ": " + e.Says + "\n"
		}
		if !strings.Contains(f.Cause, cause) || !strings.Contains(shows, evidence) || len(f.Mend) == 0 {
			return fmt.Errorf("cause %q, want %q; evidence\n%swant %q; mends %q", f.Cause, cause, shows, evidence, f.Mend)
		}
		return nil
	})
	return f
}

// variable sets a variable of the probe.
func variable(name, value string) func(*ecs.RegisterTaskDefinitionInput) {
	return func(in *ecs.RegisterTaskDefinitionInput) {
		c := &in.ContainerDefinitions[0]
		c.Environment = append(c.Environment, types.KeyValuePair{Name: &name, Value: &value})
	}
}

// alsoPort maps another port.
func alsoPort(port int32) func(*ecs.RegisterTaskDefinitionInput) {
	return func(in *ecs.RegisterTaskDefinitionInput) {
		c := &in.ContainerDefinitions[0]
		c.PortMappings = append(c.PortMappings, types.PortMapping{ContainerPort: &port})
	}
}

// patient gives a service time, so that its unhealthy tasks aren't replaced meanwhile.
func patient(in *ecs.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = aws.Int32(600) }

// testWhyChecks lets health checks fail.
func (s *stage) testWhyChecks(t *testing.T) {
	t.Parallel()
	f := s.front(t, "why", 8241, fixed("404", "no rule"))
	for i, c := range []struct {
		name, check, cause, evidence string
		heals                        bool // the first command
		edit                         []func(*ecs.RegisterTaskDefinitionInput)
	}{
		{"why-302", "check-redirected", "gets a 302 to /", "/healthz → 302 Found", true, []func(*ecs.RegisterTaskDefinitionInput){variable("HEALTH", "302")}},
		{"why-404", "wrong-path", "for /healthz, with 404 Not Found", "404 Not Found", true, []func(*ecs.RegisterTaskDefinitionInput){variable("HEALTH", "404")}},
		{"why-port", "wrong-port", "port 3000 is open", "listen on [::]:3000", true, []func(*ecs.RegisterTaskDefinitionInput){variable("PORT", "3000"), alsoPort(3000)}},
		{"why-loopback", "on-loopback", "listens on 127.0.0.1:8080 only", "connection refused", false, []func(*ecs.RegisterTaskDefinitionInput){variable("HOST", "127.0.0.1")}},
	} {
		t.Run(c.check, func(t *testing.T) {
			t.Parallel()
			pool := s.pool(t, c.name)
			must(s.elb.CreateRule(t.Context(), &elb.CreateRuleInput{
				ListenerArn: &f.listener, Priority: aws.Int32(int32(i + 1)), Actions: []elbtypes.Action{forward(pool)},
				Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{c.name + ".test"}}},
			}))(t)
			s.deploy(t, c.name, s.defineProbe(t, c.name, c.edit...), pool, 1, patient)
			found := s.found(t, c.name, c.check, c.cause, c.evidence)
			s.found(t, "http://"+c.name+".test/", c.check, c.cause, "")
			if !c.heals {
				return
			}
			i := slices.IndexFunc(found.Mend, func(m struct{ Say, Command string }) bool { return m.Command != "" })
			if i < 0 {
				t.Fatalf("no command: %q", found.Mend)
			}
			s.types(t, found.Mend[i].Command)
			waitFor(t, 90*time.Second, c.name+" is well", func() error {
				if said, all := s.wrongs(t, c.name); len(all) > 0 {
					return fmt.Errorf("%s", said)
				}
				return nil
			})
		})
	}
}

// testWhyTasks lets tasks fail to start, or end.
func (s *stage) testWhyTasks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, check, cause, evidence string
		heals                        bool
		edit                         []func(*ecs.RegisterTaskDefinitionInput)
	}{
		{"why-oom", "out-of-memory", "needed more than its", "exit code 137", false, []func(*ecs.RegisterTaskDefinitionInput){command("eat")}},
		{"why-command", "bad-command", "can't run /nowhere", "/nowhere", false, []func(*ecs.RegisterTaskDefinitionInput){func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].EntryPoint = []string{"/nowhere"}
		}}},
		{"why-image", "no-image", "has no image gone", "not found", false, []func(*ecs.RegisterTaskDefinitionInput){func(in *ecs.RegisterTaskDefinitionInput) {
			name, _, _ := strings.Cut(strings.TrimPrefix(s.image, s.registry+"/"), ":")
			in.ContainerDefinitions[0].Image = aws.String(s.registry + "/" + name + ":gone")
		}}},
		{"why-ports", "port-taken", "which is taken in its task", "share one network", false, []func(*ecs.RegisterTaskDefinitionInput){func(in *ecs.RegisterTaskDefinitionInput) {
			second := in.ContainerDefinitions[0]
			second.Name, second.PortMappings = aws.String("second"), nil
			second.DependsOn = []types.ContainerDependency{{ContainerName: aws.String("web"), Condition: types.ContainerConditionStart}}
			second.Command, second.EntryPoint = nil, nil
			in.ContainerDefinitions = append(in.ContainerDefinitions, second)
		}}},
		{"why-depends", "dependency-unmet", "waited in vain for container init, which ended with exit code 3", "dependency graph", false, []func(*ecs.RegisterTaskDefinitionInput){func(in *ecs.RegisterTaskDefinitionInput) {
			first := in.ContainerDefinitions[0]
			first.Name, first.PortMappings, first.Essential, first.Command = aws.String("init"), nil, aws.Bool(false), []string{"exit", "3"}
			in.ContainerDefinitions[0].DependsOn = []types.ContainerDependency{{ContainerName: aws.String("init"), Condition: types.ContainerConditionSuccess}}
			in.ContainerDefinitions = append(in.ContainerDefinitions, first)
		}}},
		{"why-readonly", "read-only-root", "readonlyRootFilesystem makes read-only", "read-only file system", false, []func(*ecs.RegisterTaskDefinitionInput){
			command("do", "put /written x", "sleep 1", "exit 4"), func(in *ecs.RegisterTaskDefinitionInput) {
				in.ContainerDefinitions[0].ReadonlyRootFilesystem = aws.Bool(true)
			},
		}},
		{"why-room", "no-room", "the machine has no room for another one of 16384 CPU units and 122880 MiB", "reserved by", true, []func(*ecs.RegisterTaskDefinitionInput){func(in *ecs.RegisterTaskDefinitionInput) {
			in.Cpu, in.Memory = aws.String("16384"), aws.String("122880")
		}}},
		{"why-logs", "no-log-group", "there is no log group /why", "ResourceNotFoundException", true, []func(*ecs.RegisterTaskDefinitionInput){s.toLogs("/why")}},
	} {
		t.Run(c.check, func(t *testing.T) {
			t.Parallel()
			s.deploy(t, c.name, s.defineProbe(t, c.name, c.edit...), "", 1)
			found := s.found(t, c.name, c.check, c.cause, c.evidence)
			if !c.heals {
				return
			}
			for _, m := range found.Mend {
				if m.Command != "" {
					s.types(t, m.Command)
				}
			}
			waitFor(t, 120*time.Second, c.name+" is well", func() error {
				if said, all := s.wrongs(t, c.name); len(all) > 0 {
					return fmt.Errorf("%s", said)
				}
				return nil
			})
		})
	}
}

// testWhyCrash deploys a revision that ends at once, and goes back to the one that worked.
func (s *stage) testWhyCrash(t *testing.T) {
	t.Parallel()
	s.deploy(t, "why-crash", s.defineProbe(t, "why-crash"), "", 1)
	takes(t, 60*time.Second, "the service is steady", func() bool {
		return s.described(t, "why-crash").Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted
	})
	bad := s.defineProbe(t, "why-crash", command("exit", "7"))
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: aws.String("why-crash"), TaskDefinition: &bad}))(t)
	found := s.found(t, "why-crash", "crash-loop", "exiting with 7", "web's command none → exit 7")
	s.types(t, found.Mend[0].Command)
	takes(t, 90*time.Second, "it is well again", func() bool {
		d := s.described(t, "why-crash").Deployments
		_, all := s.wrongs(t, "why-crash")
		return len(d) == 1 && d[0].RolloutState == types.DeploymentRolloutStateCompleted && len(all) == 0
	})
}

// testWhyReach asks which rule is in the way between two tasks.
func (s *stage) testWhyReach(t *testing.T) {
	t.Parallel()
	web, db := s.groupOf(t, "why-web"), s.groupOf(t, "why-db")
	from, _ := s.serving(t, s.defineProbe(t, "why-from"), web)
	_, to := s.serving(t, s.defineProbe(t, "why-to"), db)
	id := from[strings.LastIndex(from, "/")+1:]
	_, found := s.wrongs(t, id, "can't", "reach", to, "8080")
	if len(found) != 1 || !strings.Contains(found[0].Cause, fmt.Sprintf("%s (why-db), has no ingress rule for port 8080", db)) {
		t.Fatalf("found %+v", found)
	}
	s.types(t, found[0].Mend[0].Command)
	if said, found := s.wrongs(t, id, "can't", "reach", to, "8080"); len(found) != 0 || !strings.Contains(said, "through") {
		t.Errorf("still: %s", said)
	}
}

// testWhySlow lets a task be stopped for its health check while nothing of it listens yet: what it did is known afterwards.
func (s *stage) testWhySlow(t *testing.T) {
	t.Parallel()
	pool := s.pool(t, "why-slow")
	s.front(t, "why-slow", 8242, forward(pool))
	s.deploy(t, "why-slow", s.defineProbe(t, "why-slow", command("do", "hold")), pool, 1)
	found := s.found(t, "why-slow", "slow-start", "when nothing of it listened yet; its grace period is 0 s", "no process of the task listens on any TCP port")
	if !strings.Contains(found.Mend[0].Command, "--health-check-grace-period-seconds") {
		t.Errorf("mends %q", found.Mend)
	}
}

// testWhyDeaf stops a task that ignores SIGTERM.
func (s *stage) testWhyDeaf(t *testing.T) {
	t.Parallel()
	s.deploy(t, "why-deaf", s.defineProbe(t, "why-deaf", command("stubborn"), func(in *ecs.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].StopTimeout = aws.Int32(2)
	}), "", 1)
	takes(t, 60*time.Second, "it runs", func() bool { return s.described(t, "why-deaf").RunningCount == 1 })
	addr := address(t, must(s.ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: s.tasksOf(t, "why-deaf", types.DesiredStatusRunning)}))(t).Tasks[0])
	listens(t, addr)
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: aws.String("why-deaf"), DesiredCount: aws.Int32(0)}))(t)
	s.found(t, "why-deaf", "deaf-to-term", "was killed after 2", "exit code 137")
}

// testWhyCramped deploys where nothing may be started or stopped, and lets it.
func (s *stage) testWhyCramped(t *testing.T) {
	t.Parallel()
	s.deploy(t, "why-cramped", s.defineProbe(t, "why-cramped"), "", 1, func(in *ecs.CreateServiceInput) {
		in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(150)}
		in.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingDisabled
	})
	done := func() bool {
		d := s.described(t, "why-cramped").Deployments
		return len(d) == 1 && d[0].RolloutState == types.DeploymentRolloutStateCompleted
	}
	takes(t, 60*time.Second, "the service is steady", done)
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: aws.String("why-cramped"), ForceNewDeployment: true}))(t)
	found := s.found(t, "why-cramped", "no-room-to-move", "can neither start nor stop a task: at least 1 and at most 1 may run, of 1", "maximumPercent 150")
	s.types(t, found.Mend[0].Command)
	takes(t, 90*time.Second, "the deployment gets on", done)
}
