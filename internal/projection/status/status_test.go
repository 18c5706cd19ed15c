package status

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/projection/firewall"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/elbv2"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// site is a balancer in group sg-lb that forwards to a target in group sg-web.
func site(groups []ec2.SecurityGroup) Input {
	lbAddr, webAddr := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.9")
	rules := firewall.Build(firewall.Records{Groups: groups, Interfaces: []*ec2.Interface{
		{ID: "eni-lb", Type: "load_balancer", Addr: lbAddr, Groups: []string{"sg-lb"}},
		{ID: "eni-web", Addr: webAddr, Groups: []string{"sg-web"}},
	}, Ports: map[string][]uint16{"eni-lb": {81}}})
	rules.CIDR = netip.MustParsePrefix("10.0.0.0/16")
	return Input{
		Rules: rules, SecurityGroups: groups, Now: now,
		balancers:  []elbv2.LoadBalancer{{ARN: "lb", Name: "demo", Scheme: "internet-facing", DNSName: "demo.elb.localhost", Groups: []string{"sg-lb"}}},
		interfaces: []elbv2.Interface{{LoadBalancer: "lb", ID: "eni-lb", Addr: lbAddr}},
		listeners:  []elbv2.Listener{{ARN: "l", LoadBalancer: "lb", Port: 81}},
		rules: []elbv2.Rule{{
			Listener: "l", LoadBalancer: "lb", Conditions: []elbv2.Condition{{Field: "host-header", Values: []string{"shop.test"}}},
			Action: elbv2.Action{Forward: &elbv2.Forward{Groups: []elbv2.WeightedGroup{{ARN: "tg", Weight: 1}}}},
		}},
		groups:  []elbv2.TargetGroup{{ARN: "tg", Name: "shop", Check: elbv2.HealthCheck{Port: "traffic-port"}}},
		targets: []elbv2.Target{{Group: "tg", Addr: webAddr.String(), Port: 8080}},
		health: map[string]elbv2.TargetHealth{
			elbv2.TargetKey("tg", webAddr.String(), 8080): {State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out"},
		},
	}
}

func group(id string, ingress, egress []ec2.Rule) ec2.SecurityGroup {
	return ec2.SecurityGroup{ID: id, Name: strings.TrimPrefix(id, "sg-"), Rules: append(ingress, egress...)}
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	all := ec2.Rule{Egress: true, Protocol: "-1", CIDR: netip.MustParsePrefix("0.0.0.0/0")}
	open := ec2.Rule{Protocol: "tcp", From: 81, To: 81, CIDR: netip.MustParsePrefix("0.0.0.0/0")}
	fromLB := ec2.Rule{Protocol: "tcp", From: 8080, To: 8080, Group: "sg-lb"}
	tests := []struct {
		name    string
		lb, web []ec2.Rule
		want    []string // the fixes
	}{
		{"all open", []ec2.Rule{all, open}, []ec2.Rule{all, fromLB}, nil},
		{
			"targets closed",
			[]ec2.Rule{all, open},
			[]ec2.Rule{all},
			[]string{"aws ec2 authorize-security-group-ingress --group-id sg-web --protocol tcp --port 8080 --source-group sg-lb"},
		},
		{
			"balancer lets nothing out",
			[]ec2.Rule{open},
			[]ec2.Rule{all, fromLB},
			[]string{"aws ec2 authorize-security-group-egress --group-id sg-lb --protocol tcp --port 8080 --cidr 10.0.0.9/32"},
		},
		{
			"balancer lets nobody in",
			[]ec2.Rule{all},
			[]ec2.Rule{all, fromLB},
			[]string{"aws ec2 authorize-security-group-ingress --group-id sg-lb --protocol tcp --port 81 --cidr 0.0.0.0/0"},
		},
		{"balancer meant for some", []ec2.Rule{all, {Protocol: "tcp", From: 81, To: 81, CIDR: netip.MustParsePrefix("192.0.2.0/24")}}, []ec2.Rule{all, fromLB}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Build(site([]ec2.SecurityGroup{group("sg-lb", tt.lb, nil), group("sg-web", tt.web, nil)}))
			var got []string
			for _, b := range r.Blocked {
				got = append(got, b.Fix)
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("fixes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	in := site(nil)
	in.clusters = []ecs.Cluster{{Name: "default", Status: ecs.Active}, {Name: "gone", Status: ecs.Inactive}}
	in.services = []ecs.Service{{Cluster: "default", Name: "web", Status: ecs.Active, Desired: 2}, {Cluster: "default", Name: "old", Status: ecs.Inactive}}
	in.deployments = map[string]ecs.Deployment{"default/web": {
		ID: "d2", Service: "default/web", Spec: ecs.Spec{TaskDefinition: "arn:aws:ecs:r:1:task-definition/web:7"},
		Rollout: ecs.Rollout{State: types.DeploymentRolloutStateInProgress},
	}}
	task := func(status string, change func(*ecs.Task)) ecs.Task {
		t := ecs.Task{Cluster: "default", Service: "default/web", Deployment: "d2", Desired: ecs.Running, Status: status}
		change(&t)
		return t
	}
	in.tasks = []ecs.Task{
		task(ecs.Running, func(*ecs.Task) {}),
		task(ecs.Pending, func(*ecs.Task) {}),
		task(ecs.Stopped, func(t *ecs.Task) {
			t.Desired, t.StopCode, t.Reason, t.StopAt = ecs.Stopped, types.TaskStopCodeTaskFailedToStart, "CannotPullContainerError: no such tag", now.Add(-time.Minute)
		}),
		task(ecs.Stopped, func(t *ecs.Task) {
			t.Deployment, t.Desired, t.StopCode, t.Reason, t.StopAt = "d1", ecs.Stopped, types.TaskStopCodeTaskFailedToStart, "of an older deployment", now
		}),
	}
	in.tasks[0].Versions = map[string]string{"/new": "3", "/old": "2", "/gone": "1"}
	in.tasks[1].Versions = map[string]string{"/old": "1"} // it doesn't run yet
	in.versions = map[string]string{"/new": "3", "/old": "3", "/gone": ""}
	r := Build(in)
	if len(r.Clusters) != 1 || len(r.Clusters[0].Services) != 1 {
		t.Fatalf("clusters: %+v", r.Clusters)
	}
	want := Service{
		Name: "web", Status: "ACTIVE", Desired: 2, Running: 1, Pending: 1, TaskDefinition: "web:7", Rollout: "IN_PROGRESS",
		LastFailure: "CannotPullContainerError: no such tag", Outdated: []Outdated{{From: "/old", Tasks: 1}},
	}
	if diff := cmp.Diff(want, r.Clusters[0].Services[0]); diff != "" {
		t.Errorf("service (-want +got):\n%s", diff)
	}
	if b := r.LoadBalancers[0]; b.URLs[0] != "http://demo.elb.localhost:81/" || b.HostNames[0] != "shop.test" {
		t.Errorf("balancer %+v", b)
	}
	if g := r.TargetGroups[0]; g.Healthy != 0 || g.Total != 1 || g.Targets[0].Description != "Request timed out" {
		t.Errorf("target group %+v", g)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]elbv2.Listener{
		"http://a.test/": {Port: 80}, "http://a.test:443/": {Port: 443},
		"https://a.test/": {Port: 443, TLS: &elbv2.TLS{}}, "https://a.test:80/": {Port: 80, TLS: &elbv2.TLS{}},
	} {
		if got := address("a.test", l); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestCapacity(t *testing.T) {
	t.Parallel()
	in := site(nil)
	in.Total, in.Reserved = place.Size{CPU: 8192, Memory: 3584}, place.Size{CPU: 768, Memory: 1536}
	in.Waiting = []place.Waiting{{Key: "default/web", Wait: place.Wait{Each: place.Size{CPU: 256, Memory: 512}, Tasks: 2, Since: now}}}
	got := Build(in).Capacity
	want := Waiting{Service: "default/web", Tasks: 2, Each: Size{512, 0.25}, Since: now}
	if got.Total != (Size{3584, 8}) || got.Reserved != (Size{1536, 0.75}) || len(got.Waiting) != 1 || got.Waiting[0] != want {
		t.Errorf("got %+v", got)
	}
}
