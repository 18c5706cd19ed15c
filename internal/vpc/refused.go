package vpc

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/program"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

// What is told of refusals has bounds: a task that tries all ports doesn't fill
// the log.
const (
	toldAtOnce = 16   // lines of the log at each look
	toldMost   = 4096 // that are remembered as told
)

// tellRefused logs what tasks were refused since the last time: they only see
// that nobody answers. Each is told once.
func (v *VPC) tellRefused(told map[program.Refusal]bool) error {
	v.firewall.Lock()
	ours := v.program != nil
	v.firewall.Unlock()
	if !ours { // an earlier process's table may have no such set
		return nil
	}
	all, err := program.Refused(v.own.Table())
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
			if local, err = kernel.Addresses(); err != nil {
				return err
			}
		}
		told[r] = true
		lines++
		p := Ports{Protocol: int(r.Protocol), From: r.Dst.Port(), To: r.Dst.Port()}
		v.log.Warn("a task was refused what is closed to tasks", "address", r.Src, "to", r.Dst, "protocol", p.ProtocolName(), "why", v.why(r, p, local))
	}
	return nil
}

// why says what a task tried to reach, and what would open it.
func (v *VPC) why(r program.Refusal, p Ports, local map[netip.Addr]bool) string {
	addr := r.Dst.Addr()
	switch {
	case slices.ContainsFunc(v.ranges(), func(p netip.Prefix) bool { return p.Contains(addr) }) && addr != Router(v.cidr):
		return "a balancer's address, and no port that it listens on"
	case local[addr]:
		return fmt.Sprintf("a port of this machine: --host-access %s opens it", p)
	case firewall.LinkLocal.Contains(addr) || firewall.Forbidden(addr) && !firewall.NotOne.Contains(addr):
		return "where a cloud tells this machine its own role"
	case firewall.NotOne.Contains(addr):
		return "for several hosts at once: tasks have no such network"
	}
	return "a network inside this machine, or behind an interface that --uplink can name"
}
