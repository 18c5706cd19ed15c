package route

import (
	"github.com/skylift/skylift/internal/edge/secure"
)

func newSocket() *Socket { return &Socket{byName: map[string]*Route{}} }

// add gives the socket one more listener.
func (s *Socket) add(r *Route) {
	s.listeners = append(s.listeners, r)
	s.Idle = max(s.Idle, r.Idle)
	if _, taken := s.byName[r.Name]; !taken && r.Name != "" {
		s.byName[r.Name] = r
	}
	if s.parts == nil {
		return
	}
	guard := ""
	if r.TLS != nil {
		guard = r.TLS.Guard
	}
	p := s.parts[guard]
	if p == nil {
		p = newSocket()
		s.parts[guard] = p
	}
	p.add(r)
}

// Speaks tells whether there are listeners over HTTP, and over HTTPS.
func (s *Socket) Speaks() (plain, tls bool) {
	plain = s.parts[""] != nil
	return plain, len(s.parts) > 1 || !plain
}

// Part returns the listeners that a connection may carry requests for, by the guard
// that it passed, "" over HTTP; nil when there are none.
func (s *Socket) Part(guard string) *Socket { return s.parts[guard] }

// Greet finds the listener over HTTPS that a client means by the name that it asks
// for, which may be empty: that of a balancer, or one that a listener has a
// certificate for. Where several have, a rule for the name decides.
func (s *Socket) Greet(name string) *Route {
	host := Hostname([]byte(name))
	if r := s.named(host); r != nil && r.TLS != nil {
		return r
	}
	return s.fitting(nil, name, host)
}

// fitting returns the listener over HTTPS whose certificates fit a name best. Where
// several do, a rule for the host decides, and then it is own, if that is not nil.
func (s *Socket) fitting(own *Route, name string, host []byte) *Route {
	best, fits, named := own, secure.None, false
	if own != nil {
		fits, named = own.TLS.Fits(name), own.names(host)
	}
	for _, r := range s.listeners {
		if r.TLS == nil || fits == secure.Exact && named {
			continue
		}
		f, n := r.TLS.Fits(name), r.names(host)
		if best == nil || f > fits || f == fits && n && !named {
			best, fits, named = r, f, n
		}
	}
	return best
}

// ChooseFrom is Choose for a connection whose handshake a listener answered, which
// home is the id of. It is Greet's order, but that what fits no other listener better
// is for that one. nil: the listener is not here any more.
func (s *Socket) ChooseFrom(home string, host []byte) *Route {
	own := s.Find(home)
	if own == nil || len(s.listeners) == 1 {
		return own
	}
	if r := s.named(host); r != nil {
		return r
	}
	return s.fitting(own, string(host), host)
}

// Turn gives the listeners over HTTPS the present keys of session tickets.
func (s *Socket) Turn(t *secure.Tickets) {
	for _, r := range s.listeners {
		if r.TLS != nil {
			r.TLS.Turn(t)
		}
	}
}
