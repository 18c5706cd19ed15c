package groups

import (
	"fmt"
	"net/netip"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc"
)

// BalancerKeptOut finds targets that their balancer can't reach.
var BalancerKeptOut = finding.Check{
	Number: 1, Name: "balancer-kept-out", Title: "A security group keeps the balancer out of the service",
	Shows: "Targets are unhealthy with Target.Timeout, tasks are replaced again and again, and clients get 504 or 503.",
	Known: "The firewall's own decision about a connection from each of the balancer's addresses to each target's port, and to the port of the health check.",
	Mend:  "Let the balancer's group into the group of the tasks on that port, or let the balancer's group send there.",
	Find:  balancerKeptOut,
}

func balancerKeptOut(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, g := range s.TargetGroups {
		for _, b := range s.BalancersTo(g.ARN) {
			eni, ok := s.InterfaceOf(b.ARN)
			if !ok {
				continue
			}
			out = append(out, keptOutOf(s, g, b, eni.Addr)...)
		}
	}
	return out
}

// keptOutOf finds what the balancer can't reach in a group, once for the same cause.
func keptOutOf(s *snapshot.Snapshot, g elbv2.TargetGroup, b elbv2.LoadBalancer, src netip.Addr) (out []finding.Finding) {
	said := map[string]bool{}
	for _, t := range s.Targets {
		addr, err := netip.ParseAddr(t.Addr)
		if t.Group != g.ARN || !t.DeregisteredAt.IsZero() || err != nil {
			continue
		}
		for _, port := range ports(g, t) {
			v := s.Check(vpc.Flow{Protocol: tcp, Src: src, Dst: addr, SrcPort: anyPort, DstPort: port})
			if v.Admitted || v.Why != vpc.ByGroup || len(v.Groups) == 0 {
				continue
			}
			f := keptOut(s, g, b, v, src, netip.AddrPortFrom(addr, port))
			if said[f.Cause] {
				continue
			}
			said[f.Cause] = true
			h := s.Health[elbv2.TargetKey(t.Group, t.Addr, t.Port)]
			if h.State == elbv2.StateUnhealthy {
				f.Since = h.Since
				f.Evidence = append(f.Evidence, finding.Evidence{What: "health check", Says: fmt.Sprintf("target %s:%d: %s", t.Addr, t.Port, h.Description)})
			}
			out = append(out, f)
		}
	}
	return out
}

func keptOut(s *snapshot.Snapshot, g elbv2.TargetGroup, b elbv2.LoadBalancer, v vpc.Verdict, src netip.Addr, dst netip.AddrPort) finding.Finding {
	f := finding.Finding{
		Level:    finding.Down,
		Evidence: []finding.Evidence{verdict(v, src, dst.Addr(), dst.Port())},
		About:    []string{snapshot.PoolKey(g.ARN), snapshot.BalancerKey(b.ARN), snapshot.GroupKey(v.Groups[0])},
	}
	for _, svc := range s.ServicesOn(g.ARN) {
		f.About = append(f.About, snapshot.ServiceKey(svc.Key()))
	}
	if v.Blocked == vpc.Egress {
		f.Cause = fmt.Sprintf("load balancer %s can't reach the targets of %s on port %d: its security group %s lets nothing out to them", b.Name, g.Name, dst.Port(), s.Named(v.Groups))
		f.Mend = []finding.Mend{admit("let the balancer send there", vpc.Egress, v.Groups[0], dst.Port(), single(dst.Addr()))}
		return f
	}
	f.Cause = fmt.Sprintf("load balancer %s can't reach the targets of %s on port %d: their security group %s doesn't let the balancer's group %s in",
		b.Name, g.Name, dst.Port(), s.Named(v.Groups), s.Named(b.Groups))
	f.Mend = []finding.Mend{admit("let the balancer's group in", vpc.Ingress, v.Groups[0], dst.Port(), b.Groups[0])}
	return f
}
