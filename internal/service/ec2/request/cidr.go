package request

import (
	"net/netip"
	"strings"

	"github.com/skylift/skylift/internal/awserr"
)

// CIDR reads an IPv4 range, which parameter has. Bits behind its length do not count.
func CIDR(parameter, s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, awserr.New("InvalidParameterValue", "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", s, parameter)
	}
	return p.Masked(), nil
}

// Dependency is the error for what cannot be deleted: AWS's sentence, then what holds it.
func Dependency(sentence string, holders []string) error {
	const most = 10
	more := ""
	if len(holders) > most {
		holders, more = holders[:most], ", …"
	}
	return awserr.New("DependencyViolation", "%s It is held by: %s%s", sentence, strings.Join(holders, ", "), more)
}
