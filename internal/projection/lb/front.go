package lb

import (
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/vpc"
)

// Fronts returns the sockets that balancers share, each with the ids of the network
// interfaces of the balancers that listen there. The firewall needs them: it can ask
// only whether any of these balancers admits a client.
func (in *Input) Fronts() []vpc.Front {
	members := map[uint16][]string{}
	for _, l := range in.Listeners {
		port := uint16(l.Port)
		members[port] = append(members[port], in.interfacesOf(l.LoadBalancer)...)
	}
	var fronts []vpc.Front
	for port, ids := range members {
		slices.Sort(ids)
		fronts = append(fronts, vpc.Front{Addr: netip.AddrPortFrom(in.Address, port), Members: slices.Compact(ids)})
	}
	slices.SortFunc(fronts, func(a, b vpc.Front) int { return a.Addr.Compare(b.Addr) })
	return fronts
}

// Ports returns the ports that balancers listen on, by the ids of their network
// interfaces: nothing else answers at those addresses.
func (in *Input) Ports() map[string][]uint16 {
	ports := map[string][]uint16{}
	for _, l := range in.Listeners {
		for _, id := range in.interfacesOf(l.LoadBalancer) {
			ports[id] = append(ports[id], uint16(l.Port))
		}
	}
	return ports
}

// Admitted returns Input.Admit. The function admit says whom the security groups of
// a network interface let in on a port. A balancer without an interface is left out.
func (in *Input) Admitted(admit func(iface string, port uint16) []netip.Prefix) map[string]map[uint16][]netip.Prefix {
	out := map[string]map[uint16][]netip.Prefix{}
	for _, l := range in.Listeners {
		ids := in.interfacesOf(l.LoadBalancer)
		if len(ids) == 0 {
			continue
		}
		if out[l.LoadBalancer] == nil {
			out[l.LoadBalancer] = map[uint16][]netip.Prefix{}
		}
		// All interfaces of a balancer are in the same groups.
		out[l.LoadBalancer][uint16(l.Port)] = admit(ids[0], uint16(l.Port))
	}
	return out
}

// interfacesOf returns the ids of a balancer's interfaces that are made.
func (in *Input) interfacesOf(balancer string) (ids []string) {
	for _, i := range in.Interfaces {
		if i.LoadBalancer == balancer && i.ID != "" {
			ids = append(ids, i.ID)
		}
	}
	return ids
}
