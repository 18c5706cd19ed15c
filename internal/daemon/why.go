package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/edge/check"
	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/projection/why"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/scene"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/vpc/sockets"
)

// WhyPath is where `skylift why` gets its answer from. The query has `of`, what it is asked of, which may be absent; and
// `cluster`. With `to`, and `port`, the question is why the first can't reach the second.
const WhyPath = "/skylift/v1/why"

// What is looked at anew for an answer has bounds.
const (
	lookFor   = 4 * time.Second // in all
	askFor    = 3 * time.Second // a target
	mostTasks = 64              // whose sockets are looked at
	mostAsked = 8               // targets
	atOnce    = 8
)

// tellWhy answers.
func (m *machine) tellWhy(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s, err := m.snapshot(r.Context(), q.Get("of"), q.Get("cluster"))
	if err != nil {
		m.answer(w, "why", nil, err)
		return
	}
	var a why.Answer
	switch {
	case q.Get("to") != "":
		a, err = why.Reach(s, q.Get("of"), q.Get("to"), q.Get("port"), q.Get("cluster"))
	case q.Get("of") == "":
		a = why.Everything(s)
	default:
		a, err = why.Of(s, q.Get("of"), q.Get("cluster"))
	}
	if errors.Is(err, why.ErrNone) {
		denied, found, failed := m.whyDenied(q.Get("of"))
		if !found && failed == nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		m.answer(w, "why", denied, failed)
		return
	}
	if err == nil && q.Get("of") != "" && q.Get("to") == "" {
		err = m.db.View(r.Context(), func(tx store.Tx) error {
			details, err := why.Details(tx, q.Get("of"), q.Get("cluster"))
			if err == nil {
				a.Details = &details
			}
			if errors.Is(err, why.ErrNone) {
				return nil
			}
			return err
		})
	}
	m.answer(w, "why", a, err)
}

// snapshot reads all that an answer is decided from, and looks anew at what ref, or without one what is ill, is about.
func (m *machine) snapshot(ctx context.Context, ref, cluster string) (*snapshot.Snapshot, error) {
	s, err := m.records(ctx)
	if err != nil {
		return nil, err
	}
	plain, err := m.plain(ctx)
	if err != nil {
		return nil, err
	}
	s.Machine = append(m.machineProblems(), plain...)
	look, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	(&looker{machine: m, s: s}).look(look, why.Around(s, ref, cluster))
	return s, nil
}

// records reads what is known without looking anew, but for what is wrong with the machine.
func (m *machine) records(ctx context.Context) (*snapshot.Snapshot, error) {
	_, rules, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot.Snapshot{
		Now: time.Now(), Account: m.is.AccountID, Region: m.is.Region, Rules: rules,
		Total: m.capacity.Total(), Used: m.capacity.Used(), DNS: m.dnsListens(), Bound: map[string]error{},
		Counts: m.lb.Counts(),
	}
	if rules.CIDR == (netip.Prefix{}) {
		rules.CIDR = m.is.VPCCIDR
	}
	for addr, err := range m.lb.BindErrors() {
		s.Bound[addr.String()] = err
	}
	earlier, at := m.counted.earliest()
	s.Recent, s.RecentFor = s.Counts.Since(earlier), s.Now.Sub(at)
	if err := m.db.View(ctx, s.Read); err != nil {
		return nil, fmt.Errorf("read the records: %w", err)
	}
	return s, nil
}

// looker looks at tasks and targets for a snapshot.
type looker struct {
	*machine
	s    *snapshot.Snapshot
	lock sync.Mutex // guards what it fills in
}

// look looks at the tasks that around has, and at the targets among them that are unhealthy; nil: all.
func (l *looker) look(ctx context.Context, around map[string]bool) {
	l.s.Sockets, l.s.Probes = map[string][]sockets.Socket{}, map[string]snapshot.Probe{}
	var jobs []func(context.Context)
	for _, t := range l.s.Tasks {
		if t.Status != ecs.Running && t.Status != ecs.Activating || around != nil && !around[snapshot.TaskKey(t)] {
			continue
		}
		if len(jobs) == mostTasks {
			l.s.Unknown = append(l.s.Unknown, fmt.Sprintf("the connections of more than %d tasks: ask about a service or a task", mostTasks))
			break
		}
		jobs = append(jobs, func(ctx context.Context) { l.sockets(ctx, t) })
	}
	asked := 0
	for _, t := range l.s.Targets {
		h := l.s.Health[elbv2.TargetKey(t.Group, t.Addr, t.Port)]
		if h.State != elbv2.StateUnhealthy || !t.DeregisteredAt.IsZero() || around != nil && !around[snapshot.PoolKey(t.Group)] || asked == mostAsked {
			continue
		}
		asked++
		jobs = append(jobs, func(ctx context.Context) { l.probe(ctx, t) })
	}
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, job := range jobs {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			job(ctx)
		})
	}
	all.Wait()
	slices.Sort(l.s.Unknown)
	l.s.Unknown = slices.Compact(l.s.Unknown)
}

