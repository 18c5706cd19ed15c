package memstore_test

import (
	"testing"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.DB {
		db := memstore.New()
		t.Cleanup(func() { db.Close() })
		return db
	})
}

func TestFull(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	storetest.Full(t, db, func() { db.Fill(true) }, func() { db.Fill(false) })
}
