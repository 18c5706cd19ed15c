// Package rdata reads the data of records as people write it, in the presentation format of RFC 1035.
package rdata

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// ErrText says that a text isn't the data of one record of its type.
var ErrText = errors.New("not the data of a record of this type")

// TypeOf returns the number of a type that is named as in "AAAA".
func TypeOf(name string) (number uint16, ok bool) {
	number, ok = dns.StringToType[name]
	return number, ok
}

// Parse makes a record of the data that text holds. Names in it are whole, whether they end with a dot or not.
func Parse(owner string, number uint16, ttl uint32, text string) (dns.RR, error) {
	if err := oneLine(text); err != nil {
		return nil, err
	}
	kind, ok := dns.TypeToString[number]
	if text = strings.TrimSpace(text); !ok || text == "" || strings.HasPrefix(text, `\#`) { // which is any type's data
		return nil, ErrText
	}
	p := dns.NewZoneParser(strings.NewReader(fmt.Sprintf("%s %d IN %s %s\n", owner, ttl, kind, text)), ".", "")
	rr, ok := p.Next()
	if !ok || p.Err() != nil || rr.Header().Rrtype != number {
		return nil, ErrText
	}
	if _, err := dns.PackRR(rr, make([]byte, dns.Len(rr)+1), 0, nil, false); err != nil { // what is too long shows only here
		return nil, ErrText
	}
	return rr, nil
}

// oneLine fails on what a zone file has besides data: comments, parentheses, line ends.
func oneLine(text string) error {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			if i++; i == len(text) {
				return ErrText
			}
		case c == '"':
			quoted = !quoted
		case c == '\n' || c == '\r' || c == 0:
			return ErrText
		case !quoted && (c == ';' || c == '(' || c == ')'):
			return ErrText
		}
	}
	if quoted {
		return ErrText
	}
	return nil
}

// Text returns the data of a record in one form: texts of records that say the same are the same.
func Text(rr dns.RR) string {
	c := dns.Copy(rr)
	fold(c)
	return strings.TrimPrefix(c.String(), c.Header().String())
}

// fold writes the names in the data in lower case.
func fold(rr dns.RR) {
	lower := func(names ...*string) {
		for _, n := range names {
			*n = strings.ToLower(*n)
		}
	}
	switch r := rr.(type) {
	case *dns.CNAME:
		lower(&r.Target)
	case *dns.NS:
		lower(&r.Ns)
	case *dns.PTR:
		lower(&r.Ptr)
	case *dns.MX:
		lower(&r.Mx)
	case *dns.SRV:
		lower(&r.Target)
	case *dns.SOA:
		lower(&r.Ns, &r.Mbox)
	case *dns.NAPTR:
		lower(&r.Replacement)
	}
}
