package dns

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/zone"
	"github.com/skylift/skylift/internal/limit"
)

// ResolverConfig is what a Resolver works with.
type ResolverConfig struct {
	// Table returns the zones as those who ask see them.
	Table func() *zone.Table
	// View names whose private zones somebody sees.
	View func(from netip.Addr) string
	// Hosts are the names that addresses have by themselves.
	Hosts Hosts
	// Upstream returns the resolvers that are asked for everything else.
	Upstream func() []netip.AddrPort
	Conns    *limit.Conns // bounds the connections
	Log      *slog.Logger
}

// The bounds of a Resolver.
const (
	mostForwarded = 1024 // questions that others are asked at once
	mostOfOne     = 128  // of one who asks
	mostKept      = 8192 // answers
	longestKept   = time.Hour
)

// Resolver answers whoever may ask it from zones and, for everything else, by asking others. It keeps what they say for as long as
// they allow.
type Resolver struct {
	ResolverConfig
	kept *lru.Cache[kind, keptAnswer]

	mu   sync.Mutex
	busy map[netip.Addr]int // questions of each that others are asked now
	all  int
}

// kind is a question, as others are asked it.
type kind struct {
	name   string
	number uint16
	do     bool // signatures are wanted
}

// keptAnswer is what others said.
type keptAnswer struct {
	msg   *dns.Msg // not to be changed
	at    time.Time
	until time.Time
}

// NewResolver returns a Resolver.
func NewResolver(c ResolverConfig) *Resolver {
	kept, _ := lru.New[kind, keptAnswer](mostKept) // fails for a size below 1 only
	return &Resolver{ResolverConfig: c, kept: kept, busy: map[netip.Addr]int{}}
}

// Serve answers at the sockets until ctx ends, and closes them.
func (r *Resolver) Serve(ctx context.Context, at Sockets) error {
	return at.serve(ctx, r.Conns, r.answer, r.Log)
}

// answer answers one query: at once from zones and from what is kept; else others are asked, beside the reader for a packet.
func (r *Resolver) answer(ctx context.Context, in []byte, from netip.Addr, stream bool, reply func([]byte) error) {
	x, head, state := open(in, from, stream, nil)
	switch {
	case state == silence:
		return
	case x == nil:
		_ = reply(head)
		return
	case state == done:
		_ = reply(x.pack())
		return
	}
	x.reply.RecursionAvailable = true
	out, known := r.known(x)
	if known {
		_ = reply(x.pack())
		return
	}
	if !r.enter(from) {
		return // it asks again, as after a packet that was lost
	}
	finish := func() {
		defer r.leave(from)
		r.ask(ctx, x, out)
		_ = reply(x.pack())
	}
	if stream {
		finish()
		return
	}
	go safely(r.Log, finish)
}

// known makes the reply of what is known here. Where that isn't all, out is the name that others are to be asked for.
func (r *Resolver) known(x *exchange) (out string, known bool) {
	q := x.question()
	if q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR || q.Qclass != dns.ClassINET {
		x.fail(dns.RcodeRefused)
		return "", true
	}
	if rrs, ours := r.Hosts.answer(q); ours {
		x.reply.Answer = rrs
		return "", true
	}
	out = q.Name
	if a := r.Table().Answer(zone.Question{Name: q.Name, Type: q.Qtype, View: r.View(x.from)}); a.Ours && !a.Referral {
		x.put(a)
		x.reply.Authoritative = false
		if out = a.Out; out == "" {
			return "", true
		}
	}
	m := r.remembered(x.kindOf(out), time.Now())
	if m == nil {
		return out, false
	}
	x.add(m)
	return "", true
}

// kindOf is the question for a name that the exchange asks others.
func (x *exchange) kindOf(name string) kind {
	return kind{dns.CanonicalName(name), x.question().Qtype, x.opt != nil && x.opt.Do()}
}

// add puts what others said behind what is known here.
func (x *exchange) add(m *dns.Msg) {
	x.reply.Rcode = m.Rcode
	x.reply.Answer = append(x.reply.Answer, m.Answer...)
	x.reply.Ns = m.Ns
	for _, rr := range m.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			x.reply.Extra = append(x.reply.Extra, rr)
		}
	}
}

// enter takes one of the places of those whose questions others are asked.
func (r *Resolver) enter(from netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= mostForwarded || r.busy[from] >= mostOfOne {
		return false
	}
	r.all++
	r.busy[from]++
	return true
}

func (r *Resolver) leave(from netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.busy[from]--; r.busy[from] == 0 {
		delete(r.busy, from)
	}
}

// ask asks others for a name, and makes the reply of what they say.
func (r *Resolver) ask(ctx context.Context, x *exchange, name string) {
	k := x.kindOf(name)
	m := exchangeWith(ctx, k, r.Upstream())
	if m == nil {
		x.fail(dns.RcodeServerFailure)
		return
	}
	r.keep(k, m, time.Now())
	x.add(m)
}

// How long others have for an answer, and how often all are asked.
const (
	upstreamTimeout = 2 * time.Second
	upstreamRounds  = 2
)

// exchangeWith asks one after the other, until one knows. What none knows is what the last one said; nil is nothing.
func exchangeWith(ctx context.Context, k kind, upstream []netip.AddrPort) (last *dns.Msg) {
	q := new(dns.Msg).SetQuestion(k.name, k.number)
	q.SetEdns0(mostSize, k.do)
	for range upstreamRounds {
		for _, at := range upstream {
			m := exchangeOnce(ctx, q, at.String())
			switch {
			case ctx.Err() != nil:
				return nil
			case m == nil:
				continue
			case m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError:
				return m
			}
			last = m
		}
		if last != nil {
			break
		}
	}
	return last
}

// exchangeOnce asks one resolver, over TCP where a packet is too small for the answer.
func exchangeOnce(ctx context.Context, q *dns.Msg, at string) *dns.Msg {
	q = q.Copy()
	for _, network := range []string{"udp", "tcp"} {
		q.Id = dns.Id()
		c := dns.Client{Net: network, Timeout: upstreamTimeout}
		m, _, err := c.ExchangeContext(ctx, q, at)
		if err != nil || len(m.Question) != 1 || dns.CanonicalName(m.Question[0].Name) != q.Question[0].Name || m.Question[0].Qtype != q.Question[0].Qtype {
			return nil
		}
		if !m.Truncated {
			return m
		}
	}
	return nil
}

// keep remembers an answer for as long as its records may be (RFC 2181, 5.2; RFC 2308, 5).
func (r *Resolver) keep(k kind, m *dns.Msg, now time.Time) {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return
	}
	life, known := longestKept, false
	for _, rr := range m.Answer {
		life, known = min(life, time.Duration(rr.Header().Ttl)*time.Second), true
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && (len(m.Answer) == 0 || m.Rcode == dns.RcodeNameError) {
			life, known = min(life, time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second), true
		}
	}
	if known && life > 0 {
		r.kept.Add(k, keptAnswer{m, now, now.Add(life)})
	}
}

// remembered is an answer that is kept, with what is left of its records' time; nil is none.
func (r *Resolver) remembered(k kind, now time.Time) *dns.Msg {
	a, ok := r.kept.Get(k)
	if !ok {
		return nil
	}
	if !now.Before(a.until) {
		r.kept.Remove(k)
		return nil
	}
	m, age := a.msg.Copy(), uint32(now.Sub(a.at)/time.Second)
	for _, part := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range part {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl -= min(age, h.Ttl)
			}
		}
	}
	return m
}
