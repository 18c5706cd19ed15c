package groups

import (
	"fmt"
	"net/netip"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/vpc"
)

// PeerKeptOut finds connections that a task is asking for in vain, inside the VPCs.
var PeerKeptOut = finding.Check{
	Number: 3, Name: peerKeptOut, Title: "A security group keeps an app from its database",
	Shows: "The app hangs, or says that a connection timed out.",
	Known: "The connections that the task's processes ask for just now and nobody answers, and the firewall's own decision about each.",
	Mend:  "Let the app's group into the group of what it connects to, or let the app's group send there: the answer names the side.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return waiting(s, peerKeptOut) },
}

// EgressClosed finds connections that a task is asking for in vain, outside the VPCs.
var EgressClosed = finding.Check{
	Number: 4, Name: egressClosed, Title: "No egress rule lets the task out",
	Shows: "The app can't reach an API or a mirror on the internet: connections time out.",
	Known: "The connections that the task's processes ask for just now and nobody answers, and the firewall's own decision about each.",
	Mend:  "Add an egress rule to the task's group.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return waiting(s, egressClosed) },
}

// The checks that Refused tells apart.
const (
	peerKeptOut  = "peer-kept-out"
	egressClosed = "egress-closed"
	noWay        = "no-way"
)

// waiting finds what the tasks wait for and the firewall refuses for what a check is about.
func waiting(s *snapshot.Snapshot, check string) (out []finding.Finding) {
	for _, t := range s.Tasks {
		said := map[string]bool{}
		for _, k := range s.Sockets[t.Key()] {
			if !k.Waits {
				continue
			}
			f, refused := Refused(s, t, k.Remote)
			if !refused || f.Check != check || said[f.Cause] {
				continue
			}
			said[f.Cause] = true
			f.Evidence = append([]finding.Evidence{{What: "connection", Says: fmt.Sprintf("task %s asks for a connection to %s, and nobody answers", snapshot.Short(t.ID), k.Remote)}}, f.Evidence...)
			out = append(out, f)
		}
	}
	return out
}

// Refused tells why a connection from a task to an address is refused, and which check is about that; false: the firewall
// admits it.
func Refused(s *snapshot.Snapshot, t ecs.Task, to netip.AddrPort) (finding.Finding, bool) {
	v := s.Check(vpc.Flow{Protocol: tcp, Src: t.ENI.Addr, Dst: to.Addr(), SrcPort: anyPort, DstPort: to.Port()})
	if v.Admitted {
		return finding.Finding{}, false
	}
	f := finding.Finding{
		Check: peerKeptOut, Level: finding.Limited, Evidence: []finding.Evidence{verdict(v, t.ENI.Addr, to.Addr(), to.Port())},
		About: []string{snapshot.TaskKey(t), snapshot.ServiceKey(t.Service), snapshot.AddressKey(to.Addr().String())},
	}
	name := to.String()
	if peer, ok := s.TaskAt(to.Addr()); ok {
		name = snapshot.Of(peer) + " at " + to.String()
		f.About = append(f.About, snapshot.TaskKey(peer), snapshot.ServiceKey(peer.Service))
	}
	switch {
	case v.Why != vpc.ByGroup:
		f.Check = noWay
		f.Cause = fmt.Sprintf("%s can't reach %s: %s", snapshot.Of(t), name, missing(v))
		f.Mend = ways(s, v, t, to)
	case len(v.Groups) == 0:
		f.Cause = fmt.Sprintf("%s can't reach %s: nobody has that address, or nothing of it listens there", snapshot.Of(t), name)
		f.Mend = []finding.Mend{finding.Change("look where the app is told to connect to")}
	case v.Blocked == vpc.Egress:
		if !s.Inside(to.Addr()) {
			f.Check = egressClosed
		}
		f.Cause = fmt.Sprintf("%s can't reach %s: its own security group %s has no egress rule for port %d", snapshot.Of(t), name, s.Named(v.Groups), to.Port())
		f.Mend = []finding.Mend{admit("let it out", vpc.Egress, v.Groups[0], to.Port(), single(to.Addr()))}
		f.About = append(f.About, snapshot.GroupKey(v.Groups[0]))
	default:
		f.Cause = fmt.Sprintf("%s can't reach %s: the security group there, %s, has no ingress rule for port %d from %s", snapshot.Of(t), name, s.Named(v.Groups), to.Port(), s.Named(t.Network.SecurityGroups))
		f.Mend = []finding.Mend{admit("let it in", vpc.Ingress, v.Groups[0], to.Port(), t.Network.SecurityGroups[0])}
		f.About = append(f.About, snapshot.GroupKey(v.Groups[0]))
	}
	return f, true
}
