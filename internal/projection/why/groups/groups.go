// Package groups finds traffic that security groups keep out, by the decision
// that the kernel makes.
package groups

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc"
)

const tcp = 6

// anyPort is a client's port in questions that it doesn't matter for.
const anyPort = 50000

// Checks are those of this package.
var Checks = []finding.Check{BalancerKeptOut, ClientsKeptOut, PeerKeptOut, EgressClosed, NoWay}

// admit is the mend that adds a rule for TCP on a port to a group. peer is a range or the id of a group.
func admit(say string, side vpc.Side, group string, port uint16, peer string) finding.Mend {
	operation, command := "AuthorizeSecurityGroupIngress", "authorize-security-group-ingress"
	if side == vpc.Egress {
		operation, command = "AuthorizeSecurityGroupEgress", "authorize-security-group-egress"
	}
	m := finding.Do(say, finding.NewCall("ec2", operation, "GroupId", group, "IpPermissions", permission(port, peer)))
	flag := "--source-group"
	if _, err := netip.ParsePrefix(peer); err == nil {
		flag = "--cidr"
	}
	if side == vpc.Ingress || flag == "--cidr" { // the CLI's short form has no group for egress
		m.Command = fmt.Sprintf("aws ec2 %s --group-id %s --protocol tcp --port %d %s %s", command, group, port, flag, peer)
	}
	return m
}

// permission admits TCP on a port; peer is a range or the id of a group.
func permission(port uint16, peer string) []any {
	p := map[string]any{"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
	if _, err := netip.ParsePrefix(peer); err == nil {
		p["IpRanges"] = []any{map[string]string{"CidrIp": peer}}
	} else {
		p["UserIdGroupPairs"] = []any{map[string]string{"GroupId": peer}}
	}
	return []any{p}
}

// verdict is how the firewall's answer is told.
func verdict(v vpc.Verdict, src, dst netip.Addr, port uint16) finding.Evidence {
	side := "the groups of the sender"
	if v.Blocked == vpc.Ingress {
		side = "the groups of the receiver"
	}
	if v.Why != vpc.ByGroup {
		return finding.Evidence{What: "firewall", Says: fmt.Sprintf("TCP from %s to %s is dropped: %s", src, netip.AddrPortFrom(dst, port), missing(v))}
	}
	return finding.Evidence{
		What: "firewall",
		Says: fmt.Sprintf("TCP from %s to %s: %s have no rule that admits it", src, netip.AddrPortFrom(dst, port), side),
	}
}

// ports returns the ports that a balancer must reach at a target: the target's own
// and the health check's.
func ports(g elbv2.TargetGroup, t elbv2.Target) []uint16 {
	out := []uint16{uint16(t.Port)}
	if check := snapshot.CheckPort(g, t); check != out[0] {
		out = append(out, check)
	}
	return out
}

// opensSomebody says that a rule of the groups lets some addresses in on the TCP port.
func opensSomebody(s *snapshot.Snapshot, groups []string, port int) bool {
	for _, g := range s.Rules.Groups {
		if slices.Contains(groups, g.ID) && slices.ContainsFunc(g.Ingress, func(r vpc.Rule) bool {
			return r.CIDR.IsValid() && (r.Protocol == -1 || r.Protocol == tcp && r.FromPort <= port && port <= r.ToPort)
		}) {
			return true
		}
	}
	return false
}

func single(a netip.Addr) string { return a.String() + "/" + strconv.Itoa(a.BitLen()) }
