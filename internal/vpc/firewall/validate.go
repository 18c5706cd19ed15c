package firewall

import (
	"fmt"
	"net/netip"
	"slices"
)

// Validate refuses what the kernel could not enforce as it is meant.
func (r *Ruleset) Validate() error {
	if err := r.validateMembers(); err != nil {
		return err
	}
	if err := r.validateNetwork(); err != nil {
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
	ranges := r.Network().Ranges()
	for _, m := range r.Members {
		if !slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(m.Addr) }) {
			return fmt.Errorf("ruleset: member %s has address %s, outside %s", m.ID, m.Addr, ranges)
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

// validateNetwork refuses ranges that overlap, and public addresses that two have.
func (r *Ruleset) validateNetwork() error {
	ranges := r.Network().Ranges()
	for i := 1; i < len(ranges); i++ {
		if ranges[i].Overlaps(ranges[i-1]) {
			return fmt.Errorf("ruleset: the ranges %s and %s overlap", ranges[i-1], ranges[i])
		}
	}
	has := make(map[netip.Addr]string)
	for _, m := range r.Members {
		if other, taken := has[m.Public]; taken && m.Public.IsValid() {
			return fmt.Errorf("ruleset: members %s and %s have the same public address %s", other, m.ID, m.Public)
		}
		has[m.Public] = m.ID
	}
	return nil
}

// maxName keeps names of chains and sets within nftables' 255 bytes.
const maxName = 200
