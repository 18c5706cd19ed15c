package firewall

import (
	"cmp"
	"maps"
	"slices"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
)

// network is the VPCs that the records make.
func network(r Records) (n route.Network) {
	vpcs := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(r.Ways.Vpcs)) {
		v := r.Ways.Vpcs[id]
		vpcs[id] = true
		n.VPCs = append(n.VPCs, route.VPC{ID: id, Ranges: v.CIDRs(), NoDNS: !v.DNSSupport, ByMachine: v.Default && !r.PublicOnly})
	}
	for _, s := range r.Subnets {
		if vpcs[s.VpcID] {
			n.Subnets = append(n.Subnets, route.Subnet{
				ID: s.ID, VPC: s.VpcID, Range: s.CIDR, Hops: hops(r.Ways, r.Ways.TableOf(s)),
				ACL: cmp.Or(ec2.ACLOf(r.ACLs, s.ID).ID, "none"),
			})
		}
	}
	for _, g := range r.Gateways {
		if g.State == ec2.NatAvailable {
			n.Gateways = append(n.Gateways, route.Gateway{ID: g.ID, Addr: g.Addr, Public: g.PublicAddr})
		}
	}
	for _, p := range r.Peerings {
		if p.State == ec2.PeeringActive {
			n.Pairs = append(n.Pairs, route.Pair{ID: p.ID, A: p.Requester, B: p.Accepter})
		}
	}
	for _, a := range r.ACLs {
		n.ACLs = append(n.ACLs, networkACL(a))
	}
	return n
}

var kinds = map[string]route.Kind{ec2.Local: route.Local, ec2.ToInternet: route.Internet, ec2.ToNat: route.NAT, ec2.ToPeering: route.Peering}

// hops are a table's routes as the kernel has them. What leads to an interface or to a gateway endpoint leads nowhere:
// no interface forwards, and the services of an endpoint have no addresses of their own.
func hops(w ec2.Ways, t ec2.RouteTable) (all []route.Hop) {
	for _, h := range w.Hops(t) {
		if !h.Prefix.IsValid() || !h.Prefix.Addr().Is4() {
			continue
		}
		kind := kinds[ec2.TargetKind(h.Target)]
		if h.Blackhole || kind == 0 {
			kind = route.Nowhere
		}
		all = append(all, route.Hop{To: h.Prefix, Kind: kind, ID: h.Target})
	}
	return all
}

func networkACL(a ec2.NetworkACL) acl.ACL {
	out := acl.ACL{ID: a.ID}
	for _, e := range a.Entries {
		entry := acl.Entry{
			Number: int(e.Number), Allow: e.Allow, CIDR: e.CIDR,
			Kind: traffic.Kind{Protocol: int(e.Protocol), From: int(e.From), To: int(e.To)},
		}
		if e.Egress {
			out.Egress = append(out.Egress, entry)
			continue
		}
		out.Ingress = append(out.Ingress, entry)
	}
	return out
}
