package e2e

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// TestWhyMore is TestWhy about roles, secrets, files, deployments, traffic and names.
func TestWhyMore(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log:\n%s", s.tail())
		}
	})
	for name, test := range map[string]func(*testing.T){
		"slow answers": s.testWhySlowAnswers, "hosts": s.testWhyHosts, "inputs": s.testWhyInputs, "files": s.testWhyFiles, "full": s.testWhyFull,
		"protection": s.testWhyProtection, "breaker": s.testWhyBreaker, "rules": s.testWhyRules, "errors": s.testWhyErrors, "sticky": s.testWhySticky,
		"certificate": s.testWhyCertificate, "names": s.testWhyNames, "ways": s.testWhyWays, "far": s.testWhyFar,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// well waits until a check finds nothing of a thing any more.
func (s *stage) well(t *testing.T, thing, check string) {
	t.Helper()
	waitFor(t, 120*time.Second, thing+" without "+check, func() error {
		said, all := s.wrongs(t, thing)
		for _, f := range all {
			if f.Check == check {
				return fmt.Errorf("%s", said)
			}
		}
		return nil
	})
}

// mends runs the first command of a finding.
func (s *stage) mends(t *testing.T, f wrong) {
	t.Helper()
	for _, m := range f.Mend {
		if m.Command != "" {
			s.types(t, m.Command)
			return
		}
	}
	t.Fatalf("%s has no command: %q", f.Check, f.Mend)
}

// siteBehind deploys a service behind a rule for NAME.test of a balancer of its own.
func (s *stage) siteBehind(t *testing.T, name string, port, count int32, change func(*elb.CreateTargetGroupInput), edit ...func(*ecs.RegisterTaskDefinitionInput)) (f front, pool string) {
	t.Helper()
	f = s.front(t, name, port, fixed("404", "no rule"))
	pool = s.pool(t, name, change)
	must(s.elb.CreateRule(t.Context(), &elb.CreateRuleInput{
		ListenerArn: &f.listener, Priority: aws.Int32(10), Actions: []elbtypes.Action{forward(pool)},
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{name + ".test"}}},
	}))(t)
	s.deploy(t, name, s.defineProbe(t, name, edit...), pool, count, patient)
	return f, pool
}

func same(*elb.CreateTargetGroupInput) {}

func (s *stage) testWhySlowAnswers(t *testing.T) {
	s.siteBehind(t, "wy-slow", 8251, 1, func(in *elb.CreateTargetGroupInput) { in.HealthCheckPath = aws.String("/slow?ms=2600") })
	f := s.found(t, "wy-slow", "check-times-out", "and only 2 s are waited", "after 2.6s")
	s.mends(t, f)
	s.well(t, "wy-slow", "check-times-out")
}

func (s *stage) testWhyHosts(t *testing.T) {
	s.siteBehind(t, "wy-host", 8252, 1, same, variable("ONLY_HOST", "wy-host.test"))
	f := s.found(t, "wy-host", "answers-to-its-host", "because of its Host header: for wy-host.test it answers 200 OK", "health check with Host: wy-host.test")
	s.types(t, f.Mend[1].Command)
	s.well(t, "wy-host", "answers-to-its-host")
}

