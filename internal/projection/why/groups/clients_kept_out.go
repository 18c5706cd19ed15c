package groups

import (
	"fmt"
	"net/netip"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc"
)

// ClientsKeptOut finds listeners that nobody from outside can reach.
var ClientsKeptOut = finding.Check{
	Number: 2, Name: "clients-kept-out", Title: "The balancer's security group keeps clients out",
	Shows: "Browsers wait until they give up; nothing is in the access log.",
	Known: "The firewall's own decision about a connection from outside to each listener's port. A listener that a rule opens to some addresses is left alone: its owner wants it that way.",
	Mend:  "Let clients into the balancer's group on the listener's port.",
	Find:  clientsKeptOut,
}

// everyone stands for any client of an internet-facing balancer. It is an address
// that no rule names on purpose (RFC 5737).
var everyone = netip.MustParseAddr("203.0.113.1")

func clientsKeptOut(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, l := range s.Listeners {
		b, known := s.Balancer(l.LoadBalancer)
		eni, placed := s.InterfaceOf(l.LoadBalancer)
		if !known || !placed || b.Scheme != "internet-facing" || len(b.Groups) == 0 || opensSomebody(s, b.Groups, int(l.Port)) {
			continue
		}
		v := s.Check(vpc.Flow{Protocol: tcp, Src: everyone, Dst: eni.Addr, SrcPort: anyPort, DstPort: uint16(l.Port)})
		if !v.Admitted && v.Why == vpc.ByGroup {
			out = append(out, noClients(s, b, l, eni.Addr))
		}
	}
	return out
}

func noClients(s *snapshot.Snapshot, b elbv2.LoadBalancer, l elbv2.Listener, addr netip.Addr) finding.Finding {
	return finding.Finding{
		Level: finding.Down,
		Cause: fmt.Sprintf("nobody can reach load balancer %s on port %d: no rule of its security group %s lets anyone in", b.Name, l.Port, s.Named(b.Groups)),
		Evidence: []finding.Evidence{
			{What: "firewall", Says: fmt.Sprintf("TCP from outside to %s: the balancer's groups have no rule that admits it", netip.AddrPortFrom(addr, uint16(l.Port)))},
		},
		Mend:  []finding.Mend{admit("let everybody in", vpc.Ingress, b.Groups[0], uint16(l.Port), "0.0.0.0/0")},
		About: []string{snapshot.ListenerKey(l.ARN), snapshot.BalancerKey(b.ARN), snapshot.GroupKey(b.Groups[0])},
	}
}
