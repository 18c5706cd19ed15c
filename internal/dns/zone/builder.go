package zone

import (
	"cmp"
	"maps"
	"slices"

	"github.com/miekg/dns"
	"github.com/tidwall/btree"
)

// Builder makes tables, each from the one before. It is not safe for concurrent use.
type Builder struct {
	zones   map[string]*Zone // the present ones, by their ids
	changed map[string]bool  // those that are not in last as they are now
	sick    map[string]bool
	unsaid  bool // sick isn't what last has
	last    *Table
}

// NewBuilder returns one that has no zones.
func NewBuilder() *Builder {
	return &Builder{zones: map[string]*Zone{}, changed: map[string]bool{}, sick: map[string]bool{}, last: &Table{}}
}

// Put adds a zone, or changes what is known of it. Its records stay. It returns false where the name is none.
func (b *Builder) Put(i Info) bool {
	key, ok := Key(i.Name)
	if !ok {
		return false
	}
	z := b.own(i.ID)
	z.Info, z.key = i, key
	return true
}

// Drop removes a zone with its records.
func (b *Builder) Drop(id string) {
	delete(b.zones, id)
	b.changed[id] = true
}

// own returns a zone that may be changed: a table has another one. It is made if it isn't there.
func (b *Builder) own(id string) *Zone {
	z := b.zones[id]
	if z != nil && b.changed[id] {
		return z
	}
	next := &Zone{Info: Info{ID: id}}
	if z == nil {
		next.nodes = new(btree.Map[string, *node])
	} else {
		*next = *z
		next.nodes = z.nodes.Copy()
	}
	b.zones[id], b.changed[id] = next, true
	return next
}

// PutSet adds a set to a zone, in place of one with the same name, type and id. A zone that is not there yet is put later.
func (b *Builder) PutSet(zone string, s *Set) { b.change(zone, s, true) }

// DropSet removes the set of that name, type and id.
func (b *Builder) DropSet(zone string, s *Set) {
	if b.zones[zone] != nil {
		b.change(zone, s, false)
	}
}

func (b *Builder) change(zone string, s *Set, put bool) {
	key, ok := Key(s.Name)
	if !ok {
		return
	}
	z := b.own(zone)
	old := z.node(key)
	next := new(node)
	if old != nil {
		next.sets = slices.Clone(old.sets)
	}
	at, found := slices.BinarySearchFunc(next.sets, s, compare)
	switch {
	case put && found:
		next.sets[at] = s
	case put:
		next.sets = slices.Insert(next.sets, at, s)
	case found:
		next.sets = slices.Delete(next.sets, at, at+1)
	}
	if len(next.sets) == 0 {
		z.nodes.Delete(key)
	} else {
		z.nodes.Set(key, next)
	}
	z.cuts += next.cut() - old.cut()
}

// cut counts a name that has NS records.
func (n *node) cut() int { return min(1, len(n.of(dns.TypeNS))) }

// SetWell says whether what has that check is well. What nothing was said of is.
func (b *Builder) SetWell(check string, well bool) {
	if b.sick[check] == !well {
		return
	}
	if !b.unsaid {
		b.sick, b.unsaid = maps.Clone(b.sick), true
	}
	if well {
		delete(b.sick, check)
	} else {
		b.sick[check] = true
	}
}

// Table returns a table of what was put so far.
func (b *Builder) Table() *Table {
	if len(b.changed) == 0 && !b.unsaid {
		return b.last
	}
	t := &Table{byID: maps.Clone(b.zones), byName: b.last.byName, sick: b.sick}
	for id := range b.changed {
		if z := b.zones[id]; z != nil {
			z.delegates = z.cuts > z.node(z.key).cut()
		}
	}
	if len(b.changed) > 0 {
		t.byName = map[string][]*Zone{}
		for _, z := range b.zones {
			if z.Name != "" {
				t.byName[z.key] = append(t.byName[z.key], z)
			}
		}
		for _, list := range t.byName {
			slices.SortFunc(list, func(a, b *Zone) int {
				return cmp.Or(cmp.Compare(min(1, len(b.Views)), min(1, len(a.Views))), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID))
			})
		}
	}
	clear(b.changed)
	b.unsaid, b.last = false, t
	return t
}
