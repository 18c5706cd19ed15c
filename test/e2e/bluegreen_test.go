package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// TestBlueGreen shifts the traffic of services by their listeners' rules.
func TestBlueGreen(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("pause, shift, bake and back", s.testBlueGreen)
	t.Run("canary", s.testCanary)
}

// pair is a balancer that answers production on one port and tests on another,
// by two target groups.
type pair struct {
	front
	blue, green string // target groups
	prod, test  string // rules
}

func (p pair) testURL() string { return fmt.Sprintf("http://%s:%d/", p.host, p.port+1) }

func (s *stage) pair(t *testing.T, name string, port int32) pair {
	t.Helper()
	p := pair{blue: s.pool(t, name+"-blue"), green: s.pool(t, name+"-green")}
	p.front = s.front(t, name, port, forward(p.blue))
	tests := port + 1
	l := must(s.elb.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: &p.balancer, Protocol: elbtypes.ProtocolEnumHttp, Port: &tests, DefaultActions: []elbtypes.Action{forward(p.green)},
	}))(t).Listeners[0]
	rule := func(listener string) string {
		return s.aws(t, "elbv2", "describe-rules", "--listener-arn", listener, "--query", "Rules[0].RuleArn", "--output", "text")
	}
	p.prod, p.test = rule(p.listener), rule(*l.ListenerArn)
	return p
}

// infrastructureRole makes a role that ECS shifts a service's traffic as, and returns its ARN.
func (s *skylift) infrastructureRole(t *testing.T, name string) string {
	t.Helper()
	name = "infrastructure-" + name
	arn := s.aws(t, "iam", "create-role", "--role-name", name, "--query", "Role.Arn", "--output", "text",
		"--assume-role-policy-document", strings.ReplaceAll(trustTasks, "ecs-tasks.amazonaws.com", "ecs.amazonaws.com"))
	s.aws(t, "iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers")
	return arn
}

// shifted makes a service of two probes behind the pair, with a deployment
// configuration, by the CLI.
func (s *stage) shifted(t *testing.T, name string, p pair, configuration string) {
	t.Helper()
	in := must(json.Marshal(map[string]any{
		"serviceName": name, "taskDefinition": s.defineProbe(t, name, environment("VERSION=1")), "desiredCount": 2, "launchType": "FARGATE",
		"networkConfiguration":    map[string]any{"awsvpcConfiguration": map[string]any{"subnets": s.subnets(t), "securityGroups": []string{s.open}}},
		"deploymentConfiguration": json.RawMessage(configuration),
		"loadBalancers": []any{map[string]any{
			"targetGroupArn": p.blue, "containerName": "web", "containerPort": 8080,
			"advancedConfiguration": map[string]any{
				"alternateTargetGroupArn": p.green, "productionListenerRule": p.prod, "testListenerRule": p.test,
				"roleArn": s.infrastructureRole(t, name),
			},
		}},
	}))(t)
	s.aws(t, "ecs", "create-service", "--cli-input-json", string(in))
	t.Cleanup(func() { _, _ = s.awsRun("ecs", "delete-service", "--service", name, "--force") })
	s.aws(t, "ecs", "wait", "services-stable", "--services", name)
	waitFor(t, time.Minute, "the first version", func() error { // stable is a service whose tasks run, healthy or not yet
		if _, body := s.ask(p.url("/")); !strings.Contains(body, "version=1") {
			return errors.New(body)
		}
		return nil
	})
}

// release has the service run a version, with more arguments of the CLI.
func (s *stage) release(t *testing.T, name, version string, more ...string) (deployment string) {
	t.Helper()
	args := append([]string{
		"ecs", "update-service", "--service", name, "--task-definition", s.defineProbe(t, name, environment("VERSION="+version)),
		"--query", "service.currentServiceDeployment", "--output", "text",
	}, more...)
	return s.aws(t, args...)
}

// deployment asks about a service deployment.
func (s *stage) deployment(t *testing.T, arn, query string) string {
	t.Helper()
	return s.aws(t, "ecs", "describe-service-deployments", "--service-deployment-arns", arn, "--query", "serviceDeployments[0]."+query, "--output", "text")
}

// comes waits until a query about a service deployment is answered so.
func (s *stage) comes(t *testing.T, arn, query, want string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		if last = s.deployment(t, arn, query); last == want {
			return
		}
	}
	t.Fatalf("%s of %s is %s, want %s\n%s", query, arn, last, want, s.deployment(t, arn, "[status,statusReason,lifecycleStage]"))
}

