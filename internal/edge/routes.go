package edge

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/edge/match"
)

// defaultIdle is an Application Load Balancer's idle timeout.
const defaultIdle = 60 * time.Second

// routes are the listeners that share a socket, made ready for requests:
// immutable, except that the pools in them live on from table to table.
type routes struct {
	listeners []*route
	byName    map[string]*route // by the balancer's DNS name
	idle      time.Duration     // the longest of theirs
}

// route is a listener made ready.
type route struct {
	id       string
	name     string
	source   netip.Addr
	idle     time.Duration
	port     string
	admit    []netip.Prefix
	rules    []rule
	fallback action
	hosts    []match.Pattern // of all rules
}

type rule struct {
	hosts, paths [][]match.Pattern // all of them, any pattern of each
	action       action
}

type action struct {
	fixed   *Fixed
	forward *forward
}

// compile makes t's listeners ready; pool finds the pool that lives under an
// id, nil if there is none.
func compile(t *Table, pool func(id string) *pool) map[netip.AddrPort]*routes {
	sockets := map[netip.AddrPort]*routes{}
	for i := range t.Listeners {
		l := &t.Listeners[i]
		r := compileRoute(l, pool)
		for _, bind := range l.Binds {
			rs := sockets[bind]
			if rs == nil {
				rs = &routes{byName: map[string]*route{}}
				sockets[bind] = rs
			}
			rs.listeners = append(rs.listeners, r)
			rs.idle = max(rs.idle, r.idle)
			if _, taken := rs.byName[r.name]; !taken && r.name != "" {
				rs.byName[r.name] = r
			}
		}
	}
	return sockets
}

func compileRoute(l *Listener, pool func(id string) *pool) *route {
	r := &route{
		id:       l.ID,
		name:     string(lowered([]byte(l.Balancer.DNSName))),
		source:   l.Balancer.Source,
		idle:     l.Balancer.IdleTimeout,
		port:     strconv.Itoa(int(l.Port)),
		admit:    slices.Clone(l.Balancer.Admit),
		fallback: compileAction(l.Default, pool),
	}
	if r.idle <= 0 {
		r.idle = defaultIdle
	}
	for i := range l.Rules {
		ru := rule{action: compileAction(l.Rules[i].Action, pool)}
		for _, c := range l.Rules[i].Conditions {
			switch c.Field {
			case HostHeader:
				hosts := compilePatterns(c.Values, match.Host)
				ru.hosts = append(ru.hosts, hosts)
				r.hosts = append(r.hosts, hosts...)
			case PathPattern:
				ru.paths = append(ru.paths, compilePatterns(c.Values, match.Path))
			}
		}
		r.rules = append(r.rules, ru)
	}
	return r
}

func compilePatterns(values []string, compile func(string) match.Pattern) []match.Pattern {
	ps := make([]match.Pattern, len(values))
	for i, v := range values {
		ps[i] = compile(v)
	}
	return ps
}

func compileAction(a Action, pool func(id string) *pool) action {
	if a.Forward == nil {
		return action{fixed: a.Fixed}
	}
	f := &forward{}
	for _, w := range a.Forward.Pools {
		if p := pool(w.Pool); p != nil && w.Weight > 0 {
			f.total += uint64(w.Weight)
			f.pools = append(f.pools, weighted{p, f.total})
		}
	}
	return action{forward: f}
}

// choose finds the listener that a request for host is meant for, as
// documented at Listener. host has no port.
func (rs *routes) choose(host []byte) *route {
	if len(rs.listeners) == 1 {
		return rs.listeners[0]
	}
	var low [128]byte
	if len(host) <= len(low) {
		if r := rs.byName[string(foldTo(low[:0], host))]; r != nil {
			return r
		}
	}
	for _, r := range rs.listeners {
		if anyMatch(r.hosts, host) {
			return r
		}
	}
	return rs.listeners[0]
}

// find is the listener with an id, nil if there is none.
func (rs *routes) find(id string) *route {
	for _, r := range rs.listeners {
		if r.id == id {
			return r
		}
	}
	return nil
}

// admits tells whether any listener lets the client in.
func (rs *routes) admits(client netip.Addr) bool {
	return slices.ContainsFunc(rs.listeners, func(r *route) bool { return r.admits(client) })
}

func (r *route) admits(client netip.Addr) bool {
	for _, p := range r.admit {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// act finds what becomes of a request.
func (r *route) act(host, path []byte) action {
	for i := range r.rules {
		if r.rules[i].meets(host, path) {
			return r.rules[i].action
		}
	}
	return r.fallback
}

func (r *rule) meets(host, path []byte) bool {
	for _, any := range r.hosts {
		if !anyMatch(any, host) {
			return false
		}
	}
	for _, any := range r.paths {
		if !anyMatch(any, path) {
			return false
		}
	}
	return true
}

func anyMatch(ps []match.Pattern, s []byte) bool {
	for i := range ps {
		if ps[i].Match(s) {
			return true
		}
	}
	return false
}

// hostname is the Host header's value without the port and a final dot.
func hostname(host []byte) []byte {
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

func lowered(s []byte) []byte { return foldTo(nil, s) }

func foldTo(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