// testWhyInputs lacks a secret, and a role that tasks may have.
func (s *stage) testWhyInputs(t *testing.T) {
	exec := s.aws(t, "iam", "create-role", "--role-name", "wy-exec", "--assume-role-policy-document", trustTasks, "--query", "Role.Arn", "--output", "text")
	s.aws(t, "iam", "attach-role-policy", "--role-name", "wy-exec", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
	from := "arn:aws:secretsmanager:" + region + ":" + s.account + ":secret:wy-password"
	s.deploy(t, "wy-secret", s.defineProbe(t, "wy-secret", func(in *ecs.RegisterTaskDefinitionInput) {
		in.ExecutionRoleArn = &exec
		in.ContainerDefinitions[0].Secrets = []types.Secret{{Name: aws.String("TOKEN"), ValueFrom: &from}}
	}), "", 1)
	f := s.found(t, "wy-secret", "no-secret", "because secret TOKEN can't be read", "unable to retrieve secret from asm")
	for _, m := range f.Mend {
		s.types(t, "printf value | "+m.Command)
	}
	s.well(t, "wy-secret", "no-secret")

	nobody := strings.Replace(trustTasks, "ecs-tasks.amazonaws.com", "ec2.amazonaws.com", 1)
	role := s.aws(t, "iam", "create-role", "--role-name", "wy-role", "--assume-role-policy-document", nobody, "--query", "Role.Arn", "--output", "text")
	s.deploy(t, "wy-role", s.defineProbe(t, "wy-role", func(in *ecs.RegisterTaskDefinitionInput) { in.TaskRoleArn = &role }), "", 1)
	f = s.found(t, "wy-role", "no-role", "can't have role "+role, "unable to assume the role")
	s.types(t, f.Mend[0].Command)
	s.types(t, f.Mend[len(f.Mend)-1].Command) // between them is what makes the role, if there is none
	s.well(t, "wy-role", "no-role")
}

func (s *stage) testWhyFiles(t *testing.T) {
	id := s.aws(t, "efs", "create-file-system", "--creation-token", "wy", "--query", "FileSystemId", "--output", "text")
	s.deploy(t, "wy-files", s.defineProbe(t, "wy-files", func(in *ecs.RegisterTaskDefinitionInput) {
		in.Volumes = []types.Volume{{Name: aws.String("data"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{FileSystemId: &id}}}
		in.ContainerDefinitions[0].MountPoints = []types.MountPoint{{SourceVolume: aws.String("data"), ContainerPath: aws.String("/data")}}
	}), "", 1, func(in *ecs.CreateServiceInput) {
		in.NetworkConfiguration.AwsvpcConfiguration.Subnets = s.subnets(t)[:1]
	})
	for _, m := range s.found(t, "wy-files", "no-files", "can't mount file system "+id+": it has no mount target", "Failed to resolve").Mend {
		s.types(t, m.Command)
	}
	s.well(t, "wy-files", "no-files")
}

// testWhyFull writes where there is never room.
func (s *stage) testWhyFull(t *testing.T) {
	s.deploy(t, "wy-full", s.defineProbe(t, "wy-full", command("do", "put /dev/full x", "sleep 1", "exit 5")), "", 1)
	s.found(t, "wy-full", "storage-full", "found no room to write to", "no space left on device")
}

func (s *stage) testWhyProtection(t *testing.T) {
	def := s.defineProbe(t, "wy-held")
	s.deploy(t, "wy-held", def, "", 1)
	done := func() bool {
		d := s.described(t, "wy-held").Deployments
		return len(d) == 1 && d[0].RolloutState == types.DeploymentRolloutStateCompleted
	}
	takes(t, 60*time.Second, "the service is steady", done)
	must(s.ecs.UpdateTaskProtection(t.Context(), &ecs.UpdateTaskProtectionInput{Cluster: aws.String("default"), Tasks: s.tasksOf(t, "wy-held", types.DesiredStatusRunning), ProtectionEnabled: true}))(t)
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: aws.String("wy-held"), ForceNewDeployment: true}))(t)
	s.mends(t, s.found(t, "wy-held", "deployment-held", "waits for 1 protected tasks of an older revision", "is protected until"))
	takes(t, 90*time.Second, "the deployment gets on", done)
}

