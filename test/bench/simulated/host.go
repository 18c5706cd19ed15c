package main

import (
	"context"
	"net"
	"net/netip"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/vpc"
)

// engine is the simulated engine; there is nothing to close.
type engine struct{ *fake.Engine }

func (engine) Close() error { return nil }

// network carries nothing.
type network struct{}

func (network) Attach(context.Context, vpc.Interface) error             { return nil }
func (network) AttachHost(context.Context, string, netip.Addr) error    { return nil }
func (network) Detach(context.Context, string) error                    { return nil }
func (network) List(context.Context) ([]vpc.Attached, error)            { return nil, nil }
func (network) Apply(context.Context, *vpc.Ruleset) ([]vpc.Flow, error) { return nil, nil }
func (network) Listen(context.Context, netip.AddrPort) (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}

func (network) ListenPacket(context.Context, netip.AddrPort) (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
}
func (network) Run(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
