// Package whytest makes pictures of records for the tests of checks.
package whytest

import (
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/vpc"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/sockets"
)

// Now is when the pictures are taken.
var Now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// What there is in a picture.
const (
	Service    = "default/web"
	Definition = "arn:aws:ecs:us-west-2:1:task-definition/web:7"
	Before     = "arn:aws:ecs:us-west-2:1:task-definition/web:6"
	Pool       = "arn:tg/web"
	Balancer   = "arn:lb/front"
	Listener   = "arn:l/80"
	Rule       = "arn:r/10"
	Host       = "shop.example.com"
)

// The addresses of the balancer and of the two tasks.
var (
	BalancerAddr = netip.MustParseAddr("10.0.0.5")
	TaskAddr     = netip.MustParseAddr("10.0.0.9")
	OtherAddr    = netip.MustParseAddr("10.0.0.10")
)

// TaskID makes an id of a digit.
func TaskID(digit byte) string {
	id := make([]byte, 32)
	for i := range id {
		id[i] = digit
	}
	return string(id)
}

// Healthy is a site in which all is well: a balancer that sends the requests for a host to a service of two tasks.
func Healthy() *snapshot.Snapshot {
	s := &snapshot.Snapshot{
		Now: Now, Account: "1", Region: "us-west-2", Total: place.Size{CPU: 4096, Memory: 8192}, Used: place.Size{CPU: 512, Memory: 1024},
		DNS: []string{"127.0.0.1:53"}, Bound: map[string]error{}, RecentFor: 10 * time.Minute,
		Evidence: map[string]ecs.Evidence{}, Events: map[string][]ecs.Event{}, Sockets: map[string][]sockets.Socket{}, Probes: map[string]snapshot.Probe{},
	}
	s.Services = []ecs.Service{{
		Cluster: "default", Name: "web", ARN: "arn:aws:ecs:us-west-2:1:service/default/web", Status: ecs.Active, Desired: 2, Current: "d2",
		DeploymentConfig: ecs.DeploymentConfig{MinimumHealthyPercent: 100, MaximumPercent: 200},
	}}
	spec := ecs.Spec{TaskDefinition: Definition, LoadBalancers: []ecs.LoadBalancer{{TargetGroup: Pool, ContainerName: "app", ContainerPort: 8080}}}
	before := spec
	before.TaskDefinition = Before
	s.Primaries = map[string]ecs.Deployment{Service: {ID: ecs.DeploymentID("r2"), Service: Service, Spec: spec, CreatedAt: Now.Add(-time.Hour)}}
	s.Revisions = map[string]ecs.ServiceRevision{
		Service + "/r1": {ID: "r1", Service: Service, Spec: before}, Service + "/r2": {ID: "r2", Service: Service, Spec: spec},
	}
	s.Deployments = map[string][]ecs.ServiceDeployment{Service: {
		{ID: "d1", Service: Service, Target: "r1", CreatedAt: Now.Add(-2 * time.Hour), Progress: ecs.Progress{Status: types.ServiceDeploymentStatusSuccessful}},
		{ID: "d2", Service: Service, Target: "r2", CreatedAt: Now.Add(-time.Hour), Progress: ecs.Progress{Status: types.ServiceDeploymentStatusSuccessful}},
	}}
	s.Definitions = map[string]types.TaskDefinition{Definition: definition(Definition, "shop:2"), Before: definition(Before, "shop:1")}
	s.Tasks = []ecs.Task{Task('1', TaskAddr), Task('2', OtherAddr)}
	for _, t := range s.Tasks {
		s.Sockets[t.Key()] = []sockets.Socket{Listens("0.0.0.0:8080"), {Local: at("10.0.0.9:40000"), Remote: at("10.0.0.50:5432"), RTT: time.Millisecond, Sent: 100}}
	}
	balance(s)
	guard(s)
	return s
}

