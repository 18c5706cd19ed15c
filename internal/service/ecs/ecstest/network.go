package ecstest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
)

// pictures brings images from the simulated engine's registry.
type pictures struct{ Engine *fake.Engine }

func (p pictures) Resolve(ctx context.Context, ref string, login engine.Auth) (string, error) {
	return p.Pull(ctx, ref, login)
}

func (p pictures) Pull(ctx context.Context, ref string, login engine.Auth) (string, error) {
	return p.Engine.Pull(ctx, ref, login)
}

// Network hands out addresses.
type Network struct {
	mu   sync.Mutex
	IDs  map[string]ecs.ENI
	Next int
	Mood func() error
	None map[string]bool // subnets without free addresses
}

// Full says whether a subnet has no free address.
func (n *Network) Full(subnet string, is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.None == nil {
		n.None = map[string]bool{}
	}
	n.None[subnet] = is
}

// spoil returns what mood says, if there is one.
func spoil(mood func() error) error {
	if mood == nil {
		return nil
	}
	return mood()
}

// CheckPlacement knows every subnet but subnet-gone; a subnet is named for its zone.
func (n *Network) CheckPlacement(_ context.Context, subnets, groups []string) (withDefault, zones []string, err error) {
	if slices.Contains(subnets, "subnet-gone") {
		return nil, nil, errors.New("The subnet ID 'subnet-gone' does not exist") //nolint:staticcheck // as EC2 says it
	}
	if len(groups) == 0 {
		groups = []string{"sg-default"}
	}
	for _, s := range subnets {
		zones = append(zones, s[len("subnet-"):])
	}
	return groups, zones, nil
}

// Create makes the interface of a task, the same one every time.
func (n *Network) Create(_ context.Context, taskID, subnet string, _ []string, _ bool) (ecs.ENI, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.IDs[taskID]; !ok {
		if n.None[subnet] {
			return ecs.ENI{}, awserr.New("InsufficientFreeAddressesInSubnet", "The specified subnet '%s' does not have enough free addresses to satisfy the request.", subnet)
		}
		n.Next++
		n.IDs[taskID] = ecs.ENI{
			ID: "eni-" + taskID, Subnet: subnet, MAC: "02:00:00:00:00:01",
			Addr: netip.AddrFrom4([4]byte{172, 31, byte(n.Next >> 8), byte(n.Next)}),
		}
	}
	return n.IDs[taskID], spoil(n.Mood)
}

// Attach does nothing.
func (n *Network) Attach(context.Context, ecs.ENI, string) error { return spoil(n.Mood) }

// Delete removes an interface.
func (n *Network) Delete(_ context.Context, eni string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.IDs, eni[len("eni-"):])
	return spoil(n.Mood)
}
