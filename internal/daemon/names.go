package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/dns/zone"
	"github.com/skylift/skylift/internal/projection/zones"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/acm/order"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
)

// names is what this process answers from about names: a table that follows the records.
type names struct {
	m     *machine
	first sync.Once
	ready chan struct{} // closed when the records were read once

	mu    sync.Mutex
	state *zones.State
	table atomic.Pointer[zone.Table]
	// inside is the table as tasks see it.
	inside atomic.Pointer[zone.Table]
}

func (m *machine) newNames(balancers string) *names {
	n := &names{m: m, ready: make(chan struct{}), state: zones.New(m.ns.Region, balancers)}
	n.publish()
	return n
}

// publish makes the tables of what was read. The caller holds the lock, unless nobody else has n yet.
func (n *names) publish() {
	n.table.Store(n.state.Table())
	n.inside.Store(n.state.Inside())
}

// Inside is the zones as they are now, as tasks see them.
func (n *names) Inside() *zone.Table { return n.inside.Load() }

// Table is the zones as they are now.
func (n *names) Table() *zone.Table { return n.table.Load() }

// Served implements scope.Names.
func (n *names) Served(change string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Served(change)
}

// Serial implements scope.Names.
func (n *names) Serial(id string) uint32 {
	if z := n.Table().Zone(id); z != nil {
		return z.Serial
	}
	return 0
}

// Test implements scope.Names.
func (n *names) Test(id, name, kind string) scope.Answer {
	code, data := zones.Test(n.Table(), id, name, kind)
	return scope.Answer{Code: code, Data: data}
}

// Lookup returns the IPv4 addresses that a name has in the public zones, else those that this machine's resolver knows.
func (n *names) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	all, out := zones.Addresses(n.Table(), name)
	if out == "" {
		return all, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip4", out)
}

// Run follows the records of Route 53.
func (n *names) Run(ctx context.Context) error {
	return n.m.db.Follow(ctx, store.TablesOf(record.Family), func(b store.Batch) error {
		n.mu.Lock()
		err := n.state.Apply(b)
		n.publish()
		n.mu.Unlock()
		if err != nil {
			return fmt.Errorf("read the records of Route 53: %w", err)
		}
		n.first.Do(func() { close(n.ready) })
		return nil
	})
}

// Reconcile puts the names of load balancers, and what certificates are validated by, into the table.
func (n *names) Reconcile(ctx context.Context, _ string) (time.Duration, error) {
	b := zones.Balancers{Name: n.m.balancersZone(), Ill: map[string]bool{}}
	if addr := n.m.LBAddress; !addr.IsUnspecified() {
		b.Addr = addr
	}
	texts := map[string][]string{}
	err := n.m.db.View(ctx, func(tx store.Tx) error {
		for c, err := range acm.Challenges.Peek(tx, "") {
			if err != nil {
				return err
			}
			if c.Kind == order.DNS {
				texts[c.Where+"."] = append(texts[c.Where+"."], c.Answer)
			}
		}
		b.Names, b.Ill, b.Inside = nil, map[string]bool{}, map[string][]netip.Addr{}
		addrs := map[string][]netip.Addr{}
		for i, err := range elbv2.Interfaces.Peek(tx, "") {
			if err != nil {
				return err
			}
			if i.Addr.IsValid() {
				addrs[i.LoadBalancer] = append(addrs[i.LoadBalancer], i.Addr)
			}
		}
		all, err := store.Collect(elbv2.LoadBalancers.Peek(tx, ""))
		if err != nil {
			return err
		}
		ill, err := elbv2.Ill(tx)
		if err != nil {
			return err
		}
		for _, lb := range all {
			b.Names = append(b.Names, lb.DNSName)
			b.Ill[lb.DNSName], b.Inside[lb.DNSName] = ill[lb.ARN], addrs[lb.ARN]
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read the names of load balancers: %w", err)
	}
	slices.Sort(b.Names)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state.SetTexts(texts)
	n.state.SetBalancers(b)
	n.publish()
	return 0, nil
}
