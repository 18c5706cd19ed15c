package record

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/store"
)

// Delete removes ref as BatchDeleteImage does: a digest with all its tags, a
// tag alone, and with its last tag the image.
func (r *Records) Delete(ctx context.Context, name, ref string) error {
	return r.DeleteIf(ctx, name, ref, Always)
}

// Always is a condition that holds.
func Always(store.Tx) error { return nil }

// DeleteIf is Delete that still can stop by an error: it looks in the transaction that deletes, and with many tags in the first one.
func (r *Records) DeleteIf(ctx context.Context, name, ref string, still func(store.Tx) error) error {
	id := types.ImageIdentifier{ImageTag: &ref}
	if IsDigest(ref) {
		id = types.ImageIdentifier{ImageDigest: &ref}
	}
	_, failure, err := r.DeleteImage(ctx, name, id, still)
	if err != nil {
		return err
	}
	if failure != nil && failure.FailureCode == types.ImageFailureCodeImageNotFound {
		return registry.ManifestUnknown(*failure.FailureReason)
	}
	if failure != nil {
		return registry.Denied(*failure.FailureReason)
	}
	return nil
}

// Piece is how many records, with their index entries, any store removes in one transaction.
const Piece = 16

// DeleteImage removes one image or tag in a transaction of its own, because 100 of
// them may be too much for one transaction. When the tags of one image are too much,
// they go first, in pieces.
func (r *Records) DeleteImage(ctx context.Context, name string, id types.ImageIdentifier, still func(store.Tx) error) (gone []types.ImageIdentifier, failure *types.ImageFailure, err error) {
	var before []types.ImageIdentifier // what went in pieces
	most := math.MaxInt
	for {
		more := false
		err = r.DB.Update(ctx, func(tx store.Tx) (err error) {
			if before == nil {
				if err := still(tx); err != nil {
					return err
				}
			}
			gone, more, failure, err = r.deleteSome(tx, name, id, most)
			return err
		})
		switch {
		case errors.Is(err, store.ErrTooLarge) && most > Piece:
			most = Piece
		case err != nil:
			return nil, nil, err
		case more:
			before = append(before, gone...)
		case failure != nil && failure.FailureCode == types.ImageFailureCodeImageNotFound && before != nil:
			return before, nil, nil // another one has removed the rest
		default:
			return append(before, gone...), failure, nil
		}
	}
}

// deleteSome removes what id means, but at most so many TagRows. More is true when
// the image still has TagRows.
func (r *Records) deleteSome(tx store.Tx, name string, id types.ImageIdentifier, most int) (gone []types.ImageIdentifier, more bool, failure *types.ImageFailure, err error) {
	repo, err := r.Get(tx, name)
	if err != nil {
		return nil, false, nil, err
	}
	img, failure, err := Identify(tx, repo, id)
	if err != nil || failure != nil {
		return nil, false, failure, err
	}
	if id.ImageTag != nil && !lastTag(tx, img) {
		return []types.ImageIdentifier{{ImageDigest: &img.Digest, ImageTag: id.ImageTag}}, false, nil, TagRows.Delete(tx, TagKey(repo.ID, *id.ImageTag))
	}
	if failure, err = referenced(tx, img, id); err != nil || failure != nil {
		return nil, false, failure, err
	}
	names := TagsOf(tx, img)
	if more = len(names) > most; more {
		names = names[:most]
	}
	for _, n := range names {
		if err := TagRows.Delete(tx, TagKey(repo.ID, n)); err != nil {
			return nil, false, nil, err
		}
	}
	gone = Tagged{img, names}.Identifiers()
	if more {
		return gone, true, nil, nil
	}
	return gone, false, nil, errors.Join(ImageRows.Delete(tx, img.Key()), unscan(tx, img.Key()))
}

// lastTag says whether an image that has a tag has no other one.
func lastTag(tx store.Tx, img Image) bool {
	n := 0
	for range TagRows.Keys(tx, "image", img.Key(), "") {
		if n++; n > 1 {
			return false
		}
	}
	return true
}

// sweep removes what an interrupted DeleteRepository left.
func (r *Records) sweep(ctx context.Context) error {
	dead, err := handler.View(ctx, r.DB, func(tx store.Tx) (map[string]bool, error) {
		dead := map[string]bool{}
		for img, err := range ImageRows.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			dead[img.RepoID] = true
		}
		for t, err := range TagRows.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			dead[t.RepoID] = true
		}
		for repo, err := range RepositoryRows.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			delete(dead, repo.ID)
		}
		return dead, nil
	})
	if err != nil {
		return fmt.Errorf("sweep images: %w", err)
	}
	for id := range dead {
		if err := r.SweepRepository(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// SweepRepository removes the tags, scans and images of a repository that is gone, in
// as many transactions as it takes.
func (r *Records) SweepRepository(ctx context.Context, id string) error {
	for _, some := range []func(store.Tx) (int, error){
		func(tx store.Tx) (int, error) { return sweepSome(tx, TagRows, TagKey(id, ""), Tag.Key) },
		func(tx store.Tx) (int, error) { return sweepSome(tx, ScanRows, ImageKey(id, ""), Scan.Key) },
		func(tx store.Tx) (int, error) { return sweepSome(tx, PackageRows, ImageKey(id, ""), Packages.Key) },
		func(tx store.Tx) (int, error) { return sweepSome(tx, ImageRows, ImageKey(id, ""), Image.Key) },
	} {
		for n := Piece; n == Piece; {
			err := r.DB.Update(ctx, func(tx store.Tx) (err error) {
				n, err = some(tx)
				return err
			})
			if err != nil {
				return fmt.Errorf("sweep images: %w", err)
			}
		}
	}
	return nil
}

func sweepSome[T any](tx store.Tx, table *store.Table[T], prefix string, key func(T) string) (n int, err error) {
	var gone []string
	for v, err := range table.Scan(tx, prefix, "") {
		if err != nil {
			return 0, err
		}
		if gone = append(gone, key(v)); len(gone) == Piece {
			break
		}
	}
	for _, k := range gone {
		if err := table.Delete(tx, k); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}
