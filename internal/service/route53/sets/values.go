package sets

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/dns/rdata"
	"github.com/skylift/skylift/internal/service/route53/record"
)

// valueFaults is what is wrong with a set's values.
func valueFaults(s *record.Set) (wrong []string) {
	if s.Alias != nil {
		return nil
	}
	switch {
	case len(s.Values) > maxValues:
		return []string{fmt.Sprintf("Cannot have more than %d records in a RRSet.", maxValues)}
	case len(s.Values) > 1 && (s.Type == "CNAME" || s.Type == "SOA" || s.Multi):
		return []string{fmt.Sprintf("RRSet with DNS name %s, type %s must have exactly one value", s.Name, s.Type)}
	}
	seen := map[string]bool{}
	for _, v := range s.Values {
		text, fault := read1(s, v)
		switch {
		case fault != "":
			wrong = append(wrong, fmt.Sprintf("Invalid Resource Record: 'FATAL problem: %s encountered with '%s''", fault, v))
		case seen[text]:
			wrong = append(wrong, fmt.Sprintf("Duplicate Resource Record: '%s'", v))
		}
		seen[text] = true
	}
	return wrong
}

// read1 reads a value, and returns it in one form, or what is wrong with it.
func read1(s *record.Set, value string) (text, fault string) {
	if s.Type == "TXT" || s.Type == "SPF" {
		if fault := stringsFault(value); fault != "" {
			return "", fault
		}
	}
	number, _ := rdata.TypeOf(s.Type)
	rr, err := rdata.Parse(record.Decimal(s.Name), number, 0, record.Decimal(value))
	if err != nil {
		return "", dataFault(s.Type)
	}
	return rdata.Text(rr), ""
}

func dataFault(kind string) string {
	switch kind {
	case "A":
		return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
	case "AAAA":
		return "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
	case "TXT", "SPF":
		return notQuoted
	}
	return kind + "RRDATAInvalid (Value is not valid data of a " + kind + " record)"
}

const (
	notQuoted  = "InvalidCharacterString (Value should be enclosed in quotation marks)"
	stringLong = "CharacterStringTooLong (Value is too long)"
	maxString  = 255
)

// stringsFault is what is wrong with strings in quotation marks, divided by spaces.
func stringsFault(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return notQuoted
	}
	for s != "" {
		if s[0] != '"' {
			return notQuoted
		}
		n, i := 0, 1
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				i++
				if isOctal(s[i:]) {
					i += 2
				}
			}
			n++
		}
		switch {
		case i >= len(s):
			return notQuoted
		case n > maxString:
			return stringLong
		}
		rest := s[i+1:]
		s = strings.TrimLeft(rest, " \t")
		if rest != "" && len(rest) == len(s) {
			return notQuoted
		}
	}
	return ""
}

// isOctal says whether s begins with the three digits of an escape.
func isOctal(s string) bool {
	if len(s) < 3 {
		return false
	}
	for i := range 3 {
		if s[i] < '0' || s[i] > '7' {
			return false
		}
	}
	return true
}

// same says whether two sets say the same.
func same(a, b *record.Set) bool {
	x, y := *a, *b
	x.Values, y.Values = forms(&x), forms(&y)
	return reflect.DeepEqual(x, y)
}

// forms is the values of a set in one form and order; what can't be read stays as it is.
func forms(s *record.Set) (all []string) {
	for _, v := range s.Values {
		text, fault := read1(s, v)
		if fault != "" {
			text = v
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}
