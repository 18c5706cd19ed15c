package record

import (
	"fmt"
	"slices"
	"strings"
)

// Names are kept as AWS shows them: in lower case, with a dot at their end, and with \ooo, in octal, for all that is neither a
// letter, a digit, a hyphen nor an underscore.

// The bounds of names, in bytes on the wire.
const (
	maxLabel = 63
	maxName  = 255
)

// A NameFault says what is wrong with a name, in AWS's words.
type NameFault struct{ Code, Text string }

func (f NameFault) Error() string { return f.Code + " (" + f.Text + ")" }

// The faults of names.
var (
	faultEmpty   = NameFault{"DomainLabelEmpty", "Domain label is empty"}
	faultLabel   = NameFault{"DomainLabelTooLong", "Domain label is too long"}
	faultLong    = NameFault{"DomainNameTooLong", "Domain name is too long"}
	faultEscape  = NameFault{"UnsupportedEscape", "Value contains an invalid escape sequence"}
	faultLetters = NameFault{"UnsupportedCharacter", "Value contains unsupported characters"}
)

// Name returns a name in the form that it is kept in. Escapes in it are octal.
func Name(s string) (string, error) {
	raw, err := labels(s)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	size := 1
	for _, l := range raw {
		switch {
		case len(l) == 0:
			return "", faultEmpty
		case len(l) > maxLabel:
			return "", faultLabel
		}
		size += len(l) + 1
		for _, c := range l {
			switch {
			case 'A' <= c && c <= 'Z':
				b.WriteByte(c + 'a' - 'A')
			case plain(c):
				b.WriteByte(c)
			default:
				fmt.Fprintf(&b, `\%03o`, c)
			}
		}
		b.WriteByte('.')
	}
	if size > maxName {
		return "", faultLong
	}
	return b.String(), nil
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// labels takes a name apart, without its escapes.
func labels(s string) ([][]byte, error) {
	if s == "" {
		return nil, faultEmpty
	}
	all := [][]byte{{}}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			all = append(all, []byte{})
			continue
		case c == '\\':
			if i+3 >= len(s) || !isOctal(s[i+1:i+4]) {
				return nil, faultEscape
			}
			c = octal(s[i+1 : i+4])
			i += 3
		case c <= ' ' || c >= 0x7f:
			return nil, faultLetters
		}
		all[len(all)-1] = append(all[len(all)-1], c)
	}
	if len(all) > 1 && len(all[len(all)-1]) == 0 {
		all = all[:len(all)-1]
	}
	return all, nil
}

// isOctal says whether three characters are the number of a byte.
func isOctal(s string) bool {
	return '0' <= s[0] && s[0] <= '3' && '0' <= s[1] && s[1] <= '7' && '0' <= s[2] && s[2] <= '7'
}

// octal is the byte that three octal digits are.
func octal(s string) byte { return (s[0]-'0')<<6 | (s[1]-'0')<<3 | (s[2] - '0') }

// Turned is a name with its labels turned round, which AWS's lists are in the order of: com.example.www. of www.example.com.
func Turned(name string) string {
	l := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(l)
	return strings.Join(l, ".") + "."
}

// Within says whether a name is that of a zone, or below it.
func Within(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }

// BalancerName is the name of the balancer that an alias names: without a dot at its end, and without what AWS's console puts before it.
func BalancerName(target string) string {
	return strings.TrimPrefix(strings.TrimSuffix(target, "."), "dualstack.")
}

// Asterisk is the first label of a wildcard.
const Asterisk = `\052`

// Decimal writes escapes in decimal, as zone files have them, where AWS's are octal.
func Decimal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b.WriteByte(s[i])
		case i+3 < len(s) && isOctal(s[i+1:i+4]):
			fmt.Fprintf(&b, `\%03d`, octal(s[i+1:i+4]))
			i += 3
		case i+1 < len(s):
			b.WriteString(s[i : i+2])
			i++
		default:
			b.WriteByte('\\')
		}
	}
	return b.String()
}
