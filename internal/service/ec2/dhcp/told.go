package dhcp

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// amazonDNS stands for the VPC's own resolver among the servers of DHCP options.
const amazonDNS = "AmazonProvidedDNS"

// linkLocal is where the resolver of every VPC answers besides
// (https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html).
var linkLocal = netip.AddrFrom4([4]byte{169, 254, 169, 253})

// Told is what an interface in a subnet is told at its start, of its VPC's DHCP options.
type Told struct {
	Servers []netip.Addr // where to ask for names
	Search  []string     // what names are looked for in
	own     netip.Addr   // where the VPC's resolver answers
}

// Own tells whether a is where the VPC's own resolver answers.
func (t Told) Own(a netip.Addr) bool { return a == t.own || a == linkLocal }

// Told returns what an interface in a subnet is told at its start. A VPC without DHCP options tells of no servers.
func (a *API) Told(ctx context.Context, subnetID string) (Told, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (t Told, err error) {
		s, err := request.Get(tx, ec2.Subnets, request.Subnet, subnetID)
		if err != nil {
			return t, err
		}
		vpc, err := ec2.Vpcs.Get(tx, s.VpcID)
		if err != nil {
			return t, err
		}
		o, _, err := handler.Find(tx, ec2.DHCPOptionSets, vpc.DHCPOptionsID)
		if err != nil {
			return t, err
		}
		return told(vpc, o), nil
	})
}

// told reads the options that an interface in the VPC is told.
func told(vpc ec2.Vpc, o ec2.DHCPOptions) Told {
	t := Told{own: vpc.CIDR.Addr().Next().Next()}
	for _, server := range valuesOf(o, keyServers) {
		if server == amazonDNS {
			t.Servers = append(t.Servers, t.own)
		} else if addr, err := netip.ParseAddr(server); err == nil {
			t.Servers = append(t.Servers, addr)
		}
	}
	for _, domain := range valuesOf(o, keyDomain) {
		t.Search = append(t.Search, strings.Fields(domain)...)
	}
	return t
}

func valuesOf(o ec2.DHCPOptions, key string) []string {
	i := slices.IndexFunc(o.Options, func(o ec2.DHCPOption) bool { return o.Key == key })
	if i < 0 {
		return nil
	}
	return o.Options[i].Values
}