func (s *stage) testWhyBreaker(t *testing.T) {
	s.deploy(t, "wy-breaker", s.defineProbe(t, "wy-breaker"), "", 1, func(in *ecs.CreateServiceInput) {
		in.DeploymentConfiguration = &types.DeploymentConfiguration{DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true}}
	})
	takes(t, 60*time.Second, "the service is steady", func() bool {
		return s.described(t, "wy-breaker").Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted
	})
	bad := s.defineProbe(t, "wy-breaker", command("exit", "6"))
	must(s.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: aws.String("wy-breaker"), TaskDefinition: &bad}))(t)
	s.found(t, "wy-breaker", "deployment-failed", "and rolled back to wy-breaker:1", "(exit code 6)")
}

// testWhyRules has a rule that is shadowed, one host at two balancers, and a service that no rule leads to.
func (s *stage) testWhyRules(t *testing.T) {
	f, pool := s.siteBehind(t, "wy-rules", 8253, 1, same)
	rule := must(s.elb.CreateRule(t.Context(), &elb.CreateRuleInput{
		ListenerArn: &f.listener, Priority: aws.Int32(20), Actions: []elbtypes.Action{fixed("200", "api")},
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{"wy-rules.test"}}, {Field: aws.String("path-pattern"), Values: []string{"/api/*"}}},
	}))(t).Rules[0].RuleArn
	s.mends(t, s.found(t, *rule, "rule-shadowed", "rule 20 of load balancer wy-rules, port 8253, is never met: rule 10 takes all its requests", "GET http://wy-rules.test/api/x"))
	s.well(t, *rule, "rule-shadowed")

	other := s.front(t, "wy-other", 8253, fixed("404", "no rule"))
	for _, listener := range []string{f.listener, other.listener} {
		must(s.elb.CreateRule(t.Context(), &elb.CreateRuleInput{
			ListenerArn: &listener, Priority: aws.Int32(1), Actions: []elbtypes.Action{fixed("200", "both")},
			Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{"wy-both.test"}}},
		}))(t)
	}
	s.mends(t, s.found(t, "wy-both.test", "port-contested", "both have a rule for wy-both.test on port 8253", "arn:aws"))
	s.well(t, "wy-both.test", "port-contested")

	for _, r := range must(s.elb.DescribeRules(t.Context(), &elb.DescribeRulesInput{ListenerArn: &f.listener}))(t).Rules {
		if r.Actions[0].TargetGroupArn != nil && *r.Actions[0].TargetGroupArn == pool {
			must(s.elb.DeleteRule(t.Context(), &elb.DeleteRuleInput{RuleArn: r.RuleArn}))(t)
		}
	}
	s.mends(t, s.found(t, "wy-rules", "no-rule", "no rule of any load balancer sends requests to target group wy-rules", "none names"))
	s.well(t, "wy-rules", "no-rule")
}

// testWhyErrors lets a target cut its connections.
func (s *stage) testWhyErrors(t *testing.T) {
	f, pool := s.siteBehind(t, "wy-cut", 8254, 1, same)
	takes(t, 60*time.Second, "the site answers", func() bool { code, _ := s.askAs(f, "wy-cut.test", "/"); return code == http.StatusOK })
	for range 3 {
		if code, _ := s.askAs(f, "wy-cut.test", "/cut"); code != http.StatusBadGateway {
			t.Errorf("a request that is cut: %d", code)
		}
	}
	s.found(t, pool, "server-errors", "with 502", "requests failed")
}

