package why

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/groups"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// internet stands for what is beyond the machine. It is an address that no rule names on purpose (RFC 5737).
var internet = netip.MustParseAddr("203.0.113.1")

// Around returns the keys of a thing and of what it depends on; nil when ref is "" or nothing.
func Around(s *snapshot.Snapshot, ref, cluster string) map[string]bool {
	t, err := resolve(s, ref, cluster)
	if ref == "" || err != nil {
		return nil
	}
	return s.Around(t.key)
}

// Reach finds why a can't reach b on a port: a task or a service, and a task, service, balancer, address or the internet.
// Without a port those that b listens on are asked. Error: ErrNone.
func Reach(s *snapshot.Snapshot, a, b, port, cluster string) (Answer, error) {
	from := sources(s, a, cluster)
	if len(from) == 0 {
		return Answer{}, fmt.Errorf("%q: %w", a, ErrNone)
	}
	to, err := destinations(s, b, port, cluster)
	if err != nil {
		return Answer{}, err
	}
	out := Answer{Thing: fmt.Sprintf("whether %s reaches %s", a, b), Findings: []finding.Finding{}, Unknown: s.Unknown}
	said := map[string]bool{}
	for _, t := range from {
		for _, at := range to {
			f, refused := groups.Refused(s, t, at)
			if !refused {
				continue
			}
			if !said[f.Cause] {
				said[f.Cause] = true
				out.Findings = append(out.Findings, f)
			}
		}
	}
	if len(out.Findings) == 0 {
		out.Looked = reached(s, from, to)
	}
	return out, nil
}

// sources are the running tasks that ref means.
func sources(s *snapshot.Snapshot, ref, cluster string) (all []ecs.Task) {
	t, err := resolve(s, ref, cluster)
	if err != nil {
		return nil
	}
	for _, task := range s.Tasks {
		if task.Status != ecs.Stopped && task.ENI.Addr.IsValid() && (snapshot.TaskKey(task) == t.key || snapshot.ServiceKey(task.Service) == t.key) {
			all = append(all, task)
		}
	}
	return all
}

// httpPort is what is asked where nobody says a port and nothing is known to listen.
const httpPort = 80

// destinations are the addresses that ref means, with the port that was asked for or those that listen there.
func destinations(s *snapshot.Snapshot, ref, port, cluster string) (all []netip.AddrPort, err error) {
	asked, err := strconv.ParseUint(port, 10, 16)
	if port != "" && (err != nil || asked == 0) {
		return nil, fmt.Errorf("port %q: it must be a number from 1 to 65535: %w", port, ErrNone)
	}
	add := func(addr netip.Addr, listens ...uint16) {
		if asked != 0 {
			listens = []uint16{uint16(asked)}
		}
		for _, p := range listens {
			all = append(all, netip.AddrPortFrom(addr, p))
		}
	}
	if at, err := netip.ParseAddrPort(ref); err == nil {
		return []netip.AddrPort{at}, nil
	}
	if addr, err := netip.ParseAddr(ref); err == nil {
		add(addr, httpPort)
		return all, nil
	}
	if strings.EqualFold(ref, "internet") {
		add(internet, 443)
		return all, nil
	}
	for _, t := range sources(s, ref, cluster) {
		add(t.ENI.Addr, listens(s, t)...)
	}
	t, err := resolve(s, ref, cluster)
	for _, i := range s.Interfaces {
		if err == nil && snapshot.BalancerKey(i.LoadBalancer) == t.key && i.Addr.IsValid() {
			add(i.Addr, ports(s, i.LoadBalancer)...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%q has no address that is known, or listens nowhere: %w", ref, ErrNone)
	}
	return all, nil
}

// listens are the ports on which a task's processes listen for others, and those of its definition.
func listens(s *snapshot.Snapshot, t ecs.Task) (all []uint16) {
	for _, k := range s.Sockets[t.Key()] {
		if k.Listens && !k.Local.Addr().IsLoopback() {
			all = append(all, k.Local.Port())
		}
	}
	for _, c := range s.Definitions[t.TaskDefinition].ContainerDefinitions {
		for _, m := range c.PortMappings {
			if m.ContainerPort != nil {
				all = append(all, uint16(*m.ContainerPort))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ports are those that a balancer listens on.
func ports(s *snapshot.Snapshot, balancer string) (all []uint16) {
	for _, l := range s.Listeners {
		if l.LoadBalancer == balancer {
			all = append(all, uint16(l.Port))
		}
	}
	return all
}

// reached says what was looked at when nothing is in the way, and whether anything listens there.
func reached(s *snapshot.Snapshot, from []ecs.Task, to []netip.AddrPort) (out []string) {
	for _, at := range to {
		line := fmt.Sprintf("the security groups let a connection from %s to %s through", from[0].ENI.Addr, at)
		if peer, ok := s.TaskAt(at.Addr()); ok && s.Sockets[peer.Key()] != nil && !slices.Contains(listens(s, peer), at.Port()) {
			line += "; but nothing of " + snapshot.Of(peer) + " listens there"
		}
		out = append(out, line)
	}
	return out
}
