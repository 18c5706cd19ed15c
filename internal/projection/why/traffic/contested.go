package traffic

import (
	"fmt"
	"maps"
	"slices"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// Contested finds ports and host names that two want.
var Contested = finding.Check{
	Number: 33, Name: "port-contested", Title: "Two balancers, or a balancer and another program, want one port or host",
	Shows: "The site answers with another one's pages, or the balancer doesn't answer.",
	Known: "What the kernel said when the balancer's port was opened, and the host names of all balancers' rules on a port.",
	Mend:  "Stop the other program, use another port, or give the host to one balancer only.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return append(unbound(s), sameHost(s)...) },
}

func unbound(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, addr := range slices.Sorted(maps.Keys(s.Bound)) {
		out = append(out, finding.Finding{
			Cause: fmt.Sprintf("load balancers can't listen on %s: another program of this machine does", addr), Level: finding.Down,
			About:    []string{snapshot.MachineKey},
			Evidence: []finding.Evidence{{What: "kernel", Says: s.Bound[addr].Error()}},
			Mend:     []finding.Mend{finding.Run("see which program it is, and stop it", "ss -ltnp"), finding.Change("or start skylift serve with another --lb-address")},
		})
	}
	for _, l := range s.Listeners {
		for i := range out {
			out[i].About = append(out[i].About, snapshot.ListenerKey(l.ARN), snapshot.BalancerKey(l.LoadBalancer))
		}
	}
	return out
}

// sameHost finds host names that rules of two balancers have on one port.
func sameHost(s *snapshot.Snapshot) (out []finding.Finding) {
	type at struct {
		port int32
		host string
	}
	first := map[at]elbv2.Rule{}
	for _, r := range s.Rule {
		l, _ := s.ListenerOf(r)
		for _, h := range snapshot.HostsOf(r) {
			key := at{l.Port, h}
			other, had := first[key]
			if !had {
				first[key] = r
				continue
			}
			if other.LoadBalancer == r.LoadBalancer {
				continue
			}
			a, _ := s.Balancer(other.LoadBalancer)
			b, _ := s.Balancer(r.LoadBalancer)
			out = append(out, finding.Finding{
				Cause: fmt.Sprintf("load balancers %s and %s both have a rule for %s on port %d: a request that doesn't come by a balancer's own address goes to one of them", a.Name, b.Name, h, l.Port),
				Level: finding.Warned, About: []string{snapshot.HostKey(h), snapshot.RuleKey(r.ARN), snapshot.RuleKey(other.ARN), snapshot.BalancerKey(a.ARN), snapshot.BalancerKey(b.ARN)},
				Evidence: []finding.Evidence{{What: "rules", Says: fmt.Sprintf("%s and %s", other.ARN, r.ARN)}},
				Mend:     []finding.Mend{finding.Do("delete one of them", finding.NewCall("elbv2", "DeleteRule", "RuleArn", r.ARN))},
			})
		}
	}
	return out
}
