package firewall

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/kernel"
)

// The registers that a rule computes in. A key of several parts begins in reg
// and goes on in the next 4 or, after an IPv6 address, 16 bytes.
const (
	reg       = unix.NFT_REG_1
	regAfter4 = unix.NFT_REG32_01
	regAfter6 = unix.NFT_REG_2
)

// exprs is a rule, or the beginning of one: matches, then a verdict.
type exprs []expr.Any

// rule joins parts of a rule.
func rule(parts ...exprs) exprs {
	var all exprs
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func verdict(k expr.VerdictKind, chain string) exprs {
	return exprs{&expr.Verdict{Kind: k, Chain: chain}}
}

func acceptIt() exprs           { return verdict(expr.VerdictAccept, "") }
func dropIt() exprs             { return verdict(expr.VerdictDrop, "") }
func jumpTo(chain string) exprs { return verdict(expr.VerdictJump, chain) }
func masquerade() exprs         { return exprs{&expr.Masq{}} }
func compare(op expr.CmpOp, data []byte) expr.Any {
	return &expr.Cmp{Op: op, Register: reg, Data: data}
}

// iifPrefix and oifPrefix match the names of interfaces by their beginning.
func iifPrefix(op expr.CmpOp, prefix string) exprs {
	return exprs{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg}, compare(op, []byte(prefix))}
}

func oifPrefix(op expr.CmpOp, prefix string) exprs {
	return exprs{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg}, compare(op, []byte(prefix))}
}

// loopback is the whole name of lo, so that no other begins like it.
const loopback = "lo\x00"

func family(op expr.CmpOp, f byte) exprs {
	return exprs{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg}, compare(op, []byte{f})}
}

func ipv4() exprs { return family(expr.CmpOpEq, unix.NFPROTO_IPV4) }
func ipv6() exprs { return family(expr.CmpOpEq, unix.NFPROTO_IPV6) }

func familyOf(a netip.Addr) exprs {
	if a.Is4() {
		return ipv4()
	}
	return ipv6()
}

func protocol(p int) exprs {
	return exprs{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg}, compare(expr.CmpOpEq, []byte{byte(p)})}
}

// end is which end of a packet a match looks at.
type end bool

const (
	source      end = false
	destination end = true
)

// address loads a packet's address.
func address(e end, v6 bool, register uint32) expr.Any {
	offset, length := uint32(12), uint32(4)
	if v6 {
		offset, length = 8, 16
	}
	if e == destination {
		offset += length
	}
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
}

// port loads a packet's tcp or udp port.
func port(e end, register uint32) expr.Any {
	offset := uint32(0)
	if e == destination {
		offset = 2
	}
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}
}

// in matches an address by its range; the family is checked first.
func in(e end, p netip.Prefix) exprs {
	return rule(familyOf(p.Addr()), exprs{address(e, p.Addr().Is6(), reg)}, masked(p))
}

// notIn matches an IPv4 packet's address outside a range.
func notIn(e end, p netip.Prefix) exprs {
	m := masked(p)
	m[1] = compare(expr.CmpOpNeq, p.Masked().Addr().AsSlice())
	return rule(exprs{address(e, p.Addr().Is6(), reg)}, m)
}

func masked(p netip.Prefix) exprs {
	n := kernel.NetOf(p)
	return exprs{
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: uint32(len(n.Mask)), Mask: n.Mask, Xor: make([]byte, len(n.Mask))},
		compare(expr.CmpOpEq, p.Masked().Addr().AsSlice()),
	}
}

// portBetween matches a tcp or udp packet's destination port.
func portBetween(from, to int) exprs {
	if from <= 0 && to >= 65535 {
		return nil
	}
	if from == to {
		return exprs{port(destination, reg), compare(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, uint16(from)))}
	}
	low, high := binary.BigEndian.AppendUint16(nil, uint16(max(from, 0))), binary.BigEndian.AppendUint16(nil, uint16(to))
	return exprs{port(destination, reg), compare(expr.CmpOpGte, low), compare(expr.CmpOpLte, high)}
}

// icmpField matches the type (offset 0) or the code (1); negative: any.
func icmpField(offset uint32, value int) exprs {
	if value < 0 {
		return nil
	}
	return exprs{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 1},
		compare(expr.CmpOpEq, []byte{byte(value)}),
	}
}

// toSocket matches packets of a protocol to an IPv4 socket address.
func toSocket(number int, a netip.AddrPort) exprs {
	port := int(a.Port())
	return rule(in(destination, netip.PrefixFrom(a.Addr(), 32)), protocol(number), portBetween(port, port))
}

// redirect changes where a flow goes.
func redirect(to netip.AddrPort) exprs {
	return exprs{
		&expr.Immediate{Register: reg, Data: to.Addr().AsSlice()},
		&expr.Immediate{Register: unix.NFT_REG_2, Data: binary.BigEndian.AppendUint16(nil, to.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg, RegProtoMin: unix.NFT_REG_2},
	}
}

// redirected matches packets of a flow that goes elsewhere than its sender
// said.
func redirected() exprs { return ctBits(expr.CtKeySTATUS, 1<<5) } // the kernel's IPS_DST_NAT

// lookup finds the key in register reg in a set.
func lookup(set string) exprs {
	return exprs{&expr.Lookup{SourceRegister: reg, SetName: set}}
}

// goBy finds the key in a map and does what it says.
func goBy(m string) exprs {
	return exprs{&expr.Lookup{SourceRegister: reg, SetName: m, IsDestRegSet: true, DestRegister: unix.NFT_REG_VERDICT}}
}

// state matches a packet's state in connection tracking.
func state(bits uint32) exprs { return ctBits(expr.CtKeySTATE, bits) }

// ctBits matches packets of which connection tracking has any of the bits.
func ctBits(key expr.CtKey, bits uint32) exprs {
	return exprs{
		&expr.Ct{Register: reg, Key: key},
		&expr.Bitwise{
			SourceRegister: reg, DestRegister: reg, Len: 4,
			Mask: binary.NativeEndian.AppendUint32(nil, bits), Xor: make([]byte, 4),
		},
		compare(expr.CmpOpNeq, make([]byte, 4)),
	}
}

// notOpening matches tcp packets that don't open a connection.
func notOpening() exprs {
	const fin, syn, rst, ack = 1, 2, 4, 16
	return rule(protocol(TCP), exprs{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0}},
		compare(expr.CmpOpNeq, []byte{syn}),
	})
}

// notFromThere matches packets whose source isn't routed to the interface that
// they came from.
func notFromThere() exprs {
	return exprs{
		&expr.Fib{Register: reg, ResultOIF: true, FlagSADDR: true, FlagIIF: true},
		compare(expr.CmpOpEq, make([]byte, 4)),
	}
}
