package dns

import (
	"encoding/hex"
	"net/netip"

	"github.com/miekg/dns"
)

// The sizes of messages over UDP, in bytes: what everybody can take, and what is sent at most, since more would be cut to pieces
// on the way (https://www.dnsflagday.net/2020/).
const (
	leastSize = 512
	mostSize  = 1232
)

// exchange is a query with the answer to it.
type exchange struct {
	query, reply *dns.Msg
	from         netip.Addr
	stream       bool // over TCP
	opt          *dns.OPT
	cookie       string // of the client; "" is none
	known        bool   // the client has shown a cookie of ours
	subnet       bool   // one was told
	source       string // of the answer: the wildcard that it was made of, or the name; "" is not known
}

// question is what is asked.
func (x *exchange) question() dns.Question { return x.query.Question[0] }

// fail makes the reply say that there is no answer.
func (x *exchange) fail(rcode int) {
	opt := x.reply.IsEdns0()
	x.reply.Answer, x.reply.Ns, x.reply.Extra = nil, nil, nil
	if opt != nil {
		x.reply.Extra = []dns.RR{opt}
	}
	x.reply.Authoritative = false
	x.reply.Rcode = rcode
}

// headOf makes a reply to what can't be read further than its head.
func headOf(in []byte, rcode int) []byte {
	out := make([]byte, 12)
	copy(out, in[:4])
	out[2] = in[2]&0x79 | 0x80 // its opcode and whether recursion is desired; a response
	out[3] = byte(rcode)
	return out
}

// opened says what became of a query that was read.
type opened int

const (
	// asked: it is to be answered.
	asked opened = iota
	// done: the reply is made.
	done
	// silence: there is none.
	silence
)

// open reads a query. Cookies are nil where there are none.
func open(in []byte, from netip.Addr, stream bool, c *cookies) (x *exchange, head []byte, state opened) {
	if len(in) < 12 || in[2]&0x80 != 0 {
		return nil, nil, silence
	}
	if opcode := int(in[2]>>3) & 0xf; opcode != dns.OpcodeQuery {
		return nil, headOf(in, dns.RcodeNotImplemented), done
	}
	q := new(dns.Msg)
	if err := q.Unpack(in); err != nil || len(q.Question) != 1 || len(q.Answer) > 0 {
		return nil, headOf(in, dns.RcodeFormatError), done
	}
	x = &exchange{query: q, reply: new(dns.Msg), from: from, stream: stream}
	x.reply.SetReply(q)
	x.reply.Compress = true
	if rcode := x.options(c); rcode != dns.RcodeSuccess {
		x.fail(rcode)
		return x, nil, done
	}
	switch n := x.question(); {
	case n.Qclass != dns.ClassINET && n.Qclass != dns.ClassANY:
		x.fail(dns.RcodeRefused)
		return x, nil, done
	case n.Qtype == dns.TypeOPT || n.Qtype == 0 || n.Qtype >= 128 && n.Qtype < dns.TypeIXFR || n.Qtype == dns.TypeMAILA || n.Qtype == dns.TypeMAILB:
		x.fail(dns.RcodeNotImplemented)
		return x, nil, done
	}
	return x, nil, asked
}

// options reads the query's EDNS options (RFC 6891) and puts into the reply what answers them.
func (x *exchange) options(c *cookies) (rcode int) {
	for _, rr := range x.query.Extra {
		opt, is := rr.(*dns.OPT)
		if !is {
			continue
		}
		if x.opt != nil {
			return dns.RcodeFormatError
		}
		x.opt = opt
	}
	if x.opt == nil {
		return dns.RcodeSuccess
	}
	mine := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	mine.SetUDPSize(mostSize)
	mine.SetDo(x.opt.Do())
	x.reply.Extra = append(x.reply.Extra, mine)
	if x.opt.Version() != 0 {
		return dns.RcodeBadVers
	}
	for _, o := range x.opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_COOKIE:
			if x.cookie != "" || c == nil {
				continue
			}
			raw, err := hex.DecodeString(o.Cookie)
			if err != nil || len(raw) != 8 && (len(raw) < 16 || len(raw) > 40) {
				return dns.RcodeFormatError
			}
			x.cookie, x.known = o.Cookie[:16], c.ours(raw, x.from)
			mine.Option = append(mine.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(c.bake(raw[:8], x.from))})
		case *dns.EDNS0_SUBNET:
			if x.subnet || o.SourceScope != 0 || !fitsSubnet(o) { // one, with a scope of zero (RFC 7871, 6 and 7.1.2)
				return dns.RcodeFormatError
			}
			x.subnet = true
			mine.Option = append(mine.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: o.Family, SourceNetmask: o.SourceNetmask, Address: o.Address})
		}
	}
	return dns.RcodeSuccess
}

// fitsSubnet says whether a client's subnet is one of its family.
func fitsSubnet(o *dns.EDNS0_SUBNET) bool {
	bits, known := map[uint16]uint8{0: 0, 1: 32, 2: 128}[o.Family]
	return known && o.SourceNetmask <= bits
}

// pack writes the reply, as much as fits of it.
func (x *exchange) pack() []byte {
	size := dns.MaxMsgSize
	if !x.stream {
		size = leastSize
		if x.opt != nil {
			size = max(leastSize, min(mostSize, int(x.opt.UDPSize())))
		}
	}
	x.reply.Truncate(size)
	b, err := x.reply.Pack()
	if err != nil || len(b) > size {
		x.fail(dns.RcodeServerFailure)
		if b, err = x.reply.Pack(); err != nil {
			return nil
		}
	}
	return b
}
