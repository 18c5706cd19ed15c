package status

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc"
)

const tcp = 6

// everyone stands for any client of an internet-facing balancer. It is an address
// that no rule names on purpose (RFC 5737).
var everyone = netip.MustParseAddr("203.0.113.1")

// blockedListeners says which listeners of a balancer nobody from outside can
// reach. A listener that a rule opens to some addresses is left out: its owner wants
// it that way.
func (in *Input) blockedListeners(b elbv2.LoadBalancer) (out []Blocked) {
	eni := in.interfaceOf(b.ARN)
	if eni == nil || b.Scheme != "internet-facing" {
		return nil
	}
	for _, l := range in.listeners {
		if l.LoadBalancer != b.ARN || in.opensSomebody(b.Groups, int(l.Port)) {
			continue
		}
		v := in.Rules.Check(vpc.Flow{Protocol: tcp, Src: everyone, Dst: eni.Addr, SrcPort: 50000, DstPort: uint16(l.Port)})
		if v.Admitted {
			continue
		}
		out = append(out, Blocked{
			What:   fmt.Sprintf("nobody can reach load balancer %s on port %d: no rule of its security group %s lets anyone in", b.Name, l.Port, in.named(b.Groups)),
			Groups: b.Groups,
			Fix:    fmt.Sprintf("aws ec2 authorize-security-group-ingress --group-id %s --protocol tcp --port %d --cidr 0.0.0.0/0", b.Groups[0], l.Port),
		})
	}
	return out
}

// opensSomebody says that a rule of the groups lets some addresses in on the
// TCP port.
func (in *Input) opensSomebody(groups []string, port int) bool {
	for _, g := range in.Rules.Groups {
		if !slices.Contains(groups, g.ID) {
			continue
		}
		for _, r := range g.Ingress {
			if r.CIDR.IsValid() && (r.Protocol == -1 || r.Protocol == tcp && r.FromPort <= port && port <= r.ToPort) {
				return true
			}
		}
	}
	return false
}

// blockedTargets says which targets of a group its balancers can't reach.
func (in *Input) blockedTargets(g elbv2.TargetGroup) (out []Blocked) {
	for _, b := range in.usersOf(g.ARN) {
		eni := in.interfaceOf(b.ARN)
		if eni == nil {
			continue
		}
		said := map[string]bool{}
		for _, t := range in.targets {
			addr, err := netip.ParseAddr(t.Addr)
			if t.Group != g.ARN || !t.DeregisteredAt.IsZero() || err != nil {
				continue
			}
			for _, port := range ports(g, t) {
				v := in.Rules.Check(vpc.Flow{Protocol: tcp, Src: eni.Addr, Dst: addr, SrcPort: 50000, DstPort: port})
				if v.Admitted || len(v.Groups) == 0 {
					continue
				}
				bl := in.blockedTarget(b, g, v, addr, port)
				if !said[bl.Fix] {
					said[bl.Fix] = true
					out = append(out, bl)
				}
			}
		}
	}
	return out
}

// ports returns the ports that a balancer must reach at a target: the target's own
// and the health check's.
func ports(g elbv2.TargetGroup, t elbv2.Target) []uint16 {
	out := []uint16{uint16(t.Port)}
	if n, err := strconv.ParseUint(g.Check.Port, 10, 16); err == nil && uint16(n) != out[0] {
		out = append(out, uint16(n))
	}
	return out
}

func (in *Input) blockedTarget(b elbv2.LoadBalancer, g elbv2.TargetGroup, v vpc.Verdict, addr netip.Addr, port uint16) Blocked {
	if v.Blocked == vpc.Egress {
		return Blocked{
			What:   fmt.Sprintf("load balancer %s can't reach the targets of %s on port %d: its security group %s lets nothing out to them", b.Name, g.Name, port, in.named(v.Groups)),
			Groups: v.Groups,
			Fix:    fmt.Sprintf("aws ec2 authorize-security-group-egress --group-id %s --protocol tcp --port %d --cidr %s", v.Groups[0], port, in.rangeOf(addr)),
		}
	}
	return Blocked{
		What: fmt.Sprintf("load balancer %s can't reach the targets of %s on port %d: their security group %s doesn't let the balancer's group %s in",
			b.Name, g.Name, port, in.named(v.Groups), in.named(b.Groups)),
		Groups: v.Groups,
		Fix:    fmt.Sprintf("aws ec2 authorize-security-group-ingress --group-id %s --protocol tcp --port %d --source-group %s", v.Groups[0], port, b.Groups[0]),
	}
}

// rangeOf is the range that an egress rule to a target would name.
func (in *Input) rangeOf(addr netip.Addr) string {
	return netip.PrefixFrom(addr, addr.BitLen()).String()
}

// usersOf are the balancers that forward to the target group.
func (in *Input) usersOf(group string) (out []elbv2.LoadBalancer) {
	for _, b := range in.balancers {
		if slices.ContainsFunc(in.rules, func(r elbv2.Rule) bool {
			return r.LoadBalancer == b.ARN && slices.Contains(r.Action.Groups(), group)
		}) {
			out = append(out, b)
		}
	}
	return out
}

func (in *Input) interfaceOf(balancer string) *elbv2.Interface {
	for i := range in.interfaces {
		if in.interfaces[i].LoadBalancer == balancer && in.interfaces[i].ID != "" {
			return &in.interfaces[i]
		}
	}
	return nil
}

// named lists security groups as id (name).
func (in *Input) named(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id
		for _, g := range in.SecurityGroups {
			if g.ID == id {
				out[i] = fmt.Sprintf("%s (%s)", id, g.Name)
			}
		}
	}
	return strings.Join(out, ", ")
}
