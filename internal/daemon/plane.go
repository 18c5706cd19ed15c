package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"time"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/projection/firewall"
	"github.com/skylift/skylift/internal/projection/lb"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/logs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/vpc"
)

// plane carries the records over to the data planes of this host: the firewall
// first, then the balancers' addresses, then the sockets that listen on them.
type plane struct {
	m       *machine
	rules   *vpc.Ruleset
	table   *table.Table
	offered map[string]netip.Addr // the balancers' interfaces on this host
	keys    *lb.Keys              // opens certificates
	shut    string                // what was said of those that don't open
	rested  time.Time             // until when it rests after it has read all
}

// A pass reads all records: it takes longer the more there are, and a storm of
// changes makes many passes. So after a pass the plane rests for restFor times as
// long as it took, but for maxRest at most: a security group must be in force at
// once.
const (
	restFor = 4
	maxRest = 50 * time.Millisecond
)

// host is the one key of the plane.
const host = "host"

// bindRetry is how long the plane waits before it tries again to open a socket.
const bindRetry = 2 * time.Second

func (p *plane) sources() []reconcile.Source {
	return []reconcile.Source{
		whole(p.m.db, ec2.SecurityGroups),
		whole(p.m.db, ec2.Interfaces),
		whole(p.m.db, ec2.Vpcs),
		whole(p.m.db, ec2.Subnets),
		whole(p.m.db, ec2.RouteTables),
		whole(p.m.db, ec2.InternetGateways),
		whole(p.m.db, ec2.NatGateways),
		whole(p.m.db, ec2.ElasticAddresses),
		whole(p.m.db, ec2.NetworkACLs),
		whole(p.m.db, ec2.Endpoints),
		whole(p.m.db, ec2.Peerings),
		whole(p.m.db, ec2.PrefixLists),
		whole(p.m.db, elbv2.LoadBalancers),
		whole(p.m.db, elbv2.Interfaces),
		whole(p.m.db, elbv2.TargetGroups),
		whole(p.m.db, elbv2.Listeners),
		whole(p.m.db, elbv2.Rules),
		whole(p.m.db, elbv2.Targets),
		whole(p.m.db, acm.Certificates),
		whole(p.m.db, acm.Challenges),
	}
}

// whole names the one key for any change of a table.
func whole[T any](db store.DB, t *store.Table[T]) reconcile.Source {
	return reconcile.Rows(db, t, func(string, *T) []string { return []string{host} })
}

// world is the records that the data planes are made from.
type world struct {
	net firewall.Records
	lb  lb.Input
}

func (w *world) read(tx store.Tx) error {
	if err := w.net.Read(tx); err != nil {
		return err
	}
	return lb.Read(tx, &w.lb)
}

// readHealths reads the health of targets that an earlier process found out.
func (w *world) readHealths(tx store.Tx) (err error) {
	w.lb.Healths, err = elbv2.Healths.List(tx, "")
	return err
}

// read returns the records with the firewall that they make.
func (m *machine) read(ctx context.Context) (world, *vpc.Ruleset, error) {
	w := world{lb: lb.Input{Address: m.LBAddress}}
	if err := m.db.View(ctx, w.read); err != nil {
		return w, nil, fmt.Errorf("read the records of the network: %w", err)
	}
	w.net.Fronts, w.net.Ports, w.net.PublicOnly = w.lb.Fronts(), w.lb.Ports(), len(m.PublicAddresses) > 0
	rules := firewall.Build(w.net)
	w.lb.Admit = w.lb.Admitted(func(iface string, port uint16) []netip.Prefix { return firewall.Admit(rules, iface, 6, port) })
	return w, rules, nil
}

// Reconcile makes the host match the records.
func (p *plane) Reconcile(ctx context.Context, _ string) (time.Duration, error) {
	began := time.Now()
	if rest := p.rested.Sub(began); rest > 0 {
		return rest, nil
	}
	w, rules, err := p.m.read(ctx)
	if err != nil {
		return 0, err
	}
	var ranges []netip.Prefix
	for _, v := range w.net.Ways.Vpcs {
		ranges = append(ranges, v.CIDRs()...)
	}
	p.m.tasks.set(ranges)
	changed := p.rules == nil || !rules.Equal(p.rules)
	took := time.Since(began)
	p.rested = began.Add(took + min(restFor*took, maxRest))
	if changed {
		cut, err := p.m.Network.Apply(ctx, rules)
		for _, f := range cut {
			p.m.lb.Forget(f.Src, netip.AddrPortFrom(f.Dst, f.DstPort))
		}
		if err != nil {
			return 0, fmt.Errorf("apply the network: %w", err)
		}
		p.rules = rules
	}
	if err := p.offer(ctx, w.net.Interfaces); err != nil {
		return 0, err
	}
	if p.table == nil {
		if err := p.m.db.View(ctx, w.readHealths); err != nil {
			return 0, fmt.Errorf("read the health of targets: %w", err)
		}
	}
	next := p.build(w.lb)
	p.m.collector.Configure(logs.Wanted(w.lb.LoadBalancers)) // before the balancers tell of anything
	if p.table == nil || !reflect.DeepEqual(next, p.table) {
		p.table = next
		if err := p.m.lb.Load(next); err != nil {
			p.m.Log.Error("a load balancer's port can't be opened", "err", err)
			p.m.ready.Store(true)
			p.table = nil
			return bindRetry, nil
		}
		p.m.loaded.Store(next)
	}
	p.m.ready.Store(true)
	return 0, nil
}

// build makes the balancers' table, and says once which certificates can't be opened.
func (p *plane) build(in lb.Input) *table.Table {
	in.Open = p.keys.Open
	next, err := lb.Build(in)
	p.keys.Keep(in.Certificates)
	shut := ""
	if err != nil {
		shut = err.Error()
	}
	if shut != p.shut && shut != "" {
		p.m.Log.Error("a load balancer's certificate can't be opened", "err", err)
	}
	p.shut = shut
	return next
}

// offer gives this host the addresses of the balancers, and takes away what no
// record names any more.
func (p *plane) offer(ctx context.Context, want []*ec2.Interface) error {
	wanted := map[string]netip.Addr{}
	for _, i := range want {
		if i.Type == "load_balancer" {
			wanted[i.ID] = i.Addr
		}
	}
	if p.offered != nil && maps.Equal(wanted, p.offered) {
		return nil
	}
	var errs []error
	for id, addr := range wanted {
		if err := p.m.Network.AttachHost(ctx, id, addr); err != nil {
			errs = append(errs, fmt.Errorf("give the host the address of balancer interface %s: %w", id, err))
		}
	}
	stale, err := p.stale(ctx)
	errs = append(errs, err)
	for _, id := range stale {
		errs = append(errs, p.m.Network.Detach(ctx, id))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	p.offered = wanted
	return nil
}

// stale returns the interfaces on this host that no record names. The host is
// looked at before the records: an interface has its record first, so what is
// attached meanwhile, a task's that starts, isn't among them.
func (p *plane) stale(ctx context.Context) (ids []string, err error) {
	there, err := p.m.Network.List(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	err = p.m.db.View(ctx, func(tx store.Tx) error {
		clear(known)
		for i, err := range ec2.Interfaces.Peek(tx, "") {
			if err != nil {
				return err
			}
			known[i.ID] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the network interfaces: %w", err)
	}
	for _, a := range there {
		if !known[a.ID] {
			ids = append(ids, a.ID)
		}
	}
	return ids, nil
}
