package vpc

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// What tasks were refused outside the VPC is remembered by the kernel for a
// while, the first so many of it: a task that tries all ports fills no memory
// and no log.
const (
	refusedFor  = 10 * time.Minute
	refusedMost = 256
	toldAtOnce  = 16   // lines of the log at each look
	toldMost    = 4096 // that are remembered as told
)

// refusal is what a task was refused.
type refusal struct {
	protocol byte
	src      netip.Addr
	dst      netip.AddrPort
}

// refuses makes the chain that drops, and remembers what of it was TCP or UDP.
func (c *compiler) refuses() {
	s := c.set(setRefused, nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService), false)
	s.brief = true
	const regAfter12 = unix.NFT_REG32_03
	key := exprs{address(source, false, reg), address(destination, false, regAfter4), l4proto(regAfter8), port(destination, regAfter12)}
	note := rule(key, exprs{&expr.Dynset{SrcRegKey: reg, SetName: setRefused, Operation: unix.NFT_DYNSET_OP_ADD}})
	c.add(chainRefused,
		rule(ipv4(), protocol(protoTCP), note), // it ends the rule when the set is full
		rule(ipv4(), protocol(protoUDP), note),
		dropIt(),
	)
}

// readRefused lists what the kernel remembers.
func readRefused(table string) ([]refusal, error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	elements, err := c.GetSetElements(&nftables.Set{Table: tableOf(table), Name: setRefused})
	if err != nil {
		return nil, fmt.Errorf("list what was refused in %s: %w", table, err)
	}
	var all []refusal
	for _, e := range elements {
		if len(e.Key) < 14 {
			continue
		}
		src, dst := netip.AddrFrom4([4]byte(e.Key[:4])), netip.AddrFrom4([4]byte(e.Key[4:8]))
		all = append(all, refusal{protocol: e.Key[8], src: src, dst: netip.AddrPortFrom(dst, uint16(e.Key[12])<<8|uint16(e.Key[13]))})
	}
	return all, nil
}

// tellRefused logs what tasks were refused since the last time: they only see
// that nobody answers. Each is told once.
func (v *VPC) tellRefused(told map[refusal]bool) error {
	v.firewall.Lock()
	ours := v.program != nil
	v.firewall.Unlock()
	if !ours { // an earlier process's table may have no such set
		return nil
	}
	all, err := readRefused(v.own.table())
	if err != nil {
		return err
	}
	var local map[netip.Addr]bool
	lines := 0
	for _, r := range all {
		if told[r] || lines == toldAtOnce || len(told) == toldMost {
			continue
		}
		if local == nil {
			if local, err = hostAddrs(); err != nil {
				return err
			}
		}
		told[r] = true
		lines++
		p := Ports{int(r.protocol), r.dst.Port(), r.dst.Port()}
		v.log.Warn("a task was refused what is closed to tasks", "address", r.src, "to", r.dst, "protocol", p.protocolName(), "why", v.why(r, p, local))
	}
	return nil
}

// why says what a task tried to reach, and what would open it.
func (v *VPC) why(r refusal, p Ports, local map[netip.Addr]bool) string {
	addr := r.dst.Addr()
	switch {
	case v.cidr.Contains(addr) && addr != Router(v.cidr):
		return "a balancer's address, and no port that it listens on"
	case local[addr]:
		return fmt.Sprintf("a port of this machine: --host-access %s opens it", p)
	case linkLocal.Contains(addr) || forbidden(addr) && !notOne.Contains(addr):
		return "where a cloud tells this machine its own role"
	case notOne.Contains(addr):
		return "for several hosts at once: tasks have no such network"
	}
	return "a network inside this machine, or behind an interface that --uplink can name"
}
