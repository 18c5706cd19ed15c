package place

import (
	"hash/fnv"
	"slices"
)

// Place is a subnet that tasks can go to, and its availability zone.
type Place struct{ Subnet, Zone string }

// Spread chooses places for n tasks beside those that are there: each goes to
// the zone that has the fewest, and there to the subnet that has the fewest.
// Among equals the first behind a point that seed decides is taken, so that
// many who have one task each don't all put it in the same zone.
func Spread(places []Place, there []Place, n int, seed string) []Place {
	zones, subnets := map[string]int{}, map[string]int{}
	count := func(p Place) { zones[p.Zone]++; subnets[p.Subnet]++ }
	for _, p := range there {
		count(p)
	}
	order := rotate(places, seed)
	out := make([]Place, 0, n)
	for range n {
		best := order[0]
		for _, p := range order[1:] {
			if zones[p.Zone] < zones[best.Zone] || zones[p.Zone] == zones[best.Zone] && subnets[p.Subnet] < subnets[best.Subnet] {
				best = p
			}
		}
		count(best)
		out = append(out, best)
	}
	return out
}

func rotate(places []Place, seed string) []Place {
	h := fnv.New32a()
	h.Write([]byte(seed))
	at := int(h.Sum32()>>1) % len(places)
	return slices.Concat(places[at:], places[:at])
}
