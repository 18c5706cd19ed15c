package zone

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Question is what is asked.
type Question struct {
	Name string
	Type uint16
	View string // of whoever asks; "" is the public one
	// Transfer says that SOA records are to have the serial of transfers.
	Transfer bool
}

// Answer is what a table knows of a question.
type Answer struct {
	// Ours is false where no zone has the name: nothing else is set then.
	Ours bool
	// Referral says that another server knows: Authority has which.
	Referral bool
	// Rcode is NXDOMAIN or success.
	Rcode int
	// Answer, Authority and Additional are the sections of a message. The records are not to be changed.
	Answer, Authority, Additional []dns.RR
	// Source is the name whose records were looked at first: the name that was asked for, in lower case, or the wildcard that stands
	// for it. It is set where there is such a name.
	Source string
	// Out is a name in no zone of ours, or below a delegation, that the last CNAME of Answer leads to.
	Out string
}

// maxChain bounds how many CNAMEs, and how many aliases of aliases, are followed.
const maxChain = 16

// Answer answers a question.
func (t *Table) Answer(q Question) Answer {
	var a Answer
	next := t.step(q, q.Name, &a)
	for seen := []string{strings.ToLower(q.Name)}; next != "" && len(seen) < maxChain; next = t.step(q, next, &a) {
		name := strings.ToLower(next)
		if slices.Contains(seen, name) {
			break
		}
		seen = append(seen, name)
	}
	return a
}

// AnswerFrom answers a question from one zone, whoever asks, and follows nothing.
func (t *Table) AnswerFrom(z *Zone, q Question) (a Answer) {
	if key, ok := Key(q.Name); ok && below(key, z.key) {
		t.in(z, key, q, q.Name, &a)
	}
	return a
}

// step adds what a name has to an answer, and returns the name that a CNAME leads to; "" where none does.
func (t *Table) step(q Question, name string, a *Answer) (next string) {
	key, ok := Key(name)
	var z *Zone
	if ok {
		z = t.zoneFor(q, key)
	}
	if z == nil {
		if a.Ours {
			a.Out = name
		}
		return ""
	}
	return t.in(z, key, q, name, a)
}

// in is step in one zone.
func (t *Table) in(z *Zone, key string, q Question, name string, a *Answer) (next string) {
	first := !a.Ours
	a.Ours = true
	if cut := z.cut(key, q.Type); cut != "" {
		if first {
			z.refer(cut, a)
		} else {
			a.Out = name
		}
		return ""
	}
	n, exists := z.lookup(key)
	if first && n != nil {
		a.Source = strings.ToLower(n.sets[0].Name)
	}
	if !exists {
		a.Rcode = dns.RcodeNameError
		z.deny(q, a)
		return ""
	}
	return t.from(z, n, q, name, a)
}

// zoneFor is the zone that knows of a name. The one above a zone has its DS records.
func (t *Table) zoneFor(q Question, key string) *Zone {
	z := t.find(q.View, key)
	if up, ok := above(key); z != nil && q.Type == dns.TypeDS && key == z.key && ok {
		if parent := t.find(q.View, up); parent != nil {
			return parent
		}
	}
	return z
}

// from answers from what the name has.
func (t *Table) from(z *Zone, n *node, q Question, name string, a *Answer) (next string) {
	number := q.Type
	if number == dns.TypeANY && n != nil { // RFC 8482: one of those that there are
		number = n.sets[0].Type
	}
	w := walk{t, mostLooks}
	if rrs := w.records(n.of(number)); len(rrs) > 0 {
		a.Answer = append(a.Answer, z.own(rrs, name, q)...)
		return ""
	}
	if rrs := w.records(n.of(dns.TypeCNAME)); len(rrs) > 0 {
		a.Answer = append(a.Answer, z.own(rrs[:1], name, q)...)
		return rrs[0].(*dns.CNAME).Target
	}
	z.deny(q, a)
	return ""
}

// own returns records with name as their owner.
func (z *Zone) own(rrs []dns.RR, name string, q Question) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		if out[i] = rr; rr.Header().Name != name {
			out[i] = dns.Copy(rr)
			out[i].Header().Name = name
		}
		if soa, ok := rr.(*dns.SOA); ok && q.Transfer {
			out[i] = z.counted(soa)
		}
	}
	return out
}

// counted returns an SOA record with the serial of transfers.
func (z *Zone) counted(soa *dns.SOA) *dns.SOA {
	c := *soa
	c.Serial = z.Serial
	return &c
}

// lookup finds what answers for a name: itself, or a wildcard below the closest name above it that exists. A name that
// exists and has nothing is nil.
func (z *Zone) lookup(key string) (n *node, exists bool) {
	if n = z.node(key); n != nil || z.exists(key) {
		return n, true
	}
	for up, ok := above(key); ok && below(up, z.key); up, ok = above(up) {
		if n = z.node(asterisk(up)); n != nil {
			return n, true
		}
		if z.exists(up) {
			break
		}
	}
	return nil, false
}

// cut returns the name at which the zone leaves a name to others; "" where it doesn't.
func (z *Zone) cut(key string, number uint16) string {
	if !z.delegates {
		return ""
	}
	at := ""
	for up, ok := key, true; ok && up != z.key; up, ok = above(up) {
		if z.node(up).cut() > 0 && (up != key || number != dns.TypeDS) {
			at = up
		}
	}
	return at
}

// refer says who knows of the names below a cut, with the addresses that the zone has of them.
func (z *Zone) refer(cut string, a *Answer) {
	a.Referral = true
	for _, s := range z.node(cut).of(dns.TypeNS) {
		for _, rr := range s.Records {
			a.Authority = append(a.Authority, rr)
			target, ok := Key(rr.(*dns.NS).Ns)
			if !ok || !below(target, cut) {
				continue
			}
			for _, number := range []uint16{dns.TypeA, dns.TypeAAAA} {
				for _, glue := range z.node(target).of(number) {
					a.Additional = append(a.Additional, glue.Records...)
				}
			}
		}
	}
}

// deny adds the SOA record that says how long a name, or its lack of records, may be remembered (RFC 2308).
func (z *Zone) deny(q Question, a *Answer) {
	for _, s := range z.node(z.key).of(dns.TypeSOA) {
		soa, ok := s.Records[0].(*dns.SOA)
		if !ok {
			return
		}
		c := *soa
		if q.Transfer {
			c.Serial = z.Serial
		}
		c.Hdr.Ttl = min(c.Hdr.Ttl, c.Minttl)
		a.Authority = append(a.Authority, &c)
	}
}
