package expire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
)

// sweepEvery is how often garbage is looked for: what is left of a crash, and of deletions that came to no end.
const sweepEvery = time.Hour

// Sweeper removes parts and files that nothing refers to.
type Sweeper struct {
	*scope.Scope
	Log *slog.Logger
}

// Run sweeps at once, and then every now and then, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if n, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("sweep objects", "service", "s3", "err", err)
		} else if n > 0 {
			s.Log.Info("files that no object has were removed", "service", "s3", "files", n)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Sweep removes what nothing refers to, and returns how many files that were. A file goes in the second sweep that finds it.
func (s *Sweeper) Sweep(ctx context.Context) (files int, err error) {
	faults := []error{s.uploads(ctx)}
	stray, err := s.stray(ctx)
	faults = append(faults, err)
	for upload, listed := range stray {
		faults = append(faults, s.DropUnlisted(ctx, upload, listed))
	}
	files, err = s.Bodies.Files.Sweep(func() (func(string) bool, error) {
		used, err := s.used(ctx)
		return func(id string) bool { _, is := used[id]; return is }, err
	})
	return files, errors.Join(append(faults, err)...)
}

// uploads gives up those to buckets that are gone.
func (s *Sweeper) uploads(ctx context.Context) error {
	var gone []record.Upload
	err := s.DB.View(ctx, func(tx store.Tx) error {
		gone = nil
		for u, err := range record.Uploads.Peek(tx, "") {
			if err != nil {
				return fmt.Errorf("list uploads: %w", err)
			}
			going, err := goesOn(tx, u)
			if err != nil {
				return err
			}
			if !going {
				gone = append(gone, *u)
			}
		}
		return nil
	})
	faults := []error{err}
	for some := range slices.Chunk(gone, scope.Piece) {
		faults = append(faults, s.giveUp(ctx, some))
	}
	return errors.Join(faults...)
}

// giveUp forgets uploads whose buckets are still gone.
func (s *Sweeper) giveUp(ctx context.Context, uploads []record.Upload) error {
	err := s.DB.Update(store.Freeing(ctx), func(tx store.Tx) error {
		for _, u := range uploads {
			going, err := goesOn(tx, &u)
			if err == nil && !going {
				err = record.Uploads.Delete(tx, record.UploadRow(u.Bucket, u.Key, u.ID))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("give up uploads to buckets that are gone: %w", err)
	}
	return nil
}

// goesOn says whether the bucket of an upload is there.
func goesOn(tx store.Tx, u *record.Upload) (bool, error) {
	b, there, err := handler.Find(tx, record.Buckets, u.Bucket)
	return there && u.In(&b), err
}

// stray finds the uploads that have parts which nothing refers to, and the numbers of the others, as record.Numbers writes
// them.
func (s *Sweeper) stray(ctx context.Context) (found map[string]string, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		found = map[string]string{}
		have := map[string]int{}
		for p, err := range record.Parts.Peek(tx, "") {
			if err != nil {
				return fmt.Errorf("list parts: %w", err)
			}
			have[p.Upload]++
		}
		for upload, n := range have {
			if one(record.Uploads.Keys(tx, "id", upload, "")) {
				continue
			}
			listed, err := listed(tx, upload)
			if err != nil {
				return err
			}
			if len(record.ReadNumbers(listed)) < n {
				found[upload] = listed
			}
		}
		return nil
	})
	return found, err
}

func one(keys func(func(string) bool)) (is bool) {
	keys(func(string) bool {
		is = true
		return false
	})
	return is
}

// listed returns the parts that the object of an upload is made of; "" when there is no such object.
func listed(tx store.Tx, upload string) (string, error) {
	for _, t := range []*store.Table[record.Object]{record.Current, record.Older} {
		for o, err := range t.PeekBy(tx, "upload", upload) {
			if err != nil {
				return "", err
			}
			return o.Parts, nil
		}
	}
	return "", nil
}

// used returns the files that records refer to.
func (s *Sweeper) used(ctx context.Context) (files map[string]struct{}, err error) {
	err = s.DB.View(ctx, func(tx store.Tx) error {
		files = map[string]struct{}{}
		for _, t := range []*store.Table[record.Object]{record.Current, record.Older} {
			for o, err := range t.Peek(tx, "") {
				if err != nil {
					return fmt.Errorf("list objects: %w", err)
				}
				files[o.File] = struct{}{}
			}
		}
		for p, err := range record.Parts.Peek(tx, "") {
			if err != nil {
				return fmt.Errorf("list parts: %w", err)
			}
			files[p.File] = struct{}{}
		}
		return nil
	})
	return files, err
}
