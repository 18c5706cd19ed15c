package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/skylift/skylift/internal/store"
)

// Full holds a store that can be full to what it promises then. Fill leaves it no
// room, and empty gives that back.
func Full(t *testing.T, db store.DB, fill, empty func()) {
	Put(t, db, "r/t/before", "1")
	fill()
	err := db.Update(t.Context(), func(tx store.Tx) error { tx.Put("r/t/full", []byte("1")); return nil })
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("Update on a full store returned %v, want ErrFull", err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error { tx.Get("r/t/before"); return nil })
	if err != nil {
		t.Errorf("Update that only reads, on a full store: %v", err)
	}
	freeing := store.Freeing(t.Context())
	for i := range 50 {
		err := db.Update(freeing, func(tx store.Tx) error { tx.Put("r/t/freed", fmt.Appendf(nil, "%d", i)); return nil })
		if err != nil {
			t.Fatalf("Update that frees, the %dth on a full store: %v", i, err)
		}
	}
	if err := db.Update(freeing, func(tx store.Tx) error { tx.Delete("r/t/before"); return nil }); err != nil {
		t.Errorf("delete on a full store: %v", err)
	}
	want(t, db, map[string]string{"r/t/freed": "49"})
	empty()
	Put(t, db, "r/t/after", "1")
	want(t, db, map[string]string{"r/t/freed": "49", "r/t/after": "1"})
}
