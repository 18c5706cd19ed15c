// Package route decides what becomes of a request: which listener it is for,
// which rule it meets, and which pool of targets it goes to.
//
// What it decides from is compiled from a table and never changes. Only the
// target pools live on from table to table.
package route

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/rule"
	"github.com/skylift/skylift/internal/edge/secure"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/edge/target"
)

// An Application Load Balancer's idle timeout, and its client keep-alive.
const (
	defaultIdle = 60 * time.Second
	defaultAge  = time.Hour
)

// Socket is the listeners that share a socket, or those of them that a connection
// may carry requests for.
type Socket struct {
	Idle time.Duration // the longest idle timeout of its listeners
	Zone string        // of its address; "": it is in none

	listeners []*Route
	byName    map[string]*Route  // by the balancer's DNS name
	parts     map[string]*Socket // by their guards; "" is over HTTP. A part has none
}

// Route is a listener, ready for requests.
type Route struct {
	ID     string
	Name   string     // the balancer's DNS name
	Source netip.Addr // address that targets are dialled from
	Idle   time.Duration
	Age    time.Duration // how old a client's connection may become
	Scheme string        // of its URLs: http, https
	Port   string
	TLS    *secure.Server // nil: it speaks HTTP
	HTTP   table.HTTP
	Tells  table.Tells
	// Headers are set in all answers.
	Headers *rewrite.Headers

	Balancer string // its ID
	Logs     table.Logs
	Meter    *meter.Zones[meter.Front] // the balancer's

	admit    []netip.Prefix
	rules    *rule.Set
	actions  []Action // of the rules
	fallback Action
}

// Action is what becomes of a request: at most one of Fixed, Redirect and Forward
// is set.
type Action struct {
	Fixed     *table.Fixed
	Redirect  *rewrite.Redirect
	Forward   *Forward
	Host, URL *rewrite.Transform // nil: it stays as it is
	Priority  int                // of the rule; 0: the default
}

// Compiler makes tables ready for requests. What it makes of a listener's rules and
// of its TLS it makes again only when they change. A balancer's counters stay as long as it has a listener.
type Compiler struct {
	known  map[string]known
	meters map[string]*meter.Zones[meter.Front] // by balancer
}

// Each calls f for each balancer's counters, by zone.
func (c *Compiler) Each(f func(balancer, zone string, m *meter.Front)) {
	for id, m := range c.meters {
		m.Each(func(zone string, m *meter.Front) { f(id, zone, m) })
	}
}

// known is what was made of a listener.
type known struct {
	rules  *compiled
	said   *table.TLS     // nil: it speaks HTTP
	server *secure.Server // of said
}

// compiled is the rules of a listener.
type compiled struct {
	from      []table.Rule
	set       *rule.Set
	host, url []*rewrite.Transform
	err       error
}

// Compile makes the listeners of a table ready for requests, by the sockets that
// they answer on. pool finds the pool that has an id, nil if there is none. The
// error tells of rules that can't be read: no request meets them.
func (c *Compiler) Compile(t *table.Table, pool func(id string) *target.Pool, tickets *secure.Tickets) (map[netip.AddrPort]*Socket, error) {
	sockets, next, errs := map[netip.AddrPort]*Socket{}, map[string]known{}, []error(nil)
	meters := map[string]*meter.Zones[meter.Front]{}
	for i := range t.Listeners {
		l := &t.Listeners[i]
		k := c.known[l.ID]
		if k.rules == nil || !slices.EqualFunc(k.rules.from, l.Rules, alike) {
			k.rules = compileRules(l.Rules)
		}
		if !l.TLS.Equal(k.said) {
			k.said, k.server = l.TLS, nil
			if l.TLS != nil {
				k.server = secure.NewServer(l.ID, l.TLS, tickets)
			}
		}
		next[l.ID] = k
		errs = append(errs, k.rules.err)
		r := compileRoute(l, k.rules, pool)
		if meters[r.Balancer] == nil {
			if meters[r.Balancer] = c.meters[r.Balancer]; meters[r.Balancer] == nil {
				meters[r.Balancer] = meter.NewZones(meter.NewFront)
			}
		}
		r.Meter = meters[r.Balancer]
		if k.server != nil {
			r.Scheme, r.TLS = "https", k.server
		}
		for _, bind := range l.Binds {
			s := sockets[bind]
			if s == nil {
				s = newSocket()
				s.parts = map[string]*Socket{}
				sockets[bind] = s
			}
			s.add(r)
			s.Zone = cmp.Or(s.Zone, l.Balancer.Zones[bind.Addr()])
		}
	}
	c.known, c.meters = next, meters
	return sockets, errors.Join(errs...)
}

// alike tells whether two rules look at the same and rewrite the same.
func alike(a, b table.Rule) bool {
	return slices.EqualFunc(a.Conditions, b.Conditions, func(a, b table.Condition) bool {
		return a.Field == b.Field && a.Header == b.Header && slices.Equal(a.Values, b.Values) && slices.Equal(a.Regex, b.Regex) && slices.Equal(a.Pairs, b.Pairs)
	}) && same(a.Action.Host, b.Action.Host) && same(a.Action.URL, b.Action.URL)
}

