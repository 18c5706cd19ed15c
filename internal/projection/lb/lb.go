// Package lb makes the data plane's table from the records of load balancing.
//
// The same records always give the same table, in the same order.
package lb

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/service/acm"
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
	Certificates  []acm.Certificate // those that listeners have
	Challenges    []acm.Challenge   // of certificates that are on order

	// Open makes a certificate ready to be answered with. It is asked for each of them, each time.
	Open func(acm.Certificate) (*table.Certificate, error)

	// Healths is what an earlier process found out about targets. Only this process's
	// first table needs it: after that the data plane knows better.
	Healths []elbv2.TargetHealth

	// Address is where all balancers listen besides their own addresses.
	Address netip.Addr
	// Admit says whom the security groups let in, by balancer (ARN) and port. A
	// client that is not in it gets in nowhere.
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
		list(tx, acm.Challenges, &in.Challenges),
		in.readCertificates(tx),
	)
}

// readCertificates reads the certificates that the listeners have.
func (in *Input) readCertificates(tx store.Tx) error {
	in.Certificates = nil
	seen := map[string]bool{}
	for _, l := range in.Listeners {
		for _, arn := range l.Certificates() {
			if seen[arn] {
				continue
			}
			seen[arn] = true
			c, err := acm.Certificates.Get(tx, arn)
			if errors.Is(err, store.ErrNotFound) {
				continue // ACM deletes none that is in use
			}
			if err != nil {
				return fmt.Errorf("read certificate %s: %w", arn, err)
			}
			in.Certificates = append(in.Certificates, c)
		}
	}
	return nil
}

func list[T any](tx store.Tx, t *store.Table[T], into *[]T) (err error) {
	if *into, err = t.List(tx, ""); err != nil {
		return fmt.Errorf("list records of load balancing: %w", err)
	}
	return nil
}

// Build returns the table. The error tells of certificates that can't be opened; the
// listeners that have no other are left out.
func Build(in Input) (*table.Table, error) {
	b := builder{in: in, rules: make(map[string][]elbv2.Rule), users: make(map[string]string)}
	err := b.open()
	for _, r := range in.Rules {
		b.rules[r.Listener] = append(b.rules[r.Listener], r)
		for _, g := range r.Action.Groups() {
			b.users[g] = r.LoadBalancer
		}
	}
	t := &table.Table{}
	for _, l := range in.Listeners {
		i := slices.IndexFunc(in.LoadBalancers, func(lb elbv2.LoadBalancer) bool { return lb.ARN == l.LoadBalancer })
		if i < 0 {
			continue
		}
		out := b.listener(in.LoadBalancers[i], l)
		if l.TLS != nil {
			if out.TLS = b.tls(in.LoadBalancers[i], l); out.TLS == nil {
				continue
			}
		}
		t.Listeners = append(t.Listeners, out)
	}
	for _, g := range in.TargetGroups {
		t.Pools = append(t.Pools, b.pool(g))
	}
	return t, err
}

type builder struct {
	in    Input
	rules map[string][]elbv2.Rule // by listener
	users map[string]string       // target group: the balancer that uses it
	certs map[string]*table.Certificate
}

func (b builder) listener(lb elbv2.LoadBalancer, l elbv2.Listener) table.Listener {
	port := uint16(l.Port)
	out := table.Listener{
		ID:   l.ARN,
		Port: port,
		Balancer: table.Balancer{
			ID:          lb.ARN,
			DNSName:     lb.DNSName,
			Source:      b.source(lb.ARN),
			IdleTimeout: time.Duration(lb.IdleTimeout()) * time.Second,
			KeepAlive:   time.Duration(lb.Number(elbv2.ClientKeepAlive)) * time.Second,
			HTTP:        treatment(lb),
			Zones:       b.zones(lb),
			Logs:        table.Logs{Requests: logged(lb, elbv2.AccessLogs), Connections: logged(lb, elbv2.ConnectionLogs)},
			Admit:       b.in.Admit[lb.ARN][port],
		},
		Headers:   headers(l),
		Anonymous: l.Attribute(elbv2.ServerHeader) == "false",
	}
	for _, addr := range append([]netip.Addr{b.in.Address}, b.addresses(lb.ARN)...) {
		if addr.IsValid() {
			out.Binds = append(out.Binds, netip.AddrPortFrom(addr, port))
		}
	}
	if l.TLS == nil {
		out.Rules = challenges(b.in.Challenges)
	}
	if l.TLS != nil && lb.Is(elbv2.TellTLS) {
		out.Tells = table.Tells{Version: l.Attribute(elbv2.TLSVersionName), Suite: l.Attribute(elbv2.TLSSuiteName)}
	}
	rules := slices.Clone(b.rules[l.ARN])
	elbv2.SortRules(rules)
	for _, r := range rules {
		if r.IsDefault() {
			out.Default = action(r.Action)
			continue
		}
		out.Rules = append(out.Rules, rule(r))
	}
	return out
}

// logged tells whether logs of a kind are on.
func logged(lb elbv2.LoadBalancer, kind string) bool {
	_, _, on := lb.LogTo(kind)
	return on
}

