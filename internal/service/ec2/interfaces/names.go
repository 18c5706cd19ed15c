package interfaces

import (
	"context"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// Names is how interfaces of a VPC ask for names, as its DHCP options tell them at their start.
type Names struct {
	Resolver netip.Addr   // the VPC's own
	Servers  []netip.Addr // in the order in which they are asked; none: as if there were no DHCP options
	Domain   string       // that short names are completed with; "": the region's
}

// NamesIn returns how interfaces of a VPC ask for names that start now.
func (a *API) NamesIn(ctx context.Context, vpcID string) (Names, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (Names, error) {
		v, err := request.Get(tx, ec2.Vpcs, request.Vpc, vpcID)
		if err != nil {
			return Names{}, err
		}
		n := Names{Resolver: v.CIDR.Addr().Next().Next()}
		n.Servers = []netip.Addr{n.Resolver}
		set, there, err := handler.Find(tx, ec2.DHCPOptionSets, v.DHCPOptionsID)
		if err != nil || !there {
			return n, err
		}
		for _, o := range set.Options {
			switch o.Key {
			case "domain-name":
				n.Domain = slices.Concat(o.Values, []string{""})[0]
			case "domain-name-servers":
				n.Servers = servers(n.Resolver, o.Values)
			}
		}
		return n, nil
	})
}

// servers are the addresses among values, and own for AmazonProvidedDNS.
func servers(own netip.Addr, values []string) (all []netip.Addr) {
	for _, v := range values {
		if v == "AmazonProvidedDNS" {
			all = append(all, own)
		} else if addr, err := netip.ParseAddr(v); err == nil && addr.Is4() {
			all = append(all, addr)
		}
	}
	return all
}
