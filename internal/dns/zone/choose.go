package zone

import (
	"math/rand/v2"
	"slices"

	"github.com/miekg/dns"
)

// walk goes from aliases to what they stand for. There may be loops, and many ways: it ends after so many looks.
type walk struct {
	t    *Table
	left int
}

// mostLooks is how many sets are looked at for one name of an answer.
const mostLooks = 1000

// look says whether one more set may be looked at.
func (w *walk) look() bool {
	w.left--
	return w.left >= 0
}

// records returns what sets of one name and type answer now, in an order by chance.
func (w *walk) records(sets []*Set) (all []dns.RR) {
	if len(sets) > 1 {
		sets = w.choose(sets)
	}
	for _, s := range sets {
		switch {
		case s.Alias == nil:
			all = append(all, s.Records...)
		case w.look():
			all = append(all, w.records(w.t.target(s))...)
		}
	}
	if len(all) > 1 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	return all
}

// target returns the sets that an alias stands for.
func (t *Table) target(s *Set) []*Set {
	z := t.byID[s.Alias.Zone]
	key, ok := Key(s.Alias.Name)
	if z == nil || !ok || !below(key, z.key) {
		return nil
	}
	n, _ := z.lookup(key)
	return n.of(s.Type)
}

// mostAtOnce is how many sets a Multi answer has.
const mostAtOnce = 8

// choose returns the sets that a question is answered with. Where none is well, all count as well.
func (w *walk) choose(sets []*Set) []*Set {
	well := make([]*Set, 0, len(sets))
	for _, s := range sets {
		if w.well(s) {
			well = append(well, s)
		}
	}
	if len(well) == 0 {
		well = slices.Clone(sets)
	}
	switch sets[0].Policy {
	case Weighted:
		return byWeight(well)
	case Nearest:
		return []*Set{slices.MinFunc(well, func(a, b *Set) int {
			switch {
			case a.Distance < b.Distance:
				return -1
			case a.Distance > b.Distance:
				return 1
			}
			return 0
		})}
	case Failover:
		for _, s := range well {
			if !s.Secondary {
				return []*Set{s}
			}
		}
		return well[:1]
	case Multi:
		rand.Shuffle(len(well), func(i, j int) { well[i], well[j] = well[j], well[i] })
		return well[:min(len(well), mostAtOnce)]
	}
	return well
}

// byWeight chooses one. Those of weight zero come only where there are no others.
func byWeight(sets []*Set) []*Set {
	var sum uint32
	for _, s := range sets {
		sum += s.Weight
	}
	if sum == 0 {
		return []*Set{sets[rand.IntN(len(sets))]}
	}
	n := rand.Uint32N(sum)
	for _, s := range sets {
		if n < s.Weight {
			return []*Set{s}
		}
		n -= s.Weight
	}
	return nil // not reached: n is less than the sum
}

// well says whether a set is: by its check, and by what it stands for where that is judged.
func (w *walk) well(s *Set) bool {
	if s.Check != "" && w.t.sick[s.Check] {
		return false
	}
	if s.Alias == nil || !s.Alias.Judged || !w.look() {
		return true
	}
	return slices.ContainsFunc(w.t.target(s), w.well)
}
