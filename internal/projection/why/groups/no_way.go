package groups

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc"
)

// NoWay finds connections that no route leads to, or that a network ACL denies.
var NoWay = finding.Check{
	Number: 5, Name: noWay, Title: "A network ACL, a missing route, peering or NAT gateway is in the way",
	Shows: "Connections time out though the security groups admit them: to the internet from a private subnet, to another VPC, or between subnets.",
	Known: "The firewall's own decision about the connections that tasks ask for in vain, and about each balancer's to its targets: it goes by the subnet's routes, its ACL and the public addresses.",
	Mend:  "Add the route, the NAT gateway or the peering, give the task a public address, or allow the traffic in the ACL.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return append(waiting(s, noWay), unreached(s)...) },
}

// unreached finds targets that no balancer's connections get to, for another reason than a group.
func unreached(s *snapshot.Snapshot) (out []finding.Finding) {
	said := map[string]bool{}
	for _, t := range s.Targets {
		g, known := s.TargetGroup(t.Group)
		addr, err := netip.ParseAddr(t.Addr)
		if !known || err != nil || !t.DeregisteredAt.IsZero() {
			continue
		}
		for _, b := range s.BalancersTo(t.Group) {
			eni, placed := s.InterfaceOf(b.ARN)
			at := netip.AddrPortFrom(addr, snapshot.CheckPort(g, t))
			v := s.Check(vpc.Flow{Protocol: tcp, Src: eni.Addr, Dst: addr, SrcPort: anyPort, DstPort: at.Port()})
			if !placed || v.Admitted || v.Why == vpc.ByGroup {
				continue
			}
			f := keptApart(s, g, b, v, at)
			if !said[f.Cause] {
				said[f.Cause] = true
				out = append(out, f)
			}
		}
	}
	return out
}

func keptApart(s *snapshot.Snapshot, g elbv2.TargetGroup, b elbv2.LoadBalancer, v vpc.Verdict, at netip.AddrPort) finding.Finding {
	eni, _ := s.InterfaceOf(b.ARN)
	f := finding.Finding{
		Check: noWay, Level: finding.Down, Cause: fmt.Sprintf("load balancer %s can't reach the targets of %s: %s", b.Name, g.Name, missing(v)),
		Evidence: []finding.Evidence{verdict(v, eni.Addr, at.Addr(), at.Port())}, Mend: ways(s, v, ecs.Task{ENI: ecs.ENI{Addr: eni.Addr}}, at),
		About: []string{snapshot.PoolKey(g.ARN), snapshot.BalancerKey(b.ARN)},
	}
	for _, svc := range s.ServicesOn(g.ARN) {
		f.About = append(f.About, snapshot.ServiceKey(svc.Key()))
	}
	return f
}

// missing says what stops a connection, other than a group.
func missing(v vpc.Verdict) string {
	switch {
	case v.Why == vpc.ByACL:
		return fmt.Sprintf("entry %d of network ACL %s of subnet %s denies it", v.Entry, v.ACL, v.Subnet)
	case v.Why == vpc.NoPublic:
		return fmt.Sprintf("subnet %s leads there by internet gateway %s, and it has no public address", v.Subnet, v.Hop.ID)
	case v.Hop.ID != "":
		return fmt.Sprintf("the route of subnet %s to %s leads to %s, which isn't there", v.Subnet, v.Hop.To, v.Hop.ID)
	}
	return fmt.Sprintf("subnet %s has no route there", v.Subnet)
}

// ways are what puts that right.
func ways(s *snapshot.Snapshot, v vpc.Verdict, t ecs.Task, to netip.AddrPort) []finding.Mend {
	switch v.Why {
	case vpc.ByACL:
		other := single(to.Addr())
		if v.Blocked == vpc.Ingress {
			other = single(t.ENI.Addr)
		}
		m := finding.Do("allow it before that entry", finding.NewCall("ec2", "CreateNetworkAclEntry", "NetworkAclId", v.ACL, "RuleNumber", max(1, v.Entry-1),
			"Protocol", "6", "RuleAction", "allow", "Egress", v.Blocked == vpc.Egress, "CidrBlock", other, "PortRange", map[string]uint16{"From": to.Port(), "To": to.Port()}))
		m.Command = strings.Replace(m.Command, "--no-egress", "--ingress", 1) // as the CLI calls it
		return []finding.Mend{m}
	case vpc.NoPublic:
		if svc, ok := s.ServiceOf(t); ok {
			return []finding.Mend{
				finding.Do("give its tasks public addresses", finding.NewCall("ecs", "UpdateService", "cluster", svc.Cluster, "service", svc.Name, "networkConfiguration",
					map[string]any{"awsvpcConfiguration": map[string]any{"subnets": t.Network.Subnets, "securityGroups": t.Network.SecurityGroups, "assignPublicIp": "ENABLED"}})),
				finding.Change("or route its subnet to a NAT gateway"),
			}
		}
		return []finding.Mend{finding.Change("run it with assignPublicIp=ENABLED, or route its subnet to a NAT gateway")}
	}
	if s.Inside(to.Addr()) {
		return []finding.Mend{finding.Change("peer the two VPCs, and route from both to the other's range: aws ec2 create-vpc-peering-connection, accept-vpc-peering-connection, create-route")}
	}
	return []finding.Mend{finding.Change("route the subnet's table to a NAT gateway, or to an internet gateway: aws ec2 create-route --destination-cidr-block 0.0.0.0/0")}
}