// askAs asks a balancer for a host.
func (s *stage) askAs(f front, host, path string) (code int, err error) {
	req, err := http.NewRequest(http.MethodGet, f.url(path), nil)
	if err != nil {
		return 0, err
	}
	req.Host = host
	res, err := s.browser().Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// testWhySticky lets one client ask often.
func (s *stage) testWhySticky(t *testing.T) {
	f, pool := s.siteBehind(t, "wy-sticky", 8255, 2, same)
	must(s.elb.ModifyTargetGroupAttributes(t.Context(), &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &pool, Attributes: []elbtypes.TargetGroupAttribute{
		{Key: aws.String("stickiness.enabled"), Value: aws.String("true")}, {Key: aws.String("stickiness.type"), Value: aws.String("lb_cookie")},
	}}))(t)
	takes(t, 60*time.Second, "two targets are healthy", func() bool {
		n := 0
		for _, h := range must(s.elb.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &pool}))(t).TargetHealthDescriptions {
			if h.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy {
				n++
			}
		}
		return n == 2
	})
	client := *s.browser()
	client.Jar, _ = cookiejar.New(nil)
	for range 150 {
		req, err := http.NewRequest(http.MethodGet, f.url("/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "wy-sticky.test"
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		client.Jar.SetCookies(&url.URL{Scheme: "http", Host: req.URL.Host}, res.Cookies())
		_ = res.Body.Close()
	}
	s.mends(t, s.found(t, pool, "uneven-load", "one of the 2 targets of wy-sticky gets", "stickiness.enabled is true"))
	s.well(t, pool, "uneven-load")
}

// testWhyCertificate has a listener whose certificate is for another name.
func (s *stage) testWhyCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s.types(t, fmt.Sprintf("openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=wy-old.test -addext subjectAltName=DNS:wy-old.test -keyout %s -out %s 2>/dev/null", key, cert))
	if _, err := os.Stat(cert); err != nil {
		t.Fatal(err)
	}
	arn := s.aws(t, "acm", "import-certificate", "--certificate", "fileb://"+cert, "--private-key", "fileb://"+key, "--query", "CertificateArn", "--output", "text")
	f, pool := s.siteBehind(t, "wy-cert", 8256, 1, same)
	l := must(s.elb.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: &f.balancer, Protocol: elbtypes.ProtocolEnumHttps, Port: aws.Int32(8257), Certificates: []elbtypes.Certificate{{CertificateArn: &arn}}, DefaultActions: []elbtypes.Action{forward(pool)},
	}))(t).Listeners[0].ListenerArn
	must(s.elb.CreateRule(t.Context(), &elb.CreateRuleInput{
		ListenerArn: l, Priority: aws.Int32(1), Actions: []elbtypes.Action{forward(pool)},
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{"wy-cert.test"}}},
	}))(t)
	s.found(t, "https://wy-cert.test/", "bad-certificate", "no certificate of load balancer wy-cert, port 8257, is for wy-cert.test", "for wy-old.test")
	s.found(t, arn, "bad-certificate", "the certificate for wy-old.test of load balancer wy-cert, port 8257, expires in", "valid until")
}