func (l *looker) sockets(ctx context.Context, t ecs.Task) {
	found, err := socketsOf(ctx, l.Engine, t)
	l.lock.Lock()
	defer l.lock.Unlock()
	if err != nil {
		l.s.Unknown = append(l.s.Unknown, fmt.Sprintf("the connections of task %s: %v", snapshot.Short(t.ID), err))
		return
	}
	l.s.Sockets[t.Key()] = found
}

// socketsOf returns the TCP sockets of a task's processes.
func socketsOf(ctx context.Context, e engine.Engine, t ecs.Task) ([]sockets.Socket, error) {
	is, err := e.Inspect(ctx, t.ID)
	if err != nil || is.NetNS == "" {
		return nil, err
	}
	return sockets.In(is.NetNS)
}

// probe asks a target again as its health check does, and, if it answers otherwise than it should, with the Host headers
// that its clients send.
func (l *looker) probe(ctx context.Context, t elbv2.Target) {
	g, ok := l.s.TargetGroup(t.Group)
	addr, err := netip.ParseAddr(t.Addr)
	matcher, bad := check.ParseMatcher(table.Version(g.Version), g.Check.Matcher)
	if !ok || err != nil || bad != nil {
		return
	}
	dial := l.dialFrom(t.Group)
	timeout := min(askFor, 2*time.Duration(g.Check.Timeout)*time.Second) // an answer that comes too late is an answer
	p := check.Probe{Path: g.Check.Path, TLS: g.Check.Protocol == "HTTPS", Version: table.Version(g.Version), Matcher: matcher, Timeout: timeout}
	at := netip.AddrPortFrom(addr, snapshot.CheckPort(g, t))
	found := snapshot.Probe{Seen: elbv2.Seen(p.Ask(ctx, dial, at).Seen), Hosts: map[string]elbv2.Seen{}}
	if found.Seen.Status != "" {
		for _, host := range first(l.s.HostsTo(g.ARN), 3) {
			p.Host = host
			found.Hosts[host] = elbv2.Seen(p.Ask(ctx, dial, at).Seen)
		}
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	l.s.Probes[elbv2.TargetKey(t.Group, t.Addr, t.Port)] = found
}

// dialFrom dials from the address of a balancer that uses the group: the firewall judges that.
func (l *looker) dialFrom(group string) check.Dial {
	var d net.Dialer
	for _, b := range l.s.BalancersTo(group) {
		if eni, ok := l.s.InterfaceOf(b.ARN); ok {
			d.LocalAddr = &net.TCPAddr{IP: eni.Addr.AsSlice()}
			break
		}
	}
	return func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", addr.String())
	}
}

func first[T any](all []T, n int) []T { return all[:min(n, len(all))] }

// scene looks how a task that failed is doing, for whoever asks later.
func (m *machine) scene(ctx context.Context, t ecs.Task) scene.Scene {
	sc := scene.Scene{At: time.Now().UTC()}
	err := m.db.View(ctx, func(tx store.Tx) error {
		for _, l := range t.LoadBalancers {
			h, err := elbv2.Healths.Get(tx, elbv2.TargetKey(l.TargetGroup, t.ENI.Addr.String(), l.ContainerPort))
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			sc.Targets = append(sc.Targets, scene.Target{
				Group: h.Group, Port: h.Port, State: h.State, Reason: h.Reason, Since: h.Since, At: h.Seen.At, Asked: h.Seen.Asked, Took: h.Seen.Took,
				Status: h.Seen.Status, Location: h.Seen.Location, Body: h.Seen.Body, Error: h.Seen.Error,
			})
		}
		return nil
	})
	if err != nil {
		m.Log.Warn("how a task's target groups saw it isn't kept", "task", t.ID, "err", err)
	}
	found, err := socketsOf(ctx, m.Engine, t)
	if err != nil {
		m.Log.Warn("where a task listened isn't kept", "task", t.ID, "err", err)
	}
	for _, k := range found {
		if k.Listens {
			sc.Listens = append(sc.Listens, k.Local)
		}
	}
	return sc
}

// What is counted is kept for a while, to tell what it was of late.
const (
	countEvery = time.Minute
	countKept  = 10
)

// counted keeps what balancers had counted at each of the last minutes.
type counted struct {
	counts func() meter.Counts
	lock   sync.Mutex
	kept   []countedAt
}

type countedAt struct {
	at time.Time
	meter.Counts
}

// Run keeps the counts.
func (c *counted) Run(ctx context.Context) error {
	c.keep(time.Now())
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			c.keep(now)
		}
	}
}

func (c *counted) keep(now time.Time) {
	is := countedAt{now, c.counts()}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.kept = append(c.kept, is)
	c.kept = c.kept[max(0, len(c.kept)-countKept):]
}

// earliest returns what was counted when the time that is kept begins.
func (c *counted) earliest() (meter.Counts, time.Time) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if len(c.kept) == 0 {
		return meter.Counts{}, time.Now()
	}
	return c.kept[0].Counts, c.kept[0].at
}
