package handler

import (
	"errors"
	"testing"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

type thing struct{ Name string }

var (
	things  = store.NewTable[thing]("thing")
	errNone = errors.New("none")
	errStop = errors.New("stop")
)

func none(key string) error { return errors.Join(errNone, errors.New(key)) }

func TestTransactions(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	put := func(name string, fail error) (string, error) {
		return Update(t.Context(), db, func(tx store.Tx) (string, error) {
			if err := things.Put(tx, "a", thing{name}); err != nil {
				return "", err
			}
			return "put " + name, fail
		})
	}
	get := func(key string) (thing, error) {
		return View(t.Context(), db, func(tx store.Tx) (thing, error) { return Get(tx, things, key, none) })
	}
	if out, err := put("one", nil); out != "put one" || err != nil {
		t.Errorf("got %q, %v of an update", out, err)
	}
	if out, err := put("two", errStop); out != "" || !errors.Is(err, errStop) {
		t.Errorf("got %q, %v of an update that fails, want nothing and its error", out, err)
	}
	if v, err := get("a"); v.Name != "one" || err != nil {
		t.Errorf("got %v, %v, want what the update that did not fail wrote", v, err)
	}
	if _, err := get("b"); !errors.Is(err, errNone) || err.Error() != "none\nb" {
		t.Errorf("got %v of a key without a record, want the service's error with the key", err)
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, key string
		fail      error
		want      error
		kept      string
	}{
		{"a record", "a", nil, nil, "new"},
		{"a change that fails", "a", errStop, errStop, "old"},
		{"no record", "b", nil, errNone, "old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := memstore.New()
			defer db.Close()
			_, err := Update(t.Context(), db, func(tx store.Tx) (thing, error) { return thing{}, things.Put(tx, "a", thing{"old"}) })
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(t.Context(), func(tx store.Tx) error {
				v, err := Change(tx, things, tt.key, none, func(v *thing) error { v.Name = "new"; return tt.fail })
				if err == nil && v.Name != "new" {
					t.Errorf("got %v, want what was written", v)
				}
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				return nil // commit what was written all the same
			})
			if err != nil {
				t.Fatal(err)
			}
			v, err := View(t.Context(), db, func(tx store.Tx) (thing, error) { return Get(tx, things, "a", none) })
			if v.Name != tt.kept || err != nil {
				t.Errorf("the record is %v, %v, want %s", v, err, tt.kept)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		if v, ok, err := Find(tx, things, "a"); ok || err != nil || v != (thing{}) {
			t.Errorf("got %v, %t, %v of a key without a record", v, ok, err)
		}
		if err := things.Put(tx, "a", thing{"x"}); err != nil {
			return err
		}
		if v, ok, err := Find(tx, things, "a"); !ok || err != nil || v.Name != "x" {
			t.Errorf("got %v, %t, %v, want the record", v, ok, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