// versions counts what n requests are answered by.
func (s *stage) versions(url string, n int) map[string]int {
	out := map[string]int{}
	for range n {
		_, body := s.ask(url)
		_, version, _ := strings.Cut(body, "version=")
		version, _, _ = strings.Cut(strings.TrimSpace(version), " ")
		out[version]++
	}
	return out
}

func (s *stage) testBlueGreen(t *testing.T) {
	t.Parallel()
	p := s.pair(t, "bluegreen", 8371)
	s.shifted(t, "bluegreen", p, `{"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}`)
	lost := s.burden(t, p.url("/slow?ms=50"))

	d := s.release(t, "bluegreen", "2", "--deployment-configuration",
		`{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"], "timeoutConfiguration": {"timeoutInMinutes": 5}}]}`)
	s.comes(t, d, "lifecycleHookDetails[0].status", "AWAITING_ACTION")
	if got := s.deployment(t, d, "[lifecycleStage,targetServiceRevision.requestedTestTrafficWeight,targetServiceRevision.requestedProductionTrafficWeight]"); got != "POST_TEST_TRAFFIC_SHIFT\t100\t0" {
		t.Errorf("while it is paused: %s", got)
	}
	if tests, production := s.versions(p.testURL(), 20), s.versions(p.url("/"), 20); tests["2"] != 20 || production["1"] != 20 {
		t.Errorf("while it is paused, tests are answered by %v and production by %v", tests, production)
	}
	s.aws(t, "ecs", "continue-service-deployment", "--service-deployment-arn", d, "--hook-id", s.deployment(t, d, "lifecycleHookDetails[0].hookId"), "--action", "CONTINUE")
	s.comes(t, d, "status", "SUCCESSFUL")
	s.aws(t, "ecs", "wait", "services-stable", "--services", "bluegreen")
	if production := s.versions(p.url("/"), 20); production["2"] != 20 {
		t.Errorf("after the shift production is answered by %v", production)
	}

	d = s.release(t, "bluegreen", "3", "--deployment-configuration", `{"bakeTimeInMinutes": 1, "lifecycleHooks": []}`)
	s.comes(t, d, "lifecycleStage", "BAKE_TIME")
	if production := s.versions(p.url("/"), 20); production["3"] != 20 {
		t.Errorf("while it bakes production is answered by %v", production)
	}
	s.aws(t, "ecs", "stop-service-deployment", "--service-deployment-arn", d, "--stop-type", "ROLLBACK")
	after := takes(t, slowest, "blue has the traffic again", func() bool { return s.versions(p.url("/"), 5)["2"] == 5 })
	t.Logf("blue had the traffic again after %s", after)
	s.comes(t, d, "status", "ROLLBACK_SUCCESSFUL")
	if production := s.versions(p.url("/"), 20); production["2"] != 20 {
		t.Errorf("after the rollback production is answered by %v", production)
	}
	s.unlost(t, lost)
}

func (s *stage) testCanary(t *testing.T) {
	t.Parallel()
	p := s.pair(t, "canary", 8375)
	s.shifted(t, "canary", p, `{"strategy": "CANARY", "bakeTimeInMinutes": 0, "canaryConfiguration": {"canaryPercent": 20, "canaryBakeTimeInMinutes": 1}}`)
	lost := s.burden(t, p.url("/slow?ms=50"))
	d := s.release(t, "canary", "2")
	s.comes(t, d, "[lifecycleStage,targetServiceRevision.requestedProductionTrafficWeight,sourceServiceRevisions[0].requestedProductionTrafficWeight]", "PRODUCTION_TRAFFIC_SHIFT\t20\t80")
	takes(t, slowest, "the canary gets requests", func() bool { return s.versions(p.url("/"), 20)["2"] > 0 }) // the weights are asked for before they are in force
	if got := s.versions(p.url("/"), 300); got["2"] < 25 || got["2"] > 110 || got["1"]+got["2"] != 300 {
		t.Errorf("the canary has 20 percent: %v", got)
	}
	_, err := s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("canary"), DesiredCount: new(int32(1))})
	if err != nil {
		t.Fatal(err)
	}
	s.comes(t, d, "status", "SUCCESSFUL")
	if got := s.versions(p.url("/"), 20); got["2"] != 20 {
		t.Errorf("after the canary: %v", got)
	}
	s.unlost(t, lost)
	s.awsRefused(t, "InvalidParameterException", "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy",
		"ecs", "update-service", "--service", "canary", "--load-balancers", "targetGroupArn="+p.green+",containerName=web,containerPort=8080")
}
