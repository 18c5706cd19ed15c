package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/store"
)

// part is one of the tags that a record has in its first version.
type part struct{ ID, Tag string }

// cutTags makes a part of each tag of a record.
func cutTags(parts *store.Table[part], key string, old []byte) (next store.Next, err error) {
	var r record
	if err := json.Unmarshal(old, &r); err != nil {
		return next, err
	}
	for _, tag := range r.Tags {
		next.Others = append(next.Others, parts.Record(key+"/"+tag, part{r.ID, tag}))
	}
	r.Tags = nil
	next.Record, err = json.Marshal(r)
	return next, err
}

// upgrade: records are cut in two, some into more pieces than a transaction of
// an etcd cluster holds, and their indexes are made anew.
func upgrade(t *testing.T, db store.DB) {
	const n, many = 60, 150
	parts := store.NewTable("parts", store.Index[part]{Name: "id", Values: func(p part) []string { return []string{p.ID} }})
	now := store.NewTable("records", store.Index[record]{Name: "id", Values: func(r record) []string { return []string{r.ID} }}).
		Version(2, func(key string, old []byte) (store.Next, error) { return cutTags(parts, key, old) })
	was := records()
	for i := range n {
		r := record{ID: fmt.Sprintf("%03d", i), State: "new"}
		for j := range 1 + i*(many-1)/(n-1) {
			r.Tags = append(r.Tags, fmt.Sprintf("t%03d", j))
		}
		// Index entries are written by themselves: all of a record's may be too
		// many for a transaction.
		update(t, db, func(tx store.Tx) error { return was.Put(tx, r.ID, record{ID: r.ID, State: r.State}) })
		for some := range slices.Chunk(r.Tags, 20) {
			update(t, db, func(tx store.Tx) error {
				old, err := was.Get(tx, r.ID)
				if err != nil {
					return err
				}
				old.Tags = append(old.Tags, some...)
				return was.Put(tx, r.ID, old)
			})
		}
	}
	for range 2 {
		if err := store.Upgrade(t.Context(), db, nil, parts, now); err != nil {
			t.Fatal(err)
		}
	}
	view(t, db, func(tx store.Tx) error {
		list, err := now.List(tx, "")
		if err != nil || len(list) != n || list[n-1].Tags != nil {
			t.Errorf("%d records, want %d without tags: %v", len(list), n, err)
		}
		var tags []string
		for key := range parts.Keys(tx, "id", fmt.Sprintf("%03d", n-1), "") {
			tags = append(tags, key)
		}
		if len(tags) != many {
			t.Errorf("%d parts, want %d", len(tags), many)
		}
		found, err := now.By(tx, "id", "007")
		if diff := cmp.Diff([]record{{ID: "007", State: "new"}}, found); err != nil || diff != "" {
			t.Errorf("by the new index: %v\n%s", err, diff)
		}
		for key := range tx.Scan("x/records/tag/", "") {
			t.Errorf("an entry of an index that is gone: %q", key)
			break
		}
		return nil
	})
}
