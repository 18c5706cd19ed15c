package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
)

// What the tests of survival do how often: a little in make test, and for as
// long as it takes in make soak.
var (
	kills    = flag.Int("kills", 3, "how often TestSurvivesKills and TestSurvivesKillsWhileTrafficShifts kill Skylift")
	restarts = flag.Int("restarts", 1, "how often TestSurvivesEngineRestarts restarts the engine")
)

// TestSurvivesKills kills Skylift at random moments of deployments under load.
// No request is lost while the balancer is up, each deployment that is let end
// does so with exactly its tasks, and so does the last.
func TestSurvivesKills(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 3)
	load := s.load(t, "shop.test")
	version := 1
	for range *kills {
		if svc := s.describe(t, "shop"); len(svc.Deployments) == 1 && svc.Deployments[0].RolloutState == ecstypes.DeploymentRolloutStateCompleted {
			s.answers(t, "shop.test", fmt.Sprintf("site=shop version=%d", version))
			s.exactly(t, 3)
			version++
			s.redeploy(t, "shop", fmt.Sprint(version))
		}
		moment := rand.N(4 * time.Second)
		t.Logf("version %d: killed %v later", version, moment)
		<-time.After(moment)
		load.while(func() {
			s.kill9(t)
			s.restart(t)
		})
	}
	s.stable(t, "shop")
	s.answers(t, "shop.test", fmt.Sprintf("site=shop version=%d", version))
	s.exactly(t, 3)
	load.lossless(t)
}

// TestSurvivesKillsWhileTrafficShifts kills Skylift at two random moments of each
// BLUE_GREEN deployment under load: when green starts and gets the traffic, and
// when blue is about to go. Each succeeds, with all of the traffic and all of the
// tasks in the other target group than before.
func TestSurvivesKillsWhileTrafficShifts(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.blueGreen(t, "shop", 2)
	load := s.load(t, "shop.test")
	for version := 2; version < 2+max(1, *kills/2); version++ {
		s.redeploy(t, "shop", fmt.Sprint(version))
		deployment, begun := *s.describe(t, "shop").CurrentServiceDeployment, time.Now()
		for _, moment := range []time.Duration{rand.N(2 * time.Second), 55*time.Second + rand.N(10*time.Second)} { // it bakes for a minute
			<-time.After(time.Until(begun.Add(moment)))
			t.Logf("version %d: killed after %v, in %s", version, moment, b.status(t, deployment).LifecycleStage)
			load.while(func() {
				s.kill9(t)
				s.restart(t)
			})
		}
		b.succeeds(t, deployment, version)
	}
	load.lossless(t)
}

// blueGreen is a service of n tasks whose traffic is shifted by a rule of a
// listener between two target groups.
type blueGreen struct {
	*skylift
	name    string
	n       int
	groups  []string
	rule    string // of production
	serving string // group
}

// blueGreen makes one that answers name.test, and bakes for as short as there is.
func (s *skylift) blueGreen(t *testing.T, name string, n int) *blueGreen {
	t.Helper()
	image := s.push(t, name, "latest", "SITE="+name)
	s.cluster(t, "default")
	_, listener := s.balancer(t, "front")
	b := &blueGreen{skylift: s, name: name, n: n}
	b.groups = []string{s.targetGroup(t, listener, "blue", name+".test", 1), s.targetGroup(t, listener, "green", "next."+name+".test", 2)}
	rules := map[string]string{} // by priority
	for _, r := range must(s.clients().elb.DescribeRules(t.Context(), &elb.DescribeRulesInput{ListenerArn: &listener}))(t).Rules {
		rules[*r.Priority] = *r.RuleArn
	}
	b.rule = rules["1"]
	role := s.infrastructureRole(t, name)
	must(s.clients().ecs.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: &name, TaskDefinition: new(s.define(t, name, image)), DesiredCount: new(int32(n)), LaunchType: ecstypes.LaunchTypeFargate,
		NetworkConfiguration:    s.network(t, s.group(t, name, 8080)),
		DeploymentConfiguration: &ecstypes.DeploymentConfiguration{Strategy: ecstypes.DeploymentStrategyBlueGreen, BakeTimeInMinutes: new(int32(1))},
		LoadBalancers: []ecstypes.LoadBalancer{{
			TargetGroupArn: &b.groups[0], ContainerName: new("web"), ContainerPort: new(int32(8080)),
			AdvancedConfiguration: &ecstypes.AdvancedConfiguration{
				AlternateTargetGroupArn: &b.groups[1], ProductionListenerRule: &b.rule, TestListenerRule: new(rules["2"]), RoleArn: &role,
			},
		}},
	}))(t)
	b.succeeds(t, *s.describe(t, name).CurrentServiceDeployment, 1)
	return b
}

