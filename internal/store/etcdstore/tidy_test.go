package etcdstore

import (
	"bytes"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/skylift/skylift/internal/store"
)

func TestPast(t *testing.T) {
	t.Parallel()
	var now time.Time
	p := past{at: now}
	for i, tt := range []struct {
		after time.Duration
		rev   int64
		want  int64
	}{
		{10 * time.Second, 5, 0},    // nothing is known of the past
		{10 * time.Second, 2000, 0}, // 5: too little
		{10 * time.Second, 2000, 2000},
		{time.Hour, 2000, 0}, // nothing new
		{10 * time.Second, 2001, 0},
		{10 * time.Second, 2001, 2001}, // little, but of more than a minute
		{10 * time.Second, 2002, 0},
		{10 * time.Second, 9000, 0},
		{10 * time.Second, 9001, 9000},
	} {
		now = now.Add(tt.after)
		if got := p.end(tt.rev, now); got != tt.want {
			t.Errorf("%d: compacts to %d, want %d", i, got, tt.want)
		}
	}
}

// TestTidy fills the database with the past of one row, which is compacted
// away, and checks that the file gets small and that what is there stays.
func TestTidy(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := func(b byte) {
		t.Helper()
		err := db.Update(t.Context(), func(tx store.Tx) error {
			tx.Put("r/t/k", bytes.Repeat([]byte{b}, 1<<20))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		put(byte(i))
	}
	if _, err := db.client.Compact(t.Context(), db.rows.Latest().Rev, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	b := db.server.etcd.Server.Backend()
	before := b.Size()
	for i := 0; b.SizeInUse() > before/2 && i < 100; i++ { // pages are free when no reader of before is left
		put(byte('x' + i%2))
		b.ForceCommit()
		if _, err := db.client.Compact(t.Context(), db.rows.Latest().Rev, clientv3.WithCompactPhysical()); err != nil {
			t.Fatal(err)
		}
	}
	before = b.Size()
	if err := db.server.tidy(before); err != nil || b.Size() != before {
		t.Errorf("a database of no more than the least was changed: %d bytes, were %d, %v", b.Size(), before, err)
	}
	if err := db.server.tidy(mib); err != nil {
		t.Fatal(err)
	}
	if after := b.Size(); after > before/3 {
		t.Errorf("%d bytes, were %d", after, before)
	}
	put('z')
	got, err := db.client.Get(t.Context(), db.row("r/t/k"))
	if err != nil || len(got.Kvs) != 1 || got.Kvs[0].Value[0] != 'z' {
		t.Errorf("after it: %v", err)
	}
}
