package daemon

import (
	"context"
	"net"
	"net/netip"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/vpc"
)

// Host is what tasks run on: it has their containers, and carries their
// traffic.
type Host struct {
	Offers  place.Size // what it has for tasks
	Engine  Engine
	Network Network
}

// Engine is a container engine that is opened, and closed.
type Engine interface {
	engine.Engine
	Close() error
}

// Network is a host's network, as *vpc.VPC is.
type Network interface {
	Attach(context.Context, vpc.Interface) error
	AttachHost(ctx context.Context, id string, addr netip.Addr) error
	Detach(ctx context.Context, id string) error
	List(context.Context) ([]vpc.Attached, error)
	Apply(context.Context, *vpc.Ruleset) ([]vpc.Flow, error)
	Listen(context.Context, netip.AddrPort) (net.Listener, error)
	ListenPacket(context.Context, netip.AddrPort) (*net.UDPConn, error)
	Runner
}

// thisHost opens this machine's container engine and network. What it returns
// with an error is to be closed, too.
func thisHost(ctx context.Context, c Config, is instance.Instance) (h Host, err error) {
	if h.Offers, err = c.offer(); err != nil {
		return h, err
	}
	eng, err := openEngine(ctx, c, is)
	if err != nil {
		return h, err
	}
	h.Engine = eng
	open, err := c.hostAccess()
	if err != nil {
		return h, err
	}
	net, err := vpc.Open(ctx, vpc.Config{
		Instance: is.ID, CIDR: is.VPCCIDR, HostAccess: open, Uplinks: c.Uplinks, Resolvers: resolvers(hostsOwn...),
		Public: c.publicAddresses(is.ID), Log: c.Log,
	})
	if err != nil {
		return h, err
	}
	h.Network = net
	return h, nil
}

// about says for people which engine it is.
func about(e Engine) string {
	if is, ok := e.(interface{ About() string }); ok {
		return is.About()
	}
	return ""
}

// engineProblems are why tasks can't be started now.
func engineProblems(e Engine) []string {
	if is, ok := e.(interface{ Problems() []string }); ok {
		return is.Problems()
	}
	return nil
}
