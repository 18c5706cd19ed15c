// Package lb makes the data plane's table from the records of load balancing.
//
// The same records always give the same table, in the same order.
package lb

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

// Input is what a table is made from.
type Input struct {
	LoadBalancers []elbv2.LoadBalancer
	Interfaces    []elbv2.Interface
	TargetGroups  []elbv2.TargetGroup
	Listeners     []elbv2.Listener
	Rules         []elbv2.Rule
	Targets       []elbv2.Target

	// Healths is what an earlier process found out about targets, for the first
	// table of this one; the data plane knows better after that.
	Healths []elbv2.TargetHealth

	// Address is where all balancers listen besides their own addresses.
	Address netip.Addr
	// Admit is who the security groups let in: by balancer (ARN) and port. Who
	// isn't in it gets in nowhere.
	Admit map[string]map[uint16][]netip.Prefix
}

// Read fills in the records.
func Read(tx store.Tx, in *Input) error {
	return cmp.Or(
		list(tx, elbv2.LoadBalancers, &in.LoadBalancers),
		list(tx, elbv2.Interfaces, &in.Interfaces),
		list(tx, elbv2.TargetGroups, &in.TargetGroups),
		list(tx, elbv2.Listeners, &in.Listeners),
		list(tx, elbv2.Rules, &in.Rules),
		list(tx, elbv2.Targets, &in.Targets),
	)
}

func list[T any](tx store.Tx, t *store.Table[T], into *[]T) (err error) {
	if *into, err = t.List(tx, ""); err != nil {
		return fmt.Errorf("list records of load balancing: %w", err)
	}
	return nil
}

// Build returns the table.
func Build(in Input) *edge.Table {
	b := builder{in: in, rules: make(map[string][]elbv2.Rule), users: make(map[string]string)}
	for _, r := range in.Rules {
		b.rules[r.Listener] = append(b.rules[r.Listener], r)
		for _, g := range r.Action.Groups() {
			b.users[g] = r.LoadBalancer
		}
	}
	t := &edge.Table{}
	for _, l := range in.Listeners {
		if i := slices.IndexFunc(in.LoadBalancers, func(lb elbv2.LoadBalancer) bool { return lb.ARN == l.LoadBalancer }); i >= 0 {
			t.Listeners = append(t.Listeners, b.listener(in.LoadBalancers[i], l))
		}
	}
	for _, g := range in.TargetGroups {
		t.Pools = append(t.Pools, b.pool(g))
	}
	return t
}

type builder struct {
	in    Input
	rules map[string][]elbv2.Rule // by listener
	users map[string]string       // target group: the balancer that uses it
}

func (b builder) listener(lb elbv2.LoadBalancer, l elbv2.Listener) edge.Listener {
	port := uint16(l.Port)
	out := edge.Listener{
		ID:   l.ARN,
		Port: port,
		Balancer: edge.Balancer{
			ID:          lb.ARN,
			DNSName:     lb.DNSName,
			Source:      b.source(lb.ARN),
			IdleTimeout: time.Duration(lb.IdleTimeout()) * time.Second,
			Admit:       b.in.Admit[lb.ARN][port],
		},
	}
	for _, addr := range append([]netip.Addr{b.in.Address}, b.addresses(lb.ARN)...) {
		if addr.IsValid() {
			out.Binds = append(out.Binds, netip.AddrPortFrom(addr, port))
		}
	}
	rules := slices.Clone(b.rules[l.ARN])
	elbv2.SortRules(rules)
	for _, r := range rules {
		if r.IsDefault() {
			out.Default = action(r.Action)
			continue
		}
		out.Rules = append(out.Rules, edge.Rule{ID: r.ARN, Conditions: conditions(r.Conditions), Action: action(r.Action)})
	}
	return out
}

// addresses returns a balancer's own.
func (b builder) addresses(lb string) []netip.Addr {
	var out []netip.Addr
	for _, i := range b.in.Interfaces {
		if i.LoadBalancer == lb && i.Addr.IsValid() {
			out = append(out, i.Addr)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// source returns the address that a balancer dials its targets from.
func (b builder) source(lb string) netip.Addr {
	if a := b.addresses(lb); len(a) > 0 {
		return a[0]
	}
	return netip.Addr{}
}

func conditions(in []elbv2.Condition) []edge.Condition {
	out := make([]edge.Condition, len(in))
	for i, c := range in {
		out[i] = edge.Condition{Field: edge.Field(c.Field), Values: c.Values}
	}
	return out
}

func action(a elbv2.Action) edge.Action {
	if a.Fixed != nil {
		status, _ := strconv.Atoi(a.Fixed.Status) // three digits, by its validation
		return edge.Action{Fixed: &edge.Fixed{Status: status, ContentType: cmp.Or(a.Fixed.ContentType, "text/plain"), Body: a.Fixed.Body}}
	}
	f := &edge.Forward{}
	for _, g := range a.Forward.Groups {
		f.Pools = append(f.Pools, edge.WeightedPool{Pool: g.ARN, Weight: int(g.Weight)})
	}
	return edge.Action{Forward: f}
}

func (b builder) pool(g elbv2.TargetGroup) edge.Pool {
	user, inUse := b.users[g.ARN]
	p := edge.Pool{ID: g.ARN, InUse: inUse, Check: check(g.Check)}
	if inUse {
		p.Source = b.source(user)
	}
	for _, t := range b.in.Targets {
		if t.Group == g.ARN {
			p.Targets = append(p.Targets, b.target(g, t))
		}
	}
	return p
}

func check(c elbv2.HealthCheck) edge.Check {
	port, _ := strconv.ParseUint(c.Port, 10, 16) // 0 for traffic-port: the target's own
	return edge.Check{
		Path:               c.Path,
		Port:               uint16(port),
		Interval:           time.Duration(c.Interval) * time.Second,
		Timeout:            time.Duration(c.Timeout) * time.Second,
		HealthyThreshold:   int(c.Healthy),
		UnhealthyThreshold: int(c.Unhealthy),
		Matcher:            c.Matcher,
	}
}

func (b builder) target(g elbv2.TargetGroup, t elbv2.Target) edge.Target {
	addr, _ := netip.ParseAddr(t.Addr) // it was checked when it was registered
	out := edge.Target{ID: t.Addr, Addr: netip.AddrPortFrom(addr, uint16(t.Port)), Known: b.known(t)}
	if !t.DeregisteredAt.IsZero() {
		out.Draining = true
		out.Deadline = t.DeregisteredAt.Add(time.Duration(g.DeregistrationDelay()) * time.Second)
	}
	return out
}

func (b builder) known(t elbv2.Target) edge.State {
	for _, h := range b.in.Healths {
		if h.Group == t.Group && h.Addr == t.Addr && h.Port == t.Port && (h.State == string(edge.Healthy) || h.State == string(edge.Unhealthy)) {
			return edge.State(h.State)
		}
	}
	return ""
}
