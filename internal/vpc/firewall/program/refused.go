package program

import (
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/match"
	"github.com/skylift/skylift/internal/vpc/nft"
)

// The kernel remembers what tasks were refused outside the VPC for a while, up to
// a number: a task that tries all ports doesn't fill the memory.
const (
	RefusedMost = 256 // refusals
	refusedFor  = 10 * time.Minute
)

// Refusal is what a task was refused.
type Refusal struct {
	Protocol byte
	Src      netip.Addr
	Dst      netip.AddrPort
}

// refuses makes the chain that drops, and remembers what of it was firewall.TCP or firewall.UDP.
func (c *compiler) refuses() {
	s := c.set(setRefused, nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService), false)
	s.Brief = &nft.Brief{For: refusedFor, Most: RefusedMost}
	const regAfter12 = unix.NFT_REG32_03
	key := match.Exprs{match.Address(match.Source, false, match.Reg), match.Address(match.Destination, false, match.RegAfter4), match.L4Proto(match.RegAfter8), match.Port(match.Destination, regAfter12)}
	note := match.Join(key, match.Exprs{&expr.Dynset{SrcRegKey: match.Reg, SetName: setRefused, Operation: unix.NFT_DYNSET_OP_ADD}})
	c.add(chainRefused,
		match.Join(match.IPv4(), match.Protocol(firewall.TCP), note), // it ends the rule when the set is full
		match.Join(match.IPv4(), match.Protocol(firewall.UDP), note),
		match.Drop(),
	)
}

// Refused lists what the kernel remembers.
func Refused(table string) ([]Refusal, error) {
	keys, err := nft.Elements(table, setRefused)
	if err != nil {
		return nil, err
	}
	var all []Refusal
	for _, key := range keys {
		if len(key) < 14 {
			continue
		}
		src, dst := netip.AddrFrom4([4]byte(key[:4])), netip.AddrFrom4([4]byte(key[4:8]))
		all = append(all, Refusal{Protocol: key[8], Src: src, Dst: netip.AddrPortFrom(dst, uint16(key[12])<<8|uint16(key[13]))})
	}
	return all, nil
}