// treatment is how a balancer treats requests.
func treatment(lb elbv2.LoadBalancer) table.HTTP {
	return table.HTTP{
		Desync:       table.Desync(lb.Attribute(elbv2.DesyncMode)),
		Forwarded:    table.Forwarded(lb.Attribute(elbv2.ForwardedMode)),
		WithPort:     lb.Is(elbv2.ForwardedClientPort),
		PreserveHost: lb.Is(elbv2.PreserveHost),
		DropInvalid:  lb.Is(elbv2.DropInvalidHeaders),
	}
}

// headers are those that a listener sets in answers.
func headers(l elbv2.Listener) (out []table.Header) {
	for _, key := range slices.Sorted(maps.Keys(elbv2.ResponseHeaders)) {
		if v := l.Attribute(key); v != "" {
			out = append(out, table.Header{Name: elbv2.ResponseHeaders[key], Value: v})
		}
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

// zones returns the zones of a balancer's own addresses.
func (b builder) zones(lb elbv2.LoadBalancer) map[netip.Addr]string {
	out := map[netip.Addr]string{}
	for _, i := range b.in.Interfaces {
		if i.LoadBalancer != lb.ARN || !i.Addr.IsValid() {
			continue
		}
		if at := slices.IndexFunc(lb.Subnets, func(s elbv2.Subnet) bool { return s.ID == i.Subnet }); at >= 0 {
			out[i.Addr] = lb.Subnets[at].AZ
		}
	}
	return out
}

// source returns the address that a balancer dials its targets from.
func (b builder) source(lb string) netip.Addr {
	if a := b.addresses(lb); len(a) > 0 {
		return a[0]
	}
	return netip.Addr{}
}

func (b builder) pool(g elbv2.TargetGroup) table.Pool {
	user, inUse := b.users[g.ARN]
	p := table.Pool{
		ID: g.ARN, TLS: g.Secured(), Version: table.Version(g.Version), InUse: inUse, Check: check(g),
		Algorithm: table.Algorithm(g.Attribute(elbv2.Algorithm)), Mitigate: g.Attribute(elbv2.AnomalyMitigation) == "on",
		SlowStart: time.Duration(g.Number(elbv2.SlowStart)) * time.Second, Sticky: sticky(g),
		MinHealthy: g.Number(elbv2.RoutingCount), MinHealthyPercent: g.Number(elbv2.RoutingPercentage),
		OneZone: g.Attribute(elbv2.CrossZone) == "false",
	}
	if inUse {
		p.Source, p.Balancer = b.source(user), user
		p.LogChecks = slices.ContainsFunc(b.in.LoadBalancers, func(lb elbv2.LoadBalancer) bool { return lb.ARN == user && logged(lb, elbv2.HealthLogs) })
	}
	for _, t := range b.in.Targets {
		if t.Group == g.ARN {
			p.Targets = append(p.Targets, b.target(g, t))
		}
	}
	return p
}

// sticky is how clients stay with their target.
func sticky(g elbv2.TargetGroup) table.Sticky {
	sticky, app := g.Sticky()
	switch {
	case !sticky:
		return table.Sticky{}
	case app:
		return table.Sticky{For: time.Duration(g.Number(elbv2.AppCookieTime)) * time.Second, Cookie: g.Attribute(elbv2.AppCookieName)}
	}
	return table.Sticky{For: time.Duration(g.Number(elbv2.BalancerCookieTime)) * time.Second}
}

func check(g elbv2.TargetGroup) table.Check {
	c := g.Check
	port, _ := strconv.ParseUint(c.Port, 10, 16) // 0 for traffic-port: the target's own
	return table.Check{
		Version:            table.Version(g.Version),
		TLS:                c.Protocol == string(types.ProtocolEnumHttps),
		Path:               c.Path,
		Port:               uint16(port),
		Interval:           time.Duration(c.Interval) * time.Second,
		Timeout:            time.Duration(c.Timeout) * time.Second,
		HealthyThreshold:   int(c.Healthy),
		UnhealthyThreshold: int(c.Unhealthy),
		Matcher:            c.Matcher,
	}
}

func (b builder) target(g elbv2.TargetGroup, t elbv2.Target) table.Target {
	addr, _ := netip.ParseAddr(t.Addr) // the API checked it
	out := table.Target{ID: t.Addr, Zone: t.Zone, Addr: netip.AddrPortFrom(addr, uint16(t.Port)), Known: b.known(t)}
	if !t.DeregisteredAt.IsZero() {
		out.Draining = true
		out.Deadline = t.DeregisteredAt.Add(time.Duration(g.DeregistrationDelay()) * time.Second)
	}
	return out
}

func (b builder) known(t elbv2.Target) table.State {
	for _, h := range b.in.Healths {
		if h.Group == t.Group && h.Addr == t.Addr && h.Port == t.Port && (h.State == string(table.Healthy) || h.State == string(table.Unhealthy)) {
			return table.State(h.State)
		}
	}
	return ""
}
