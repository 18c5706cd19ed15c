package vpc

import (
	"net/netip"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/vpc/claim"
	"github.com/skylift/skylift/internal/vpc/public"
)

// claimedFor is how long a claimed range is kept that no VPC of a Ruleset has: who claims it makes the VPC next.
const claimedFor = time.Minute

// openClaims takes the instance's own range, and finds those that an earlier process has claimed.
func (v *VPC) openClaims() error {
	if err := claim.Main(v.own, v.cidr); err != nil {
		return err
	}
	for _, p := range v.public {
		if err := public.Put(v.own, p); err != nil {
			return err
		}
	}
	held, err := claim.Held(v.own)
	if err != nil {
		return err
	}
	v.held = make(map[netip.Prefix]time.Time)
	for _, p := range held {
		v.held[p] = time.Now().Add(claimedFor)
	}
	return nil
}

// Claim takes a further range for a VPC, unless something on the host, or another VPC, uses addresses of it: the error
// says which. It is given back when no Ruleset names it for a minute. A range that is claimed may be claimed again.
func (v *VPC) Claim(p netip.Prefix) error {
	v.claims.Lock()
	defer v.claims.Unlock()
	if _, ours := v.held[p]; !ours {
		if err := claim.Free(v.own, p); err != nil {
			return err
		}
		if err := claim.Put(v.own, p); err != nil {
			return err
		}
	}
	v.held[p] = time.Now().Add(claimedFor)
	return nil
}

// ranges are all that the instance has.
func (v *VPC) ranges() (all []netip.Prefix) {
	v.claims.Lock()
	defer v.claims.Unlock()
	for p := range v.held {
		all = append(all, p)
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}

// keepClaims makes the instance's ranges those of its VPCs. That something else uses one meanwhile is logged: the VPC
// is there, and its interfaces' own routes go first.
func (v *VPC) keepClaims(want []netip.Prefix) {
	v.claims.Lock()
	defer v.claims.Unlock()
	for _, p := range want {
		if _, held := v.held[p]; held {
			continue
		}
		if err := claim.Free(v.own, p); err != nil {
			v.log.Warn("a VPC's range is used by something else, too", "err", err)
		}
		if err := claim.Put(v.own, p); err != nil {
			v.log.Error("a VPC's range isn't marked on this machine", "err", err)
			continue
		}
		v.held[p] = time.Time{}
	}
	for p, until := range v.held {
		if p == v.cidr || slices.Contains(want, p) || time.Now().Before(until) {
			continue
		}
		if err := claim.Release(v.own, p); err != nil {
			v.log.Error("a range isn't given back", "err", err)
			continue
		}
		delete(v.held, p)
	}
}

// repairClaims puts back marks and routes that somebody else removed.
func (v *VPC) repairClaims() {
	v.claims.Lock()
	defer v.claims.Unlock()
	for p := range v.held {
		if p == v.cidr {
			continue // Listen's sockets stand on its mark
		}
		if err := claim.Put(v.own, p); err != nil {
			v.log.Error("a VPC's range isn't marked on this machine", "err", err)
		}
	}
	for _, p := range v.public {
		if err := public.Put(v.own, p); err != nil {
			v.log.Error("public addresses can't be reached from this machine", "err", err)
		}
	}
}
