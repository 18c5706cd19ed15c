// Package dns is a name server: it answers from zones over UDP and TCP.
//
// It is authoritative: what it doesn't have zones of it refuses. It answers whatever it is sent, or nothing, and what it remembers
// of who asks is bounded.
package dns

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/zone"
	"github.com/skylift/skylift/internal/limit"
)

// Config is what a Server works with.
type Config struct {
	// Table returns the zones as they are now.
	Table func() *zone.Table
	// Transfers are who may have zones whole.
	Transfers []netip.Prefix
	Conns     *limit.Conns // bounds the connections
	Log       *slog.Logger
}

// Server answers from the public zones.
type Server struct {
	Config
	cookies *cookies
	rate    *rate
}

// New returns a Server.
func New(c Config) *Server { return &Server{Config: c, cookies: newCookies(), rate: newRate()} }

// Serve answers at the sockets until ctx ends, and closes them.
func (s *Server) Serve(ctx context.Context, at Sockets) error {
	return at.serve(ctx, s.Conns, s.answer, s.Log)
}

// answer answers one query.
func (s *Server) answer(_ context.Context, in []byte, from netip.Addr, stream bool, reply func([]byte) error) {
	x, head, state := open(in, from, stream, s.cookies)
	switch {
	case state == silence:
		return
	case x == nil:
		if stream || s.rate.judge(from, "", time.Now()) == send {
			_ = reply(head)
		}
		return
	case state == asked && (x.question().Qtype == dns.TypeAXFR || x.question().Qtype == dns.TypeIXFR):
		if s.transfer(x, reply) {
			return
		}
	case state == asked:
		s.fill(x)
	}
	s.send(x, reply)
}

// send sends the reply, unless the client has had enough of its kind.
func (s *Server) send(x *exchange, reply func([]byte) error) {
	if x.stream || x.known {
		_ = reply(x.pack())
		return
	}
	switch s.rate.judge(x.from, x.kind(), time.Now()) {
	case send:
		_ = reply(x.pack())
	case cut:
		x.fail(x.reply.Rcode)
		x.reply.Truncated = true
		_ = reply(x.pack())
	}
}

// fill makes the reply.
func (s *Server) fill(x *exchange) {
	q := x.question()
	a := s.Table().Answer(zone.Question{Name: q.Name, Type: q.Qtype, Transfer: s.mayTransfer(x.from)})
	if !a.Ours {
		x.fail(dns.RcodeRefused)
		return
	}
	x.put(a)
}

// put writes an answer into the reply.
func (x *exchange) put(a zone.Answer) {
	x.reply.Authoritative = !a.Referral
	x.reply.Rcode, x.source = a.Rcode, a.Source
	x.reply.Answer, x.reply.Ns = a.Answer, a.Authority
	x.reply.Extra = append(a.Additional, x.reply.Extra...)
}

func (s *Server) mayTransfer(from netip.Addr) bool {
	return slices.ContainsFunc(s.Transfers, func(p netip.Prefix) bool { return p.Contains(from) })
}

// kind names answers that are alike: those that are made of one name's records, referrals to one delegation, those that names in
// a zone don't exist, and errors. There are no more kinds than records, whatever is asked.
func (x *exchange) kind() string {
	m := x.reply
	switch {
	case m.Rcode == dns.RcodeNameError && len(m.Ns) > 0:
		return "no " + m.Ns[0].Header().Name
	case m.Rcode != dns.RcodeSuccess:
		return dns.RcodeToString[m.Rcode]
	case !m.Authoritative && len(m.Ns) > 0:
		return "below " + m.Ns[0].Header().Name
	case x.source != "":
		return x.source
	}
	return strings.ToLower(m.Question[0].Name)
}
