package why

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// thing is what was asked about.
type thing struct {
	key, name string
	task      bool // a task: what is past is told of it, too
}

// resolve finds out what ref means: an id, a name, an ARN, an address, a host name or a URL. Error: ErrNone.
func resolve(s *snapshot.Snapshot, ref, cluster string) (thing, error) {
	for _, as := range []func(*snapshot.Snapshot, string, string) (thing, bool){asService, asTask, asBalancing, asHost, asAddress, asOther} {
		if t, ok := as(s, ref, cluster); ok {
			return t, nil
		}
	}
	return thing{}, ErrNone
}

func asService(s *snapshot.Snapshot, ref, cluster string) (thing, bool) {
	for _, kind := range []string{":service-deployment/", ":service-revision/"} { // cluster/service/id
		if _, rest, ok := strings.Cut(ref, kind); ok {
			ref = rest[:max(0, strings.LastIndex(rest, "/"))]
		}
	}
	name, cluster := bare(ref, ":service/", cluster)
	i := slices.IndexFunc(s.Services, func(v ecs.Service) bool {
		return v.Name == name && (cluster == "" || v.Cluster == cluster) && v.Status != ecs.Inactive
	})
	if i < 0 {
		i = slices.IndexFunc(s.Services, func(v ecs.Service) bool { return v.Name == name && (cluster == "" || v.Cluster == cluster) })
	}
	if i < 0 {
		return thing{}, false
	}
	v := s.Services[i]
	return thing{key: snapshot.ServiceKey(v.Key()), name: fmt.Sprintf("service %s in cluster %s", v.Name, v.Cluster)}, true
}

// bare cuts an ARN, or cluster/name, down to the name.
func bare(ref, kind, cluster string) (name, of string) {
	if _, rest, ok := strings.Cut(ref, kind); ok {
		ref = rest
	}
	if c, rest, ok := strings.Cut(ref, "/"); ok {
		return rest, c
	}
	return ref, cluster
}

func asTask(s *snapshot.Snapshot, ref, cluster string) (thing, bool) {
	id, cluster := bare(ref, ":task/", cluster)
	i := slices.IndexFunc(s.Tasks, func(t ecs.Task) bool {
		return len(id) >= shortest && strings.HasPrefix(t.ID, id) && (cluster == "" || t.Cluster == cluster)
	})
	if i < 0 {
		return thing{}, false
	}
	t := s.Tasks[i]
	return thing{snapshot.TaskKey(t), fmt.Sprintf("task %s of %s (cluster %s)", t.ID, snapshot.Revision(t.TaskDefinition), t.Cluster), true}, true
}

func asBalancing(s *snapshot.Snapshot, ref, _ string) (thing, bool) {
	for _, b := range s.Balancers {
		if ref == b.ARN || ref == b.Name || ref == b.DNSName {
			return thing{key: snapshot.BalancerKey(b.ARN), name: "load balancer " + b.Name}, true
		}
	}
	for _, g := range s.TargetGroups {
		if ref == g.ARN || ref == g.Name {
			return thing{key: snapshot.PoolKey(g.ARN), name: "target group " + g.Name}, true
		}
	}
	for _, l := range s.Listeners {
		if ref == l.ARN {
			return thing{key: snapshot.ListenerKey(l.ARN), name: fmt.Sprintf("the listener on port %d", l.Port)}, true
		}
	}
	for _, r := range s.Rule {
		if ref == r.ARN {
			return thing{key: snapshot.RuleKey(r.ARN), name: fmt.Sprintf("the rule with priority %d", r.Priority)}, true
		}
	}
	for _, c := range s.Certificates {
		if ref == c.ARN {
			return thing{key: snapshot.CertificateKey(c.ARN), name: "the certificate for " + c.Domain}, true
		}
	}
	return thing{}, false
}

// asHost takes a host name that a rule, a record or a certificate has, or a URL with one.
func asHost(s *snapshot.Snapshot, ref, _ string) (thing, bool) {
	name := strings.TrimSuffix(strings.ToLower(ref), ".")
	if u, err := url.Parse(ref); err == nil && u.Host != "" {
		name = strings.ToLower(u.Hostname())
	}
	for _, b := range s.Balancers {
		if name == b.DNSName {
			return thing{key: snapshot.BalancerKey(b.ARN), name: "load balancer " + b.Name}, true
		}
	}
	for _, r := range s.Rule {
		if slices.Contains(snapshot.HostsOf(r), name) {
			return thing{key: snapshot.HostKey(name), name: "host name " + name}, true
		}
	}
	for _, set := range s.Sets {
		if set.Name == name+"." {
			return thing{key: snapshot.HostKey(name), name: "host name " + name}, true
		}
	}
	for _, z := range s.Zones {
		if name+"." == z.Name || strings.HasSuffix(name, "."+strings.TrimSuffix(z.Name, ".")) {
			return thing{key: snapshot.HostKey(name), name: "host name " + name}, true
		}
	}
	return thing{}, false
}

func asAddress(s *snapshot.Snapshot, ref, _ string) (thing, bool) {
	addr, err := netip.ParseAddr(ref)
	if at, withPort := netip.ParseAddrPort(ref); withPort == nil {
		addr, err = at.Addr(), nil
	}
	if err != nil {
		return thing{}, false
	}
	if t, ok := s.TaskAt(addr); ok {
		return thing{key: snapshot.TaskKey(t), name: fmt.Sprintf("%s, the address of a task of %s", addr, snapshot.Of(t))}, true
	}
	return thing{key: snapshot.AddressKey(addr.String()), name: "address " + addr.String()}, true
}

// asOther takes what task definitions and groups name.
func asOther(s *snapshot.Snapshot, ref, _ string) (thing, bool) {
	for _, g := range s.Groups {
		if ref == g.ID || ref == g.Name && ref != "default" {
			return thing{key: snapshot.GroupKey(g.ID), name: fmt.Sprintf("security group %s (%s)", g.ID, g.Name)}, true
		}
	}
	for _, t := range s.Tasks {
		for _, c := range t.Containers {
			if c.Image == ref {
				return thing{key: snapshot.ImageKey(ref), name: "image " + ref}, true
			}
		}
		if t.Role != "" && (t.Role == ref || snapshot.RoleName(t.Role) == ref) {
			return thing{key: snapshot.RoleKey(t.Role), name: "role " + ref}, true
		}
	}
	for _, d := range s.Definitions {
		for _, c := range d.ContainerDefinitions {
			for _, v := range c.Secrets {
				if v.ValueFrom != nil && (*v.ValueFrom == ref || strings.HasSuffix(*v.ValueFrom, ref)) {
					return thing{key: snapshot.SecretKey(*v.ValueFrom), name: "secret " + ref}, true
				}
			}
		}
	}
	return thing{}, false
}
