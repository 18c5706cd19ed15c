package etcdstore

import (
	"strings"

	"github.com/skylift/skylift/internal/store/mirror"
)

// maxCompares is how many compares on one group of keys are made before they
// are taken together: an etcd cluster allows 128 in all by default.
const maxCompares = 24

// group returns the group that a key is in: what is before its second slash (of
// an index entry, x/…, its third), or before its last when it has fewer. So
// each table, and each index, is a group.
func group(key string) string {
	n, _ := depth(key)
	return key[:n]
}

// open says that keys which start with prefix may be in different groups.
func open(prefix string) bool {
	_, whole := depth(prefix)
	return !whole
}

func depth(key string) (n int, whole bool) {
	slashes := 2
	if strings.HasPrefix(key, "x/") {
		slashes = 3
	}
	for range slashes {
		i := strings.IndexByte(key[n:], '/')
		if i < 0 {
			return n, false
		}
		n += i + 1
	}
	return n, true
}

type keyRev struct {
	key string
	rev int64
}

// compact returns what tx read, with the reads of groups that have many taken
// together as one range each. That is more than was read, so it conflicts more
// often, but never misses a conflict.
func compact(tx *mirror.Tx) (keys []keyRev, ranges []mirror.Range) {
	count := make(map[string]int)
	for k := range tx.Keys() {
		count[group(k)]++
	}
	for _, r := range tx.Ranges() {
		count[group(r.Prefix)]++
	}
	wide := make(map[string]*mirror.Range)
	widen := func(g, from, to string) bool {
		if count[g] <= maxCompares || strings.Count(g, "/") < 2 {
			return false
		}
		r := wide[g]
		if r == nil {
			r = &mirror.Range{Prefix: g, From: from, To: to}
			wide[g] = r
		}
		r.From, r.To = min(r.From, from), max(r.To, to)
		return true
	}
	for k, rev := range tx.Keys() {
		if !widen(group(k), k, k+"\x00") {
			keys = append(keys, keyRev{k, rev})
		}
	}
	for _, r := range tx.Ranges() {
		if r.To == "" || !widen(group(r.Prefix), r.From, r.To) {
			ranges = append(ranges, r)
		}
	}
	for _, r := range wide {
		ranges = append(ranges, *r)
	}
	return keys, ranges
}