func definition(arn, image string) types.TaskDefinition {
	return types.TaskDefinition{
		TaskDefinitionArn: &arn, Family: aws.String("web"), Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
		ExecutionRoleArn: aws.String("arn:aws:iam::1:role/exec"), Revision: 7, RegisteredAt: &Now,
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: &image, Essential: aws.Bool(true), Command: []string{"serve"},
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080), Protocol: types.TransportProtocolTcp}},
		}},
	}
}

// Task is a task of the service that runs.
func Task(digit byte, addr netip.Addr) ecs.Task {
	return ecs.Task{
		ID: TaskID(digit), Cluster: "default", Service: Service, Group: "service:web", Deployment: ecs.DeploymentID("r2"), TaskDefinition: Definition,
		CPU: "256", Memory: "512", Desired: ecs.Running, Status: ecs.Running, CreatedAt: Now.Add(-time.Hour), StartedAt: Now.Add(-59 * time.Minute),
		Subnet: "subnet-a", Zone: "us-west-2a", Network: ecs.Network{Subnets: []string{"subnet-a"}, SecurityGroups: []string{"sg-web"}}, ENI: ecs.ENI{Addr: addr},
		LoadBalancers: []ecs.LoadBalancer{{TargetGroup: Pool, ContainerName: "app", ContainerPort: 8080}},
		Containers:    []ecs.Container{{Name: "app", Image: "shop:2", Essential: true, Status: ecs.Running}},
	}
}

// balance adds the balancer, and the tasks as its targets.
func balance(s *snapshot.Snapshot) {
	s.Balancers = []elbv2.LoadBalancer{{ARN: Balancer, Name: "front", DNSName: "front-1.elb.localhost", Scheme: "internet-facing", Groups: []string{"sg-lb"}}}
	s.Interfaces = []elbv2.Interface{{LoadBalancer: Balancer, ID: "eni-lb", Addr: BalancerAddr}}
	s.Listeners = []elbv2.Listener{{ARN: Listener, LoadBalancer: Balancer, Port: 80}}
	s.Rule = []elbv2.Rule{{
		ARN: Rule, Listener: Listener, LoadBalancer: Balancer, Priority: 10, Conditions: []elbv2.Condition{{Field: "host-header", Values: []string{Host}}},
		Action: elbv2.Action{Forward: &elbv2.Forward{Groups: []elbv2.WeightedGroup{{ARN: Pool, Weight: 1}}}},
	}}
	s.TargetGroups = []elbv2.TargetGroup{{ARN: Pool, Name: "web", Port: 8080, Check: elbv2.HealthCheck{Path: "/health", Port: "traffic-port", Interval: 30, Timeout: 5, Healthy: 5, Unhealthy: 2, Matcher: "200"}}}
	s.Health = map[string]elbv2.TargetHealth{}
	for _, t := range s.Tasks {
		addr := t.ENI.Addr.String()
		s.Targets = append(s.Targets, elbv2.Target{Group: Pool, Addr: addr, Port: 8080})
		s.Health[elbv2.TargetKey(Pool, addr, 8080)] = elbv2.TargetHealth{Group: Pool, Addr: addr, Port: 8080, State: elbv2.StateHealthy, Since: t.StartedAt.Add(5 * time.Second)}
	}
	s.Zones = []record.Zone{{ID: "Z1", Name: "example.com."}}
	s.Sets = []record.Set{{Zone: "Z1", Name: Host + ".", Type: "A", Alias: &record.Alias{Zone: "ZELB", Name: "front-1.elb.localhost."}}}
}