// status describes a service deployment.
func (b *blueGreen) status(t *testing.T, deployment string) ecstypes.ServiceDeployment {
	t.Helper()
	return must(b.clients().ecs.DescribeServiceDeployments(t.Context(), &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{deployment}}))(t).ServiceDeployments[0]
}

// succeeds waits until a deployment of a version has succeeded, and checks that
// its group alone has traffic and tasks.
func (b *blueGreen) succeeds(t *testing.T, deployment string, version int) {
	t.Helper()
	waitFor(t, 4*time.Minute, fmt.Sprintf("the deployment of version %d to end", version), func() error {
		d := b.status(t, deployment)
		if d.FinishedAt == nil {
			return fmt.Errorf("%s: %s", d.Status, d.LifecycleStage)
		}
		if d.Status != ecstypes.ServiceDeploymentStatusSuccessful {
			t.Fatalf("version %d: %s: %s", version, d.Status, aws.ToString(d.StatusReason))
		}
		return nil
	})
	b.exactly(t, b.n)
	serving := b.alone(t)
	if serving == b.serving {
		t.Errorf("version %d is in the target group of the one before", version)
	}
	b.serving = serving
	for range 20 {
		if code, body := b.curl(t, b.name+".test", "/"); code != 200 || body != fmt.Sprintf("site=%s version=%d", b.name, version) {
			t.Errorf("version %d: answered %d %q", version, code, body)
		}
	}
}

// alone returns the target group that has all of the traffic; it has as many
// targets as there are tasks, and the other one has none.
func (b *blueGreen) alone(t *testing.T) (serving string) {
	t.Helper()
	rule := must(b.clients().elb.DescribeRules(t.Context(), &elb.DescribeRulesInput{RuleArns: []string{b.rule}}))(t).Rules[0]
	for _, g := range rule.Actions[0].ForwardConfig.TargetGroups {
		if *g.Weight > 0 && serving != "" {
			t.Errorf("two target groups have traffic: %s and %s", serving, *g.TargetGroupArn)
		}
		if *g.Weight > 0 {
			serving = *g.TargetGroupArn
		}
	}
	for _, g := range b.groups {
		want := 0
		if g == serving {
			want = b.n
		}
		waitFor(t, time.Minute, fmt.Sprintf("target group %s to have %d targets", g, want), func() error {
			all := must(b.clients().elb.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &g}))(t).TargetHealthDescriptions
			if len(all) != want {
				return fmt.Errorf("there are %d", len(all))
			}
			return nil
		})
	}
	return serving
}

// TestSurvivesEngineRestarts restarts the Docker daemon, and with it all
// containers, at random moments of deployments: each ends all the same.
func TestSurvivesEngineRestarts(t *testing.T) {
	t.Parallel()
	onDockerOnly(t)
	m := newMachine(t)
	s := prepare(t)
	s.within, s.extra, s.dial = m.within(), []string{"DOCKER_HOST=" + m.socket()}, m.dial
	s.serve(t)
	s.site(t, "shop", 2)
	for i := range *restarts {
		s.redeploy(t, "shop", fmt.Sprint(i+2))
		moment := rand.N(5 * time.Second)
		t.Logf("version %d: the engine ends %v later", i+2, moment)
		<-time.After(moment)
		m.stopDocker(t)
		m.startDocker(t)
		s.stable(t, "shop")
		s.answers(t, "shop.test", fmt.Sprintf("site=shop version=%d", i+2))
		s.exactly(t, 2)
	}
}