// testWhyNames has a record that leads to a balancer that is gone, and a name that only tasks find.
func (s *stage) testWhyNames(t *testing.T) {
	f := s.front(t, "wy-names", 8258, fixed("200", "names"))
	must(s.elb.CreateRule(t.Context(), &elb.CreateRuleInput{
		ListenerArn: &f.listener, Priority: aws.Int32(1), Actions: []elbtypes.Action{fixed("200", "shop")},
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{"shop.wy-public.test", "shop.wy-private.test"}}},
	}))(t)
	zone := func(name string, more ...string) string {
		return s.aws(t, append([]string{"route53", "create-hosted-zone", "--name", name, "--caller-reference", name, "--query", "HostedZone.Id", "--output", "text"}, more...)...)
	}
	set := func(zone, name, to string) {
		s.aws(t, "route53", "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", fmt.Sprintf(
			`{"Changes":[{"Action":"CREATE","ResourceRecordSet":{"Name":%q,"Type":"CNAME","TTL":60,"ResourceRecords":[{"Value":%q}]}}]}`, name, to))
	}
	_, suffix, _ := strings.Cut(f.host, ".")
	public := zone("wy-public.test")
	set(public, "shop.wy-public.test", "gone-1234567890."+suffix)
	s.mends(t, s.found(t, "http://shop.wy-public.test/", "name-dangling", "shop.wy-public.test leads to gone-1234567890."+suffix, "CNAME"))
	waitFor(t, 30*time.Second, "the record leads to the balancer", func() error {
		if _, all := s.wrongs(t, "shop.wy-public.test"); len(all) > 0 && strings.Contains(all[0].Cause, "gone-") {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
	s.found(t, "wy-public.test", "name-dangling", "nobody answers for zone wy-public.test", "without --dns-listen")

	private := zone("wy-private.test", "--vpc", "VPCRegion="+region+",VPCId="+s.vpcID)
	set(private, "shop.wy-private.test", f.host)
	s.found(t, "shop.wy-private.test", "name-one-sided", "shop.wy-private.test resolves inside the VPC only", "no public zone")
}

// testWhyWays lets a task ask for a connection that its group denies.
func (s *stage) testWhyWays(t *testing.T) {
	group := s.groupOf(t, "wy-closed", fromCIDR("tcp", 8080, "0.0.0.0/0"))
	must(s.ec2.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{
		{IpProtocol: aws.String("-1"), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}},
	}}))(t)
	arn, addr := s.serving(t, s.defineProbe(t, "wy-closed"), group)
	id := arn[strings.LastIndex(arn, "/")+1:]
	asks := func(addr, to string) {
		go func() { // until the test is over
			for t.Context().Err() == nil {
				_, _ = s.ask("http://" + addr + ":8080/dial?to=" + to)
			}
		}()
	}
	asks(addr, "198.51.100.7:443")
	s.mends(t, s.found(t, id, "egress-closed", "has no egress rule for port 443", "asks for a connection to 198.51.100.7:443"))
	s.well(t, id, "egress-closed")
}

// testWhyFar lets a task speak to a database whose kernel acknowledges late, which to the task's kernel is one far away.
func (s *stage) testWhyFar(t *testing.T) {
	far := s.started(t, s.defineProbe(t, "wy-far", command("sink", "5432")))
	at := address(t, s.reaches(t, far, "RUNNING")) + ":5432"
	arn, addr := s.serving(t, s.defineProbe(t, "wy-app"))
	takes(t, 30*time.Second, "the database is there", func() bool { return s.knock(t, addr, "tcp "+at)["tcp "+at] == "connected" })
	if code, body := s.ask("http://" + addr + ":8080/drip?to=" + at); code != http.StatusOK {
		t.Fatalf("drip: %d %s", code, body)
	}
	s.found(t, arn[strings.LastIndex(arn, "/")+1:], "far-away", "for each round trip to PostgreSQL at "+at, "1 connections of task")
}

// TestWhyWays asks why an ACL keeps two tasks apart.
func TestWhyWays(t *testing.T) {
	t.Parallel()
	need(t)
	s := &stage{skylift: start(t)}
	s.set(t)
	n := s.newNet(t)
	one, two := n.subnet(t, 0), n.subnet(t, 1)
	def := s.defineProbe(t, "wy-acl")
	a, b := n.task(t, def, one, types.AssignPublicIpDisabled), n.task(t, def, two, types.AssignPublicIpDisabled)
	acl := must(s.ec2.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: &n.id}))(t).NetworkAcl
	s.giveACL(t, two, *acl.NetworkAclId)
	f := wrong{}
	waitFor(t, slowest, "the ACL is in the way", func() error {
		said, all := s.wrongs(t, a.addr, "can't", "reach", b.addr, "9001")
		if len(all) != 1 || all[0].Check != "no-way" {
			return fmt.Errorf("%s", said)
		}
		f = all[0]
		return nil
	})
	if !strings.Contains(f.Cause, "of network ACL "+*acl.NetworkAclId+" of subnet "+two+" denies it") {
		t.Errorf("cause %q", f.Cause)
	}
	s.mends(t, f)
	if said, all := s.wrongs(t, a.addr, "can't", "reach", b.addr, "9001"); len(all) > 0 {
		t.Errorf("still: %s", said)
	}
}
