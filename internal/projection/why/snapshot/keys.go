package snapshot

import (
	"slices"

	"github.com/skylift/skylift/internal/service/ecs"
)

// What findings are about has a key: its kind, and what AWS calls it by.

// TaskKey is the key of a task.
func TaskKey(t ecs.Task) string { return "task/" + t.Key() }

// ServiceKey is the key of the service with a key.
func ServiceKey(key string) string { return "service/" + key }

// GroupKey is the key of a security group.
func GroupKey(id string) string { return "security-group/" + id }

// PoolKey is the key of a target group.
func PoolKey(arn string) string { return "target-group/" + arn }

// BalancerKey is the key of a load balancer.
func BalancerKey(arn string) string { return "load-balancer/" + arn }

// ListenerKey is the key of a listener.
func ListenerKey(arn string) string { return "listener/" + arn }

// RuleKey is the key of a listener's rule.
func RuleKey(arn string) string { return "rule/" + arn }

// HostKey is the key of a host name.
func HostKey(name string) string { return "host/" + name }

// ImageKey is the key of an image, as a task definition names it.
func ImageKey(ref string) string { return "image/" + ref }

// SecretKey is the key of a secret or parameter, as a task definition names it.
func SecretKey(from string) string { return "secret/" + from }

// RoleKey is the key of a role.
func RoleKey(arn string) string { return "role/" + arn }

// LogGroupKey is the key of a log group.
func LogGroupKey(name string) string { return "log-group/" + name }

// CertificateKey is the key of a certificate.
func CertificateKey(arn string) string { return "certificate/" + arn }

// AddressKey is the key of an address.
func AddressKey(addr string) string { return "address/" + addr }

// MachineKey is the machine's.
const MachineKey = "machine"

// Around returns a thing's key and those of what it depends on, so that what is wrong with them is why the thing is
// wrong.
func (s *Snapshot) Around(key string) map[string]bool {
	w := walk{s, map[string]bool{}}
	w.from(key)
	return w.seen
}

type walk struct {
	*Snapshot
	seen map[string]bool
}

func (w walk) add(key string) (fresh bool) {
	fresh = !w.seen[key]
	w.seen[key] = true
	return fresh
}

func (w walk) from(key string) {
	w.add(key)
	for _, t := range w.Tasks {
		if TaskKey(t) == key {
			if t.Service != "" {
				w.add(ServiceKey(t.Service))
			}
			w.pools(t.LoadBalancers)
		}
	}
	for _, v := range w.Services {
		if ServiceKey(v.Key()) == key {
			w.service(v)
		}
	}
	for _, g := range w.TargetGroups {
		if PoolKey(g.ARN) == key {
			w.pool(g.ARN)
		}
	}
	w.fromBalancing(key)
}

// fromBalancing goes from a balancer, listener, rule or host name to the groups that requests come to.
func (w walk) fromBalancing(key string) {
	for _, r := range w.Rule {
		l, _ := w.ListenerOf(r)
		isHost := slices.ContainsFunc(HostsOf(r), func(h string) bool { return HostKey(h) == key })
		b, _ := w.Balancer(r.LoadBalancer)
		if !isHost && key != RuleKey(r.ARN) && key != ListenerKey(r.Listener) && key != BalancerKey(r.LoadBalancer) && key != HostKey(b.DNSName) {
			continue
		}
		w.add(RuleKey(r.ARN))
		w.add(ListenerKey(l.ARN))
		w.add(BalancerKey(r.LoadBalancer))
		for _, c := range l.Certificates() {
			w.add(CertificateKey(c))
		}
		for _, g := range r.Action.Groups() {
			w.pool(g)
		}
	}
}

func (w walk) service(v ecs.Service) {
	w.add(ServiceKey(v.Key()))
	for _, t := range w.Tasks {
		if t.Service == v.Key() {
			w.add(TaskKey(t))
		}
	}
	w.pools(w.Primaries[v.Key()].LoadBalancers)
}

func (w walk) pools(all []ecs.LoadBalancer) {
	for _, l := range all {
		if !w.add(PoolKey(l.TargetGroup)) {
			continue
		}
		for _, b := range w.BalancersTo(l.TargetGroup) {
			w.add(BalancerKey(b.ARN))
		}
	}
}

// pool goes from a target group to the services on it.
func (w walk) pool(arn string) {
	w.add(PoolKey(arn))
	for _, b := range w.BalancersTo(arn) {
		w.add(BalancerKey(b.ARN))
	}
	for _, v := range w.ServicesOn(arn) {
		w.service(v)
	}
}
