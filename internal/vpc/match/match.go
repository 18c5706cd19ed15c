// Package match makes rules of nftables from parts: what a packet must be like, then what becomes of it.
package match

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
	Reg       = unix.NFT_REG_1
	RegAfter4 = unix.NFT_REG32_01
	RegAfter6 = unix.NFT_REG_2
)

// Exprs is a rule, or the beginning of one: matches, then a verdict.
type Exprs []expr.Any

// Join joins parts of a rule.
func Join(parts ...Exprs) Exprs {
	var all Exprs
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// Verdict ends a rule.
func Verdict(k expr.VerdictKind, chain string) Exprs {
	return Exprs{&expr.Verdict{Kind: k, Chain: chain}}
}

// Accept lets the packet pass the chain that the kernel called.
func Accept() Exprs { return Verdict(expr.VerdictAccept, "") }

// Drop drops the packet.
func Drop() Exprs { return Verdict(expr.VerdictDrop, "") }

// Jump goes on in another chain, and comes back after it.
func Jump(chain string) Exprs { return Verdict(expr.VerdictJump, chain) }

// Goto goes on in another chain, and after it where this one was jumped to from.
func Goto(chain string) Exprs { return Verdict(expr.VerdictGoto, chain) }

// Return goes back to where this chain was jumped to from.
func Return() Exprs { return Verdict(expr.VerdictReturn, "") }

// Masquerade makes the machine's address on the way out the flow's source.
func Masquerade() Exprs { return Exprs{&expr.Masq{}} }

// Compare compares the register with data.
func Compare(op expr.CmpOp, data []byte) expr.Any {
	return &expr.Cmp{Op: op, Register: Reg, Data: data}
}

// IIFPrefix matches the name of the interface that the packet came from by its beginning.
func IIFPrefix(op expr.CmpOp, prefix string) Exprs {
	return Exprs{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: Reg}, Compare(op, []byte(prefix))}
}

// OIFPrefix is IIFPrefix for where the packet goes.
func OIFPrefix(op expr.CmpOp, prefix string) Exprs {
	return Exprs{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: Reg}, Compare(op, []byte(prefix))}
}

// Loopback is the whole name of lo, so that no other begins like it.
const Loopback = "lo\x00"

// Family matches a packet's family.
func Family(op expr.CmpOp, f byte) Exprs {
	return Exprs{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: Reg}, Compare(op, []byte{f})}
}

// IPv4 matches packets of IPv4.
func IPv4() Exprs { return Family(expr.CmpOpEq, unix.NFPROTO_IPV4) }

// IPv6 matches packets of IPv6.
func IPv6() Exprs { return Family(expr.CmpOpEq, unix.NFPROTO_IPV6) }

// FamilyOf matches packets of an address's family.
func FamilyOf(a netip.Addr) Exprs {
	if a.Is4() {
		return IPv4()
	}
	return IPv6()
}

// Protocol matches packets of a protocol.
func Protocol(p int) Exprs {
	return Exprs{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: Reg}, Compare(expr.CmpOpEq, []byte{byte(p)})}
}

// End is which end of a packet a match looks at.
type End bool

// The ends.
const (
	Source      End = false
	Destination End = true
)

// Addr loads the address of an IPv4 packet.
func Addr(e End) Exprs { return Join(IPv4(), Exprs{Address(e, false, Reg)}) }

// Address loads a packet's address.
func Address(e End, v6 bool, register uint32) expr.Any {
	offset, length := uint32(12), uint32(4)
	if v6 {
		offset, length = 8, 16
	}
	if e == Destination {
		offset += length
	}
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
}

// Port loads a packet's tcp or udp port.
func Port(e End, register uint32) expr.Any {
	offset := uint32(0)
	if e == Destination {
		offset = 2
	}
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}
}

// In matches an address by its range; the family is checked first.
func In(e End, p netip.Prefix) Exprs {
	return Join(FamilyOf(p.Addr()), Exprs{Address(e, p.Addr().Is6(), Reg)}, masked(p))
}

// NotIn matches an IPv4 packet's address outside a range.
func NotIn(e End, p netip.Prefix) Exprs {
	m := masked(p)
	m[1] = Compare(expr.CmpOpNeq, p.Masked().Addr().AsSlice())
	return Join(Exprs{Address(e, p.Addr().Is6(), Reg)}, m)
}

func masked(p netip.Prefix) Exprs {
	n := kernel.NetOf(p)
	return Exprs{
		&expr.Bitwise{SourceRegister: Reg, DestRegister: Reg, Len: uint32(len(n.Mask)), Mask: n.Mask, Xor: make([]byte, len(n.Mask))},
		Compare(expr.CmpOpEq, p.Masked().Addr().AsSlice()),
	}
}

// PortBetween matches a tcp or udp packet's destination port.
func PortBetween(from, to int) Exprs {
	if from <= 0 && to >= 65535 {
		return nil
	}
	if from == to {
		return Exprs{Port(Destination, Reg), Compare(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, uint16(from)))}
	}
	low, high := binary.BigEndian.AppendUint16(nil, uint16(max(from, 0))), binary.BigEndian.AppendUint16(nil, uint16(to))
	return Exprs{Port(Destination, Reg), Compare(expr.CmpOpGte, low), Compare(expr.CmpOpLte, high)}
}