// guard adds the security groups, and the rules that they make.
func guard(s *snapshot.Snapshot) {
	s.Groups = map[string]ec2.SecurityGroup{"sg-lb": {ID: "sg-lb", Name: "front"}, "sg-web": {ID: "sg-web", Name: "web"}, "sg-db": {ID: "sg-db", Name: "db"}}
	everywhere := []vpc.Rule{{Protocol: -1, CIDR: netip.MustParsePrefix("0.0.0.0/0")}}
	on := func(port int, group string) []vpc.Rule {
		return []vpc.Rule{{Protocol: 6, FromPort: port, ToPort: port, Group: group}}
	}
	cidr := netip.MustParsePrefix("10.0.0.0/16")
	s.Rules = &vpc.Ruleset{
		CIDR: cidr,
		Net: route.Network{
			VPCs: []route.VPC{{ID: "vpc-1", Ranges: []netip.Prefix{cidr}, ByMachine: true}},
			Subnets: []route.Subnet{{ID: "subnet-a", VPC: "vpc-1", Range: cidr, Hops: []route.Hop{
				{To: cidr, Kind: route.Local}, {To: netip.MustParsePrefix("0.0.0.0/0"), Kind: route.Internet, ID: "igw-1"},
			}}},
		},
		Groups: []vpc.Group{
			{ID: "sg-lb", Egress: everywhere, Ingress: []vpc.Rule{{Protocol: 6, FromPort: 80, ToPort: 80, CIDR: netip.MustParsePrefix("0.0.0.0/0")}}},
			{ID: "sg-web", Egress: everywhere, Ingress: on(8080, "sg-lb")},
			{ID: "sg-db", Egress: everywhere, Ingress: on(5432, "sg-web")},
		},
		Members: []vpc.Member{
			{ID: "eni-lb", Addr: BalancerAddr, Groups: []string{"sg-lb"}, Host: true, Ports: []uint16{80}},
			{ID: "eni-1", Addr: TaskAddr, Groups: []string{"sg-web"}},
			{ID: "eni-2", Addr: OtherAddr, Groups: []string{"sg-web"}},
			{ID: "eni-db", Addr: netip.MustParseAddr("10.0.0.50"), Groups: []string{"sg-db"}},
		},
	}
}

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// Listens is a socket that listens.
func Listens(addr string) sockets.Socket { return sockets.Socket{Local: at(addr), Listens: true} }

// Waits is a socket that waits for a connection to an address.
func Waits(addr string) sockets.Socket { return sockets.Socket{Remote: at(addr), Waits: true} }

// Fails lets the first target fail its check, as seen says.
func Fails(s *snapshot.Snapshot, seen elbv2.Seen) {
	seen.Asked, seen.At = "http://10.0.0.9:8080/health", Now
	key := elbv2.TargetKey(Pool, TaskAddr.String(), 8080)
	h := s.Health[key]
	h.State, h.Reason, h.Description, h.Seen, h.Since = elbv2.StateUnhealthy, "Target.FailedHealthChecks", "Health checks failed", seen, Now.Add(-time.Minute)
	s.Health[key] = h
}

// Ends lets a third task of the service end, a moment ago, which is then missed.
func Ends(s *snapshot.Snapshot, change func(*ecs.Task, *ecs.Remains)) {
	t := Task('3', netip.MustParseAddr("10.0.0.11"))
	t.CreatedAt, t.StartedAt, t.StopAt, t.StoppedAt, t.ExecutionStopped = Now.Add(-2*time.Minute), Now.Add(-100*time.Second), Now.Add(-time.Minute), Now.Add(-time.Minute), Now.Add(-time.Minute)
	t.Desired, t.Status, t.StopCode, t.Reason = ecs.Stopped, ecs.Stopped, types.TaskStopCodeEssentialContainerExited, "Essential container in task exited"
	t.Containers[0].Status, t.Containers[0].ExitCode = ecs.Stopped, aws.Int32(1)
	left := ecs.Remains{Name: "app"}
	change(&t, &left)
	s.Evidence[t.Key()] = ecs.Evidence{Containers: []ecs.Remains{left}}
	s.Tasks = append(s.Tasks, t)
	s.Services[0].Desired = 3
}

// FailsToStart is Ends of a task that never ran.
func FailsToStart(s *snapshot.Snapshot, reason string) {
	Ends(s, func(t *ecs.Task, _ *ecs.Remains) {
		t.StopCode, t.Reason, t.Containers[0].ExitCode = types.TaskStopCodeTaskFailedToStart, reason, nil
	})
}
