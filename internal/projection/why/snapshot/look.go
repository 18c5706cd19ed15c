package snapshot

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// ServiceOf returns the service of a task.
func (s *Snapshot) ServiceOf(t ecs.Task) (ecs.Service, bool) {
	i := slices.IndexFunc(s.Services, func(v ecs.Service) bool { return v.Key() == t.Service })
	if t.Service == "" || i < 0 {
		return ecs.Service{}, false
	}
	return s.Services[i], true
}

// TaskAt returns the task that has an address and isn't stopped.
func (s *Snapshot) TaskAt(addr netip.Addr) (ecs.Task, bool) {
	i := slices.IndexFunc(s.Tasks, func(t ecs.Task) bool { return t.ENI.Addr == addr && t.Status != ecs.Stopped })
	if !addr.IsValid() || i < 0 {
		return ecs.Task{}, false
	}
	return s.Tasks[i], true
}

// Definition returns a container's part of a task's definition.
func (s *Snapshot) Definition(t ecs.Task, container string) (types.ContainerDefinition, bool) {
	for _, c := range s.Definitions[t.TaskDefinition].ContainerDefinitions {
		if aws.ToString(c.Name) == container {
			return c, true
		}
	}
	return types.ContainerDefinition{}, false
}

// Remains returns what is kept of a container that ended.
func (s *Snapshot) Remains(t ecs.Task, container string) ecs.Remains {
	for _, r := range s.Evidence[t.Key()].Containers {
		if r.Name == container {
			return r
		}
	}
	return ecs.Remains{}
}

// TargetGroup returns a target group by its ARN.
func (s *Snapshot) TargetGroup(arn string) (elbv2.TargetGroup, bool) {
	i := slices.IndexFunc(s.TargetGroups, func(g elbv2.TargetGroup) bool { return g.ARN == arn })
	if i < 0 {
		return elbv2.TargetGroup{}, false
	}
	return s.TargetGroups[i], true
}

// Balancer returns a load balancer by its ARN.
func (s *Snapshot) Balancer(arn string) (elbv2.LoadBalancer, bool) {
	i := slices.IndexFunc(s.Balancers, func(b elbv2.LoadBalancer) bool { return b.ARN == arn })
	if i < 0 {
		return elbv2.LoadBalancer{}, false
	}
	return s.Balancers[i], true
}

// ListenerOf returns the listener of a rule.
func (s *Snapshot) ListenerOf(r elbv2.Rule) (elbv2.Listener, bool) {
	i := slices.IndexFunc(s.Listeners, func(l elbv2.Listener) bool { return l.ARN == r.Listener })
	if i < 0 {
		return elbv2.Listener{}, false
	}
	return s.Listeners[i], true
}

// InterfaceOf returns an interface of a balancer that has an address.
func (s *Snapshot) InterfaceOf(balancer string) (elbv2.Interface, bool) {
	i := slices.IndexFunc(s.Interfaces, func(i elbv2.Interface) bool { return i.LoadBalancer == balancer && i.ID != "" })
	if i < 0 {
		return elbv2.Interface{}, false
	}
	return s.Interfaces[i], true
}

// RulesTo returns the rules that send requests to a target group.
func (s *Snapshot) RulesTo(group string) (all []elbv2.Rule) {
	for _, r := range s.Rule {
		if slices.Contains(r.Action.Groups(), group) {
			all = append(all, r)
		}
	}
	return all
}

// BalancersTo returns the balancers that send requests to a target group.
func (s *Snapshot) BalancersTo(group string) (all []elbv2.LoadBalancer) {
	for _, b := range s.Balancers {
		if slices.ContainsFunc(s.RulesTo(group), func(r elbv2.Rule) bool { return r.LoadBalancer == b.ARN }) {
			all = append(all, b)
		}
	}
	return all
}

// ServicesOn returns the services whose tasks are targets of a group.
func (s *Snapshot) ServicesOn(group string) (all []ecs.Service) {
	for _, v := range s.Services {
		if v.Status != ecs.Inactive && slices.ContainsFunc(s.Primaries[v.Key()].LoadBalancers, func(l ecs.LoadBalancer) bool {
			return l.TargetGroup == group || l.Advanced.AlternateTargetGroup == group
		}) {
			all = append(all, v)
		}
	}
	return all
}

// HostsTo returns the host names without wildcards whose requests come to a target group.
func (s *Snapshot) HostsTo(group string) (hosts []string) {
	for _, r := range s.RulesTo(group) {
		hosts = append(hosts, HostsOf(r)...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// HostsOf returns the host names without wildcards of a rule.
func HostsOf(r elbv2.Rule) (hosts []string) {
	for _, c := range r.Conditions {
		if c.Field != "host-header" {
			continue
		}
		for _, h := range c.Values {
			if !strings.ContainsAny(h, "*?") {
				hosts = append(hosts, strings.ToLower(h))
			}
		}
	}
	return hosts
}

// CheckPort is the port that a target's health check asks.
func CheckPort(g elbv2.TargetGroup, t elbv2.Target) uint16 {
	if n, err := strconv.ParseUint(g.Check.Port, 10, 16); err == nil {
		return uint16(n)
	}
	return uint16(t.Port)
}

// Named lists security groups as id (name).
func (s *Snapshot) Named(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id
		if g, ok := s.Groups[id]; ok {
			out[i] = id + " (" + g.Name + ")"
		}
	}
	return strings.Join(out, ", ")
}

// Of names a task for people: the service that it is of, or its family.
func Of(t ecs.Task) string {
	if t.Service != "" {
		_, name, _ := strings.Cut(t.Service, "/")
		return "service " + name
	}
	return "task " + Short(t.ID)
}

// Short is how much of a task's id names it.
func Short(id string) string { return id[:min(8, len(id))] }

// Revision is family:revision of a task definition's ARN.
func Revision(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// Running is how many tasks of a service run and are to go on.
func (s *Snapshot) Running(v ecs.Service) (n int) {
	for _, t := range s.Tasks {
		if t.Service == v.Key() && t.Status == ecs.Running && t.Desired == ecs.Running {
			n++
		}
	}
	return n
}

// Newest returns the tasks, the newest first.
func Newest(tasks []ecs.Task) []ecs.Task {
	out := slices.Clone(tasks)
	slices.SortFunc(out, func(a, b ecs.Task) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID)) })
	return out
}

// ExecutionRole is the name of the execution role of a task's definition; "" when it has none.
func (s *Snapshot) ExecutionRole(t ecs.Task) string {
	return RoleName(aws.ToString(s.Definitions[t.TaskDefinition].ExecutionRoleArn))
}

// RoleName is the name in a role's ARN, without its path.
func RoleName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// Inside says that an address is in a VPC.
func (s *Snapshot) Inside(addr netip.Addr) bool {
	return s.Rules.CIDR.Contains(addr) || slices.ContainsFunc(s.Rules.Net.Ranges(), func(p netip.Prefix) bool { return p.Contains(addr) })
}