// ICMPField matches the type (offset 0) or the code (1); negative: any.
func ICMPField(offset uint32, value int) Exprs {
	if value < 0 {
		return nil
	}
	return Exprs{
		&expr.Payload{DestRegister: Reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 1},
		Compare(expr.CmpOpEq, []byte{byte(value)}),
	}
}

// RegAfter8 follows a key's first two parts of 4 bytes each.
const RegAfter8 = unix.NFT_REG32_02

// L4Proto loads a packet's protocol.
func L4Proto(register uint32) expr.Any {
	return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}
}

// InReply matches what answers the flow's first packet.
func InReply() Exprs {
	return Exprs{&expr.Ct{Register: Reg, Key: expr.CtKeyDIRECTION}, Compare(expr.CmpOpEq, []byte{1})}
}

// AskedAddress matches the IPv4 address that the flow's sender named, whatever
// it was translated to.
func AskedAddress(a netip.Addr) Exprs {
	return Exprs{&expr.Ct{Register: Reg, Key: expr.CtKeyDST}, Compare(expr.CmpOpEq, a.AsSlice())}
}

// AskedPortBetween matches the port that the flow's sender named.
func AskedPortBetween(from, to int) Exprs {
	m := PortBetween(from, to)
	if len(m) > 0 {
		m[0] = &expr.Ct{Register: Reg, Key: expr.CtKeyPROTODST}
	}
	return m
}

// ToSocket matches packets of a protocol to an IPv4 socket address.
func ToSocket(number int, a netip.AddrPort) Exprs {
	port := int(a.Port())
	return Join(In(Destination, netip.PrefixFrom(a.Addr(), 32)), Protocol(number), PortBetween(port, port))
}

// Redirect changes where a flow goes.
func Redirect(to netip.AddrPort) Exprs {
	return Exprs{
		&expr.Immediate{Register: Reg, Data: to.Addr().AsSlice()},
		&expr.Immediate{Register: unix.NFT_REG_2, Data: binary.BigEndian.AppendUint16(nil, to.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: Reg, RegProtoMin: unix.NFT_REG_2},
	}
}

// Redirected matches packets of a flow that goes elsewhere than its sender
// said.
func Redirected() Exprs { return ctBits(expr.CtKeySTATUS, 1<<5) } // the kernel's IPS_DST_NAT

// Translate finds the key in register reg in a map of addresses, and makes what it leads to the flow's source or destination.
func Translate(m string, kind expr.NATType) Exprs {
	return Exprs{
		&expr.Lookup{SourceRegister: Reg, SetName: m, IsDestRegSet: true, DestRegister: Reg},
		&expr.NAT{Type: kind, Family: unix.NFPROTO_IPV4, RegAddrMin: Reg},
	}
}

// LeaveBy makes addr the flow's source, with a port above 1023 that nobody guesses.
func LeaveBy(addr netip.Addr) Exprs {
	return Exprs{
		&expr.Immediate{Register: Reg, Data: addr.AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: Reg, FullyRandom: true},
	}
}

// Lookup finds the key in register reg in a set.
func Lookup(set string) Exprs {
	return Exprs{&expr.Lookup{SourceRegister: Reg, SetName: set}}
}

// GoBy finds the key in a map and does what it says.
func GoBy(m string) Exprs {
	return Exprs{&expr.Lookup{SourceRegister: Reg, SetName: m, IsDestRegSet: true, DestRegister: unix.NFT_REG_VERDICT}}
}

// State matches a packet's state in connection tracking.
func State(bits uint32) Exprs { return ctBits(expr.CtKeySTATE, bits) }

// ctBits matches packets of which connection tracking has any of the bits.
func ctBits(key expr.CtKey, bits uint32) Exprs {
	return Exprs{
		&expr.Ct{Register: Reg, Key: key},
		&expr.Bitwise{
			SourceRegister: Reg, DestRegister: Reg, Len: 4,
			Mask: binary.NativeEndian.AppendUint32(nil, bits), Xor: make([]byte, 4),
		},
		Compare(expr.CmpOpNeq, make([]byte, 4)),
	}
}

// NotOpening matches tcp packets that don't open a connection.
func NotOpening() Exprs {
	const tcp, fin, syn, rst, ack = 6, 1, 2, 4, 16
	return Join(Protocol(tcp), Exprs{
		&expr.Payload{DestRegister: Reg, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: Reg, DestRegister: Reg, Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0}},
		Compare(expr.CmpOpNeq, []byte{syn}),
	})
}

// NotFromThere matches packets whose source isn't routed to the interface that
// they came from.
func NotFromThere() Exprs {
	return Exprs{
		&expr.Fib{Register: Reg, ResultOIF: true, FlagSADDR: true, FlagIIF: true},
		Compare(expr.CmpOpEq, make([]byte, 4)),
	}
}
