package dns

import (
	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/zone"
)

// pieceSize is about how large the messages of a transfer are, in bytes.
const pieceSize = 32 << 10

// transfer sends a zone whole (RFC 5936). Of what is chosen anew at each question it sends what would be answered now. Where it
// sends none, it makes the reply that says so, and returns false.
func (s *Server) transfer(x *exchange, reply func([]byte) error) (sent bool) {
	q := x.question()
	t := s.Table()
	z := t.Find("", q.Name)
	switch {
	case !s.mayTransfer(x.from):
		x.fail(dns.RcodeRefused)
	case z == nil || !z.Named(q.Name):
		x.fail(dns.RcodeNotAuth)
	case !x.stream && q.Qtype == dns.TypeIXFR: // RFC 1995: the SOA record alone says that TCP is to be used
		x.put(t.AnswerFrom(z, zone.Question{Name: q.Name, Type: dns.TypeSOA, Transfer: true}))
	case !x.stream:
		x.fail(dns.RcodeRefused)
	default:
		return s.sendZone(x, t, z, reply)
	}
	return false
}

func (s *Server) sendZone(x *exchange, t *zone.Table, z *zone.Zone, reply func([]byte) error) (sent bool) {
	soa := t.AnswerFrom(z, zone.Question{Name: z.Name, Type: dns.TypeSOA, Transfer: true}).Answer
	if len(soa) != 1 {
		x.fail(dns.RcodeServerFailure)
		return false
	}
	x.reply.Authoritative = true
	size := 0
	flush := func() bool {
		err := reply(x.pack())
		x.reply.Answer, size = nil, 0
		return err == nil
	}
	add := func(rr dns.RR) bool {
		x.reply.Answer = append(x.reply.Answer, rr)
		size += dns.Len(rr)
		return size < pieceSize || flush()
	}
	if !add(soa[0]) {
		return true
	}
	for rr := range t.Records(z) {
		if rr.Header().Rrtype != dns.TypeSOA && !add(rr) {
			return true
		}
	}
	if add(soa[0]) && len(x.reply.Answer) > 0 {
		flush()
	}
	return true
}
