package rule

import "encoding/binary"

// A set is rules, a bit each. While an index is made, sets are slices of their
// own; then they are places in the index's pool, where like ones are one.
type (
	set   []uint64
	place int32
)

func (s set) add(rule int) { s[rule>>6] |= 1 << (rule & 63) }

func (s set) or(o set) {
	for i := range o {
		s[i] |= o[i]
	}
}

// pool keeps the sets of an index.
type pool struct {
	words int // of a set
	bits  []uint64
	known map[string]place // while the index is made
}

func (p *pool) empty() set { return make(set, p.words) }

// keep returns the place of a set that won't change any more.
func (p *pool) keep(s set) place {
	key := make([]byte, 0, 8*len(s))
	for _, word := range s {
		key = binary.NativeEndian.AppendUint64(key, word)
	}
	at, ok := p.known[string(key)]
	if !ok {
		at = place(len(p.bits))
		p.known[string(key)] = at
		p.bits = append(p.bits, s...)
	}
	return at
}

const (
	// maxNarrow is how many headers, keys of queries and lengths of prefixes are
	// looked at. Rules that ask for others are held against each request.
	maxNarrow = 4
	maxFields = 4 + 2*maxNarrow
	maxEither = 1 + 2*maxNarrow
)

// narrowed is the rules that a request may meet: those that are in one set of
// each field.
type narrowed struct {
	n   int
	all [maxFields]either
}

// either is the rules that are in any of some sets.
type either struct {
	n  int
	of [maxEither]place
}

// add takes a set in. It returns false when there is no room for it.
func (e *either) add(s place) bool {
	if e.n == len(e.of) {
		return false
	}
	e.of[e.n] = s
	e.n++
	return true
}

func (n *narrowed) next() *either {
	n.n++
	return &n.all[n.n-1]
}

// drop forgets the field that next began.
func (n *narrowed) drop() {
	n.n--
	n.all[n.n].n = 0
}

// word is 64 of the rules that the request may meet.
func (n *narrowed) word(p *pool, i int) uint64 {
	left := ^uint64(0)
	for j := range n.n {
		e := &n.all[j]
		var may uint64
		for _, s := range e.of[:e.n] {
			may |= p.bits[int(s)+i]
		}
		left &= may
	}
	return left
}
