package firewall

import (
	"fmt"
	"net/netip"
)

// Validate refuses what the kernel could not enforce as it is meant.
func (r *Ruleset) Validate() error {
	if err := r.validateMembers(); err != nil {
		return err
	}
	groups := make(map[string]bool, len(r.Groups))
	for _, g := range r.Groups {
		if groups[g.ID] || g.ID == "" || len(g.ID) > maxName {
			return fmt.Errorf("ruleset: group %q is there twice, or has no usable name", g.ID)
		}
		groups[g.ID] = true
	}
	fronts := make(map[netip.AddrPort]bool, len(r.Fronts))
	for _, f := range r.Fronts {
		if !f.Addr.IsValid() || f.Addr.Addr().Zone() != "" || f.Addr.Addr().Is4In6() {
			return fmt.Errorf("ruleset: front %s is no socket address", f.Addr)
		}
		if fronts[f.Addr] {
			return fmt.Errorf("ruleset: front %s is there twice", f.Addr)
		}
		fronts[f.Addr] = true
	}
	return nil
}

func (r *Ruleset) validateMembers() error {
	ids, addrs := make(map[string]bool, len(r.Members)), make(map[netip.Addr]string, len(r.Members))
	for _, m := range r.Members {
		if !r.CIDR.Contains(m.Addr) {
			return fmt.Errorf("ruleset: member %s has address %s, outside %s", m.ID, m.Addr, r.CIDR)
		}
		if other, taken := addrs[m.Addr]; taken {
			return fmt.Errorf("ruleset: members %s and %s have the same address %s", other, m.ID, m.Addr)
		}
		if ids[m.ID] {
			return fmt.Errorf("ruleset: member %s is there twice", m.ID)
		}
		ids[m.ID], addrs[m.Addr] = true, m.ID
	}
	return nil
}

// maxName keeps names of chains and sets within nftables' 255 bytes.
const maxName = 200
