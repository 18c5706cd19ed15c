package place

import (
	"cmp"
	"slices"
)

// Share is an availability zone and what it has of a service's tasks.
type Share struct {
	Zone   string
	Tasks  int  // that start there, or are healthy
	Fit    int  // of those: healthy ones
	Fixed  int  // of those: tasks that must stay
	Closed bool // no task can be started there
}

// Balance returns how many of n tasks each zone is to have: as evenly as tasks
// that must stay and zones that are closed allow. What can't be even goes to the
// zones that have the most already, so that as few as possible have to move.
func Balance(zones []Share, n int) map[string]int {
	order := slices.Clone(zones)
	slices.SortStableFunc(order, func(a, b Share) int { return cmp.Or(b.Tasks-a.Tasks, b.Fit-a.Fit) })
	out := map[string]int{}
	for _, z := range order {
		out[z.Zone] = z.Fixed
		n -= z.Fixed
	}
	for ; n > 0; n-- {
		best := -1
		for i, z := range order {
			if z.Closed && out[z.Zone] >= z.Tasks {
				continue
			}
			if best < 0 || out[z.Zone] < out[order[best].Zone] {
				best = i
			}
		}
		if best < 0 {
			break
		}
		out[order[best].Zone]++
	}
	return out
}
