package mirror

import (
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"github.com/skylift/skylift/internal/store"
)

// Tx is a transaction on a snapshot: it keeps what was written to itself, and
// notes what was read, so that whoever commits it can tell whether that is
// still true.
type Tx struct {
	snap     *Snapshot
	readOnly bool
	wrote    bool                            // in a read-only transaction
	writes   btree.Map[string, *store.Value] // nil: deleted
	keys     map[string]struct{}             // read one by one
	ranges   []Range
	elided   bool
}

// Range is the keys that a Scan went over, from From up to and without To.
// Those under prefix Prefix were asked for.
type Range struct{ Prefix, From, To string }

// Begin returns a transaction on s.
func (s *Snapshot) Begin() *Tx {
	return &Tx{snap: s, keys: make(map[string]struct{})}
}

// View runs f on s and fails when f wrote.
func (s *Snapshot) View(f func(store.Tx) error) error {
	tx := &Tx{snap: s, readOnly: true}
	if err := f(tx); err != nil {
		return err
	}
	if tx.wrote {
		return store.ErrReadOnly
	}
	return nil
}

// Get implements store.Tx.
func (t *Tx) Get(key string) (*store.Value, bool) {
	if v, ok := t.writes.Get(key); ok {
		return v, v != nil
	}
	r, ok := t.snap.rows.Get(key)
	t.read(key)
	return r.Value, ok
}

func (t *Tx) read(key string) {
	if !t.readOnly {
		t.keys[key] = struct{}{}
	}
}

// Put implements store.Tx. To write what is there already is to read it.
func (t *Tx) Put(key string, value []byte) {
	if t.readOnly {
		t.wrote = true
		return
	}
	if r, ok := t.snap.rows.Get(key); ok && r.Value.Equal(value) {
		t.read(key)
		t.elided = true
		t.writes.Delete(key)
		return
	}
	t.writes.Set(key, store.NewValue(value))
}

// Delete implements store.Tx. To delete what isn't there is to read that.
func (t *Tx) Delete(key string) {
	if t.readOnly {
		t.wrote = true
		return
	}
	t.read(key)
	if _, ok := t.snap.rows.Get(key); !ok {
		t.elided = true
		t.writes.Delete(key)
		return
	}
	t.writes.Set(key, nil)
}

// Scan implements store.Tx: it yields the rows of when it was called.
func (t *Tx) Scan(prefix, after string) iter.Seq2[string, *store.Value] {
	return func(yield func(string, *store.Value) bool) {
		written := t.writes.Copy()
		from := max(prefix, after)
		if after != "" && after >= prefix {
			from = after + "\x00"
		}
		to := End(prefix)
		defer func() {
			if !t.readOnly {
				t.ranges = append(t.ranges, Range{prefix, from, to})
			}
		}()
		for k, v := range merge(t.snap.scan(prefix, after), written, from, prefix) {
			if !yield(k, v) {
				to = k + "\x00" // what comes after was not read
				return
			}
		}
	}
}

// Rev is the revision that t reads.
func (t *Tx) Rev() int64 { return t.snap.Rev }

// Keys returns the keys that were read one by one, in order, with the
// revisions of their rows; 0 says that there was none.
func (t *Tx) Keys() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		keys := make([]string, 0, len(t.keys))
		for k := range t.keys {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			r, _ := t.snap.rows.Get(k)
			if !yield(k, r.Rev) {
				return
			}
		}
	}
}

// Ranges returns what was scanned.
func (t *Tx) Ranges() []Range { return t.ranges }

// Elided says that something was written that was there already, so that a
// commit must look whether it still is.
func (t *Tx) Elided() bool { return t.elided }

// Changes returns what was written, in key order.
func (t *Tx) Changes() []store.Change {
	var out []store.Change
	t.writes.Scan(func(k string, v *store.Value) bool {
		out = append(out, store.Change{Key: k, Value: v})
		return true
	})
	return out
}

// holds says whether what t read is what it would read from now.
func (t *Tx) holds(now *Snapshot) bool {
	if now == t.snap {
		return true
	}
	for k, rev := range t.Keys() {
		if r, _ := now.rows.Get(k); r.Rev != rev {
			return false
		}
	}
	for _, r := range t.ranges {
		if !slices.Equal(t.snap.revs(r), now.revs(r)) {
			return false
		}
	}
	return true
}

// revs returns the keys in r and the revisions of their rows.
func (s *Snapshot) revs(r Range) []keyRev {
	var out []keyRev
	s.rows.Ascend(r.From, func(k string, row Row) bool {
		if r.To != "" && k >= r.To {
			return false
		}
		out = append(out, keyRev{k, row.Rev})
		return true
	})
	return out
}

type keyRev struct {
	key string
	rev int64
}

func (s *Snapshot) scan(prefix, after string) iter.Seq2[string, Row] {
	return func(yield func(string, Row) bool) {
		s.rows.Ascend(max(prefix, after), func(k string, r Row) bool {
			if !strings.HasPrefix(k, prefix) {
				return false
			}
			return after != "" && k == after || yield(k, r)
		})
	}
}

// merge yields committed rows with the written ones, from from on under
// prefix, laid over them.
func merge(committed iter.Seq2[string, Row], written *btree.Map[string, *store.Value], from, prefix string) iter.Seq2[string, *store.Value] {
	return func(yield func(string, *store.Value) bool) {
		w := written.Iter()
		more := w.Seek(from)
		pending := func() bool { return more && strings.HasPrefix(w.Key(), prefix) }
		flush := func(before string) bool { // yields what was written before the key
			for pending() && (before == "" || w.Key() < before) {
				k, v := w.Key(), w.Value()
				more = w.Next()
				if v != nil && !yield(k, v) {
					return false
				}
			}
			return true
		}
		for k, r := range committed {
			if !flush(k) {
				return
			}
			v := r.Value
			if pending() && w.Key() == k {
				v = w.Value()
				more = w.Next()
			}
			if v != nil && !yield(k, v) {
				return
			}
		}
		flush("")
	}
}

// End returns the first key after all those that start with prefix, "" when
// there is none.
func End(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}
