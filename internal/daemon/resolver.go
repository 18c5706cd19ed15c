package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/dns"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/vpc"
)

// dnsPort is where resolvers answer.
const dnsPort = 53

// newResolver answers this host's tasks about names.
func (m *machine) newResolver(n *names) Runner {
	return runner(func(ctx context.Context) error {
		select { // what isn't read yet must not be denied
		case <-n.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		in := m.vpcOf(ctx)
		at, err := m.resolverSockets(ctx)
		if err != nil {
			at.Close()
			return err
		}
		r := dns.NewResolver(dns.ResolverConfig{
			Table: n.Inside, View: in, Upstream: upstream, Conns: m.limits.resolver, Log: m.Log,
			Hosts: dns.Hosts{Has: func(a netip.Addr) bool { return in(a) != "" }, Domain: m.ns.Region + ".compute.internal"},
		})
		return r.Serve(ctx, at)
	})
}

// vpcOf returns what tells the id of the VPC that an address is in; "" when it is in none.
func (m *machine) vpcOf(ctx context.Context) func(netip.Addr) string {
	return func(a netip.Addr) (id string) {
		_ = m.db.View(ctx, func(tx store.Tx) error { // it fails when the store is closed, and the program ends
			for v, err := range ec2.Vpcs.Peek(tx, "") {
				if err != nil {
					return err
				}
				if slices.ContainsFunc(v.CIDRs(), func(p netip.Prefix) bool { return p.Contains(a) }) {
					id = v.ID
				}
			}
			return nil
		})
		return id
	}
}

// resolverSockets opens what tasks ask at. What was opened is to be closed with an error, too.
func (m *machine) resolverSockets(ctx context.Context) (s dns.Sockets, err error) {
	for _, a := range []netip.Addr{vpc.Resolver(m.is.VPCCIDR), vpc.LinkLocalResolver} {
		at := netip.AddrPortFrom(a, dnsPort)
		packets, err := m.Network.ListenPacket(ctx, at)
		if err != nil {
			return s, err
		}
		s.Packets = append(s.Packets, packets)
		var stream net.Listener
		if stream, err = m.Network.Listen(ctx, at); err != nil {
			return s, err
		}
		s.Streams = append(s.Streams, stream)
	}
	return s, nil
}

// upstream are this machine's own resolvers.
func upstream() (all []netip.AddrPort) {
	for _, a := range resolvers(hostsOwn[0]) {
		all = append(all, netip.AddrPortFrom(a, dnsPort))
	}
	return all
}
