package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/service/ecs/place"
)

// Zone is one of those that a service's tasks are to be even over.
type Zone struct {
	Name   string
	Closed bool // no task can be started there
}

// levels is what zones are to have, and what has to move until they do.
type levels struct {
	target map[string]int // how many tasks each zone is to have; nil: there is nothing to level
	moving int            // tasks that run beside the desired ones until as many can go elsewhere
	into   []string       // zones that have too few, in the order of their names
}

// level decides how tasks move between zones. Each is started where there are
// too few, and only once it is healthy, one goes where there are too many. It
// begins only while all is well: what is missing comes first.
func level(in Input, n counted) (l levels) {
	if len(in.Zones) < 2 {
		return l
	}
	all := slices.Concat(n.current[Starting], n.current[Healthy])
	shares := make([]place.Share, len(in.Zones))
	for i, z := range in.Zones {
		shares[i] = place.Share{Zone: z.Name, Closed: z.Closed}
		for _, m := range all {
			if m.Zone != z.Name {
				continue
			}
			shares[i].Tasks++
			if m.Protected {
				shares[i].Fixed++
			}
			if m.Health == Healthy {
				shares[i].Fit++
			}
		}
	}
	l.target = place.Balance(shares, in.Desired)
	over, lacking := 0, 0
	for _, s := range shares {
		goal := l.target[s.Zone]
		over += max(0, s.Fit-goal)
		lacking += max(0, goal-s.Fit)
		if s.Tasks < goal {
			l.into = append(l.into, s.Zone)
		}
	}
	l.moving = min(over, lacking, max(0, in.High-in.Desired))
	starts, fit := len(n.current[Starting]), len(n.current[Healthy])
	if len(in.Tasks) > starts+fit || fit != in.Desired { // no more than are under way
		l.moving = min(l.moving, starts, max(0, starts+fit-in.Desired))
	}
	return l
}

// excess is how many tasks more than they are to have zones have; all, where
// nothing says how many that is.
func (l levels) excess(tasks []Member) map[string]int {
	out := map[string]int{}
	for _, m := range tasks {
		out[m.Zone]++
	}
	for z, n := range l.target {
		out[z] -= n
	}
	return out
}

// AllFit says that the desired count of tasks is healthy, and no other is there.
func (in Input) AllFit() bool {
	return len(in.Tasks) == in.Desired && !slices.ContainsFunc(in.Tasks, func(m Member) bool { return !m.Current || m.Health != Healthy })
}

// PerZone is how many tasks each zone has, in words, and whether that is even.
// From the second zone on, between stands between number and zone.
func (in Input) PerZone(between string) (counts string, even bool) {
	var words []string
	n := map[string]int{}
	for _, m := range in.Tasks {
		n[m.Zone]++
	}
	low, high := len(in.Tasks), 0
	for _, z := range in.Zones {
		low, high = min(low, n[z.Name]), max(high, n[z.Name])
		word := fmt.Sprint(n[z.Name], between, z.Name)
		if len(words) == 0 {
			word = fmt.Sprintf("%d tasks in %s", n[z.Name], z.Name)
		}
		words = append(words, word)
	}
	last := len(words) - 1
	words[last] = "and " + words[last]
	return strings.Join(words, ", "), high-low < 2
}
