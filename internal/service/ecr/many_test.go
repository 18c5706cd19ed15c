package ecr

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// counted is a store that counts what the last transaction read and wrote. It
// refuses to write more rows at once than most, if that isn't 0.
type counted struct {
	store.DB
	most                int
	reads, rows, length int
}

func (c *counted) Update(ctx context.Context, f func(store.Tx) error) error {
	return c.DB.Update(ctx, func(tx store.Tx) error {
		c.reads, c.rows, c.length = 0, 0, 0
		if err := f(countedTx{tx, c}); err != nil {
			return err
		}
		if c.most > 0 && c.rows > c.most {
			return fmt.Errorf("%w: %d rows", store.ErrTooLarge, c.rows)
		}
		return nil
	})
}

type countedTx struct {
	store.Tx
	c *counted
}

func (t countedTx) Get(key string) (*store.Value, bool) {
	t.c.reads++
	return t.Tx.Get(key)
}

func (t countedTx) Put(key string, value []byte) {
	t.c.rows++
	t.c.length += len(key) + len(value)
	t.Tx.Put(key, value)
}

func (t countedTx) Delete(key string) {
	t.c.rows++
	t.Tx.Delete(key)
}

func openOn(t *testing.T, db store.DB) *API {
	t.Helper()
	records, err := record.Open(t.Context(), db, ns, host)
	if err != nil {
		t.Fatal(err)
	}
	return New(records, stored{})
}

// TestPushWithManyTags: a push writes as much for an image with 2,500 tags as
// for one with a single tag.
func TestPushWithManyTags(t *testing.T) {
	t.Parallel()
	db := &counted{DB: memstore.New()}
	a := openOn(t, db)
	a.create(t, "app")
	a.push(t, "app", "content")
	type cost struct{ reads, rows, length int }
	var first, last cost
	for i := range 2500 {
		a.push(t, "app", "content", fmt.Sprintf("t%04d", i))
		last = cost{db.reads, db.rows, db.length}
		if i == 0 {
			first = last
		}
	}
	if first != last || last.rows != 2 || last.length > 1000 {
		t.Errorf("the first push cost %+v, the last %+v; want the same, and two rows", first, last)
	}
	names, err := a.records.Tags(t.Context(), "app")
	if err != nil || len(names) != 2500 || !slices.IsSorted(names) || names[2499] != "t2499" {
		t.Errorf("%d tags: %v", len(names), err)
	}
}

// TestDeleteImageWithManyTags: by its digest an image goes with all its tags,
// also where they are more than a transaction holds.
func TestDeleteImageWithManyTags(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 60} {
		db := &counted{DB: memstore.New(), most: most}
		a := openOn(t, db)
		a.create(t, "app")
		var d string
		for i := range 50 {
			d = a.push(t, "app", "content", fmt.Sprintf("t%02d", i))
		}
		kept := a.push(t, "app", "other", "kept")
		out, err := a.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageDigest: &d}}})
		if err != nil || len(out.ImageIds) != 50 || len(out.Failures) != 0 {
			t.Errorf("at most %d rows: %d are gone, failures %v: %v", most, len(out.ImageIds), out.Failures, err)
		}
		names, err := a.records.Tags(t.Context(), "app")
		if err != nil || !slices.Equal(names, []string{"kept"}) {
			t.Errorf("at most %d rows: tags %v: %v", most, names, err)
		}
		// Pushed again, it has none of the tags that it had.
		a.push(t, "app", "content")
		list, err := a.records.Images(t.Context(), "app")
		if err != nil || len(list) != 2 {
			t.Fatalf("at most %d rows: %+v: %v", most, list, err)
		}
		for _, img := range list {
			if want := map[string]int{d: 0, kept: 1}[img.Digest]; len(img.Tags) != want {
				t.Errorf("at most %d rows: %s has tags %v", most, img.Digest, img.Tags)
			}
		}
	}
}