func same(a, b *table.Rewrite) bool { return a == b || a != nil && b != nil && *a == *b }

func compileRules(rules []table.Rule) *compiled {
	c := &compiled{from: rules}
	readable := slices.Clone(rules)
	errs := make([]error, 1, 4)
	for i := range readable {
		host, err1 := rewrite.NewTransform(rules[i].Action.Host)
		url, err2 := rewrite.NewTransform(rules[i].Action.URL)
		if err := errors.Join(err1, err2); err != nil {
			readable[i].Conditions = []table.Condition{{Field: "unreadable"}}
			errs = append(errs, err)
		}
		c.host, c.url = append(c.host, host), append(c.url, url)
	}
	c.set, errs[0] = rule.Compile(readable)
	c.err = errors.Join(errs...)
	return c
}

func compileRoute(l *table.Listener, rules *compiled, pool func(id string) *target.Pool) *Route {
	r := &Route{
		ID:       l.ID,
		Name:     string(foldTo(nil, []byte(l.Balancer.DNSName))),
		Source:   l.Balancer.Source,
		Idle:     l.Balancer.IdleTimeout,
		Age:      l.Balancer.KeepAlive,
		HTTP:     l.Balancer.HTTP,
		Tells:    l.Tells,
		Headers:  rewrite.NewHeaders(l.Headers, l.Anonymous),
		Port:     strconv.Itoa(int(l.Port)),
		Scheme:   "http",
		Balancer: l.Balancer.ID,
		Logs:     l.Balancer.Logs,
		admit:    slices.Clone(l.Balancer.Admit),
		rules:    rules.set,
		fallback: compileAction(l.Default, pool),
	}
	if r.Idle <= 0 {
		r.Idle = defaultIdle
	}
	if r.Age <= 0 {
		r.Age = defaultAge
	}
	for i := range l.Rules {
		a := compileAction(l.Rules[i].Action, pool)
		a.Host, a.URL, a.Priority = rules.host[i], rules.url[i], l.Rules[i].Priority
		r.actions = append(r.actions, a)
	}
	return r
}

func compileAction(a table.Action, pool func(id string) *target.Pool) Action {
	switch {
	case a.Forward != nil:
		return Action{Forward: newForward(a.Forward, pool)}
	case a.Redirect != nil:
		return Action{Redirect: rewrite.NewRedirect(a.Redirect)}
	default:
		return Action{Fixed: a.Fixed}
	}
}

// Choose finds the listener that a request for host is meant for, as documented
// at table.Listener. host has no port.
func (s *Socket) Choose(host []byte) *Route {
	if len(s.listeners) == 1 {
		return s.listeners[0]
	}
	if r := s.claims(host); r != nil {
		return r
	}
	return s.listeners[0]
}

// First returns the listener that what names none is for.
func (s *Socket) First() *Route { return s.listeners[0] }

// Only returns the listener of a socket that has one; nil: it has several.
func (s *Socket) Only() *Route {
	if len(s.listeners) != 1 {
		return nil
	}
	return s.listeners[0]
}

// claims returns the listener whose balancer or rules name the host; nil: none does.
func (s *Socket) claims(host []byte) *Route {
	if r := s.named(host); r != nil {
		return r
	}
	for _, r := range s.listeners {
		if r.names(host) {
			return r
		}
	}
	return nil
}

// named returns the listener of the balancer that has the host as its DNS name; nil:
// none has.
func (s *Socket) named(host []byte) *Route {
	var low [128]byte
	if len(host) > len(low) {
		return nil
	}
	return s.byName[string(foldTo(low[:0], host))]
}

// Find returns the listener that has an id, nil if there is none.
func (s *Socket) Find(id string) *Route {
	for _, r := range s.listeners {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Admits tells whether any listener lets the client in.
func (s *Socket) Admits(client netip.Addr) bool {
	return slices.ContainsFunc(s.listeners, func(r *Route) bool { return r.Admits(client) })
}

// Admits tells whether the listener lets the client in.
func (r *Route) Admits(client netip.Addr) bool {
	for _, p := range r.admit {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// Act finds what becomes of a request.
func (r *Route) Act(of *rule.Request) *Action {
	if i := r.rules.Find(of); i >= 0 {
		return &r.actions[i]
	}
	return &r.fallback
}

// names tells whether a rule asks for the host.
func (r *Route) names(host []byte) bool { return r.rules.MatchHost(host) }

// Hostname is the Host header's value without the port and a final dot.
func Hostname(host []byte) []byte {
	for i := len(host) - 1; i >= 0 && host[i] != ']'; i-- {
		if host[i] == ':' {
			host = host[:i]
			break
		}
	}
	if n := len(host); n > 1 && host[n-1] == '.' {
		host = host[:n-1]
	}
	return host
}

// foldTo appends s to dst in lower case.
func foldTo(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
