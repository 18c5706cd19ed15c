// Package zone answers questions from zones: which records a name has, and what is said where it has none.
//
// A Table never changes, so any number of questions are answered from one while a Builder makes the next, which shares with it
// what stayed the same.
package zone

import (
	"iter"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"github.com/tidwall/btree"
)

// Info is what is known of a zone besides its records.
type Info struct {
	ID   string // aliases name it so
	Name string // in presentation format, with decimal escapes
	// Views are those that have the zone; none is all, and the public one.
	Views []string
	// Rank tells zones of one name apart: in a view where there are several, the least one answers.
	Rank string
	// Serial is what the zone's transfers have in its SOA record.
	Serial uint32
}

// in says whether a view has the zone.
func (i *Info) in(view string) bool { return len(i.Views) == 0 || slices.Contains(i.Views, view) }

// Policy says which of several sets of a name and type are the answer.
type Policy uint8

// The policies. Of a Simple set there is one.
const (
	Simple Policy = iota
	// Weighted sets are chosen by chance, each in proportion to its Weight.
	Weighted
	// Nearest has the set of the least Distance.
	Nearest
	// Failover has a primary set, and a Secondary one for when that isn't well.
	Failover
	// Multi gives up to eight sets at once.
	Multi
)

// Set is the records that a name has of a type, or one of several such sets.
type Set struct {
	Name string // in presentation format, with decimal escapes
	Type uint16
	ID   string // tells sets of a name and type apart
	// Records have Name as their owner. They are not changed.
	Records []dns.RR
	Alias   *Alias // in place of records

	Policy    Policy
	Weight    uint32
	Distance  float64
	Secondary bool
	// Check is what says whether the set is well; "" is always.
	Check string
}

// Alias stands for the records that another name has of the same type.
type Alias struct {
	Zone, Name string
	// Judged says that the alias is well only where what it stands for is.
	Judged bool
}

// node is what a name has. Its sets are in the order of their types and ids.
type node struct{ sets []*Set }

// compare orders sets.
func compare(a, b *Set) int {
	if a.Type != b.Type {
		return int(a.Type) - int(b.Type)
	}
	return strings.Compare(a.ID, b.ID)
}

// of returns the sets of a type.
func (n *node) of(number uint16) []*Set {
	if n == nil {
		return nil
	}
	begin := 0
	for begin < len(n.sets) && n.sets[begin].Type < number {
		begin++
	}
	end := begin
	for end < len(n.sets) && n.sets[end].Type == number {
		end++
	}
	return n.sets[begin:end]
}

// Zone is a zone with its records. It is immutable.
type Zone struct {
	Info
	key       string
	cuts      int  // names that have NS records
	delegates bool // one of them is below the zone's own
	nodes     *btree.Map[string, *node]
}

// node returns what a name has; nil is nothing.
func (z *Zone) node(key string) *node {
	n, _ := z.nodes.Get(key)
	return n
}

// exists says whether there is a name: it has records, or a name below it has.
func (z *Zone) exists(key string) (there bool) {
	if key == z.key {
		return true
	}
	z.nodes.Ascend(key, func(k string, _ *node) bool {
		there = below(k, key)
		return false
	})
	return there
}

// Table is zones, and which sets aren't well. It is immutable.
type Table struct {
	byName map[string][]*Zone
	byID   map[string]*Zone
	sick   map[string]bool
}

// Find returns the zone that a view asks about a name: of those that have it, the one with the longest name.
func (t *Table) Find(view, name string) *Zone {
	key, ok := Key(name)
	if !ok {
		return nil
	}
	return t.find(view, key)
}

func (t *Table) find(view, key string) *Zone {
	for ok := true; ok; key, ok = above(key) {
		for _, z := range t.byName[key] {
			if z.in(view) {
				return z
			}
		}
	}
	return nil
}

// Zone returns the zone with that id; nil where there is none.
func (t *Table) Zone(id string) *Zone { return t.byID[id] }

// Zones calls each with every zone.
func (t *Table) Zones(each func(*Zone)) {
	for _, z := range t.byID {
		each(z)
	}
}

// Named says whether that is the zone's own name.
func (z *Zone) Named(name string) bool {
	key, ok := Key(name)
	return ok && key == z.key
}

// Records yields what a zone answers now, name by name and type by type.
func (t *Table) Records(z *Zone) iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		z.nodes.Scan(func(_ string, n *node) bool {
			for begin := 0; begin < len(n.sets); {
				sets := n.of(n.sets[begin].Type)
				begin += len(sets)
				w := walk{t, mostLooks}
				for _, rr := range z.own(w.records(sets), sets[0].Name, Question{}) {
					if !yield(rr) {
						return false
					}
				}
			}
			return true
		})
	}
}