// TestSurvivesLossOfImage takes a deployment's image away, from the registry and
// the engine, when its first task runs. The old tasks go on, the service says
// why it can't start new ones, and a new image ends it.
func TestSurvivesLossOfImage(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 2)
	must(s.clients().ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("shop"), DeploymentConfiguration: &ecstypes.DeploymentConfiguration{
		MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(150)),
	}}))(t)
	s.stable(t, "shop")
	load := s.load(t, "shop.test")
	s.redeploy(t, "shop", "2")
	waitFor(t, time.Minute, "the first new task to run", func() error {
		if p := primary(s.describe(t, "shop")); p.RunningCount == 0 {
			return fmt.Errorf("%d pending", p.PendingCount)
		}
		return nil
	})
	tag := s.listen + "/shop:latest"
	must(s.clients().ecr.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
		RepositoryName: new("shop"), ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: new("latest")}},
	}))(t)
	for _, task := range s.tasks(t) { // the old ones: the image goes with the last container
		if strings.HasSuffix(*s.task(t, task).StartedBy, *primary(s.describe(t, "shop")).Id) {
			must(s.clients().ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &task}))(t)
			s.reaches(t, task, "STOPPED")
		}
	}
	s.behind().forget(t, s, tag)
	told := func(what string) {
		t.Helper()
		waitFor(t, time.Minute, "an event "+what, func() error {
			for _, e := range s.describe(t, "shop").Events {
				if strings.Contains(*e.Message, what) {
					return nil
				}
			}
			return fmt.Errorf("the last is: %s", *s.describe(t, "shop").Events[0].Message)
		})
	}
	told("CannotPullContainerError")
	s.answers(t, "shop.test", "site=shop version=1")
	s.redeploy(t, "shop", "3")
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=3")
	s.exactly(t, 2)
	load.lossless(t)
}

// TestSurvivesLossOfTargetGroup deletes a service's target group. Its tasks run
// on, and another target group, or the end of the service, is still possible.
func TestSurvivesLossOfTargetGroup(t *testing.T) {
	t.Parallel()
	s := start(t)
	image := s.push(t, "shop", "latest", "SITE=shop")
	s.cluster(t, "default")
	_, listener := s.balancer(t, "front")
	lost := s.targetGroup(t, listener, "lost", "lost.test", 1)
	group := s.group(t, "shop", 8080)
	definition := s.define(t, "shop", image)
	s.service(t, "shop", definition, 2, lost, group)
	s.service(t, "other", definition, 1, lost, group)
	s.stable(t, "shop")
	s.stable(t, "other")
	before := s.tasks(t)
	rules := must(s.clients().elb.DescribeRules(t.Context(), &elb.DescribeRulesInput{ListenerArn: &listener}))(t)
	for _, r := range rules.Rules {
		if !*r.IsDefault {
			must(s.clients().elb.DeleteRule(t.Context(), &elb.DeleteRuleInput{RuleArn: r.RuleArn}))(t)
		}
	}
	must(s.clients().elb.DeleteTargetGroup(t.Context(), &elb.DeleteTargetGroupInput{TargetGroupArn: &lost}))(t)
	s.kill9(t)
	s.restart(t) // all is looked at again
	found := s.targetGroup(t, listener, "found", "shop.test", 1)
	sameTasks(t, before, s.tasks(t))

	must(s.clients().ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("shop"), LoadBalancers: []ecstypes.LoadBalancer{
		{TargetGroupArn: &found, ContainerName: new("web"), ContainerPort: new(int32(8080))},
	}}))(t)
	must(s.clients().ecs.DeleteService(t.Context(), &ecs.DeleteServiceInput{Service: new("other"), Force: new(true)}))(t)
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=1")
	s.exactly(t, 2)
}
