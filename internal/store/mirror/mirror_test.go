package mirror

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/store"
)

func key(r *rand.Rand) string { return string([]byte{'a' + byte(r.IntN(3)), 'a' + byte(r.IntN(4))}) }

// TestTxIsAMap compares a transaction with a map that the same is done to, and
// its commit with what it showed.
func TestTxIsAMap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		m := New()
		model := make(map[string]string)
		for range 4 {
			tx := m.Latest().Begin()
			for range r.IntN(12) {
				k := key(r)
				if r.IntN(3) == 0 {
					tx.Delete(k)
					delete(model, k)
				} else {
					v := fmt.Sprint(r.IntN(3))
					tx.Put(k, []byte(v))
					model[k] = v
				}
				compare(t, seed, r, tx, model)
			}
			if !m.Commit(tx) {
				t.Fatalf("seed %d: a commit without a rival was refused", seed)
			}
			compare(t, seed, r, m.Latest().Begin(), model)
		}
	}
}

func compare(t *testing.T, seed uint64, r *rand.Rand, tx *Tx, model map[string]string) {
	t.Helper()
	prefix := []string{"", "a", "b", "bc"}[r.IntN(4)]
	after := ""
	if r.IntN(2) == 0 {
		after = key(r)
	}
	var want, got []string
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if strings.HasPrefix(k, prefix) && k > after {
			want = append(want, k+"="+model[k])
		}
	}
	for k, v := range tx.Scan(prefix, after) {
		got = append(got, k+"="+v.String())
	}
	if !slices.Equal(got, want) {
		t.Fatalf("seed %d: Scan(%q, %q) yields %v, want %v", seed, prefix, after, got, want)
	}
	k := key(r)
	v, ok := tx.Get(k)
	if w, there := model[k]; ok != there || v.String() != w {
		t.Fatalf("seed %d: Get(%q) is %q, %v, want %q, %v", seed, k, v, ok, w, there)
	}
}

// TestFollowerConverges checks that whoever applies all batches has what there
// is, with no more pending than two changes a key, in the order of commits.
func TestFollowerConverges(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := New()
		f, _ := m.register("a")
		state := make(map[string]string)
		last := make(map[string]int64)
		rev := int64(0)
		for range 60 {
			rev++
			k := key(r)
			c := store.Change{Key: k}
			if r.IntN(3) > 0 {
				c.Value = store.NewValue(fmt.Append(nil, rev))
			}
			m.Apply(rev, []store.Change{c})
			last[k] = rev
			if len(f.pending) > 2*len(f.at) {
				t.Fatalf("seed %d: %d changes of %d keys are pending", seed, len(f.pending), len(f.at))
			}
			if r.IntN(8) > 0 {
				continue
			}
			before := int64(0)
			for _, c := range f.take() {
				if last[c.Key] <= before {
					t.Fatalf("seed %d: %s comes out of order", seed, c.Key)
				}
				before = last[c.Key]
				if state[c.Key] = c.Value.String(); c.Value == nil {
					delete(state, c.Key)
				}
			}
			want := make(map[string]string)
			for k, row := range m.Latest().scan("a", "") {
				want[k] = row.Value.String()
			}
			if !maps.Equal(state, want) {
				t.Fatalf("seed %d: the follower has %v, want %v", seed, state, want)
			}
		}
	}
}

func TestReplaceSendsDifferences(t *testing.T) {
	t.Parallel()
	m := New()
	m.Apply(1, []store.Change{{Key: "kept", Value: value("1")}, {Key: "gone", Value: value("1")}, {Key: "changed", Value: value("1")}})
	f, _ := m.register("")
	m.Replace(9, map[string]Row{"kept": {value("1"), 1}, "changed": {value("2"), 5}, "new": {value("3"), 7}})
	got := make(map[string]string)
	for _, c := range f.take() {
		got[c.Key] = c.Value.String()
	}
	if want := map[string]string{"gone": "", "changed": "2", "new": "3"}; !maps.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
	if rev := m.Latest().Rev; rev != 9 {
		t.Errorf("revision %d, want 9", rev)
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a": "b", "r/t/": "r/t0", "a\xff": "b", "\xff": ""} {
		if got := End(in); got != want {
			t.Errorf("End(%q) = %q, want %q", in, got, want)
		}
	}
}

func value(s string) *store.Value { return store.NewValue([]byte(s)) }
