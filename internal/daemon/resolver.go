package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/skylift/skylift/internal/dns"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/vpc"
)

// linkLocalResolver is where each VPC's resolver answers besides
// (https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html).
var linkLocalResolver = netip.MustParseAddr("169.254.169.253")

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
		at, err := m.resolverSockets(ctx)
		if err != nil {
			at.Close()
			return err
		}
		r := dns.NewResolver(dns.ResolverConfig{
			Table: n.Inside, View: m.onlyVPC(ctx), Upstream: upstream, Conns: m.limits.resolver, Log: m.Log,
			Hosts: dns.Hosts{CIDR: m.is.VPCCIDR, Domain: m.ns.Region + ".compute.internal"},
		})
		return r.Serve(ctx, at)
	})
}

// onlyVPC returns the id of the VPC that all tasks are in; "" while there is none.
func (m *machine) onlyVPC(ctx context.Context) func(netip.Addr) string {
	var known atomic.Pointer[string]
	return func(netip.Addr) string {
		if id := known.Load(); id != nil {
			return *id
		}
		_ = m.db.View(ctx, func(tx store.Tx) error { // it fails when the store is closed, and the program ends
			for v, err := range ec2.Vpcs.Peek(tx, "") {
				if err != nil {
					return err
				}
				known.Store(&v.ID)
			}
			return nil
		})
		if id := known.Load(); id != nil {
			return *id
		}
		return ""
	}
}

// resolverSockets opens what tasks ask at. What was opened is to be closed with an error, too.
func (m *machine) resolverSockets(ctx context.Context) (s dns.Sockets, err error) {
	for _, a := range []netip.Addr{vpc.Resolver(m.is.VPCCIDR), linkLocalResolver} {
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

// others are resolvers but for those of the VPC, which tasks reach whatever their groups say.
func (n taskNetwork) others(all []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return a == n.resolver || a == linkLocalResolver })
}
