// Package traffic is what rules are about: a protocol, and its ports or types.
package traffic

import "github.com/skylift/skylift/internal/vpc/match"

// The numbers of protocols that have ports or types; All stands for any.
const (
	All    = -1
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
)

// Kind is some traffic. tcp and udp have ports, From first; icmp has a type, From, and a code, To, which are -1 for
// all. A negative From stands for all ports, too.
type Kind struct {
	Protocol int // IP protocol number
	From, To int
}

// Covers tells whether a flow of a protocol to a port, of ICMP a type<<8 | code, is such traffic.
func (k Kind) Covers(protocol int, port uint16) bool {
	if k.Protocol == All {
		return true
	}
	if k.Protocol != protocol {
		return false
	}
	switch k.Protocol {
	case TCP, UDP:
		from, to := k.ports()
		return from <= int(port) && int(port) <= to
	case ICMP, ICMPv6:
		return (k.From < 0 || k.From == int(port>>8)) && (k.To < 0 || k.To == int(port&0xff))
	}
	return true
}

// Matches is what packets of such traffic match; not ok when nothing can match.
func (k Kind) Matches() (match.Exprs, bool) {
	switch k.Protocol {
	case All:
		return nil, true
	case TCP, UDP:
		from, to := k.ports()
		return match.Join(match.Protocol(k.Protocol), match.PortBetween(from, to)), from <= to
	case ICMP, ICMPv6:
		return match.Join(match.Protocol(k.Protocol), match.ICMPField(0, k.From), match.ICMPField(1, k.To)), k.From < 256 && k.To < 256
	}
	return match.Protocol(k.Protocol), 0 <= k.Protocol && k.Protocol < 256
}

func (k Kind) ports() (from, to int) {
	if k.From < 0 {
		return 0, 65535
	}
	return k.From, min(k.To, 65535)
}
