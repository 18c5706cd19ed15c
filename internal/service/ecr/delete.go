package ecr

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
	id := types.ImageIdentifier{ImageTag: &ref}
	if isDigest(ref) {
		id = types.ImageIdentifier{ImageDigest: &ref}
	}
	_, failure, err := r.deleteImage(ctx, name, id)
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

// piece is how many records, with their index entries, any store removes in one transaction.
const piece = 16

// deleteImage removes one image or tag in a transaction of its own, because 100 of
// them may be too much for one transaction. When the tags of one image are too much,
// they go first, in pieces.
func (r *Records) deleteImage(ctx context.Context, name string, id types.ImageIdentifier) (gone []types.ImageIdentifier, failure *types.ImageFailure, err error) {
	var before []types.ImageIdentifier // what went in pieces
	most := math.MaxInt
	for {
		more := false
		err = r.db.Update(ctx, func(tx store.Tx) (err error) {
			gone, more, failure, err = r.deleteSome(tx, name, id, most)
			return err
		})
		switch {
		case errors.Is(err, store.ErrTooLarge) && most > piece:
			most = piece
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

// deleteSome removes what id means, but at most so many tags. More is true when
// the image still has tags.
func (r *Records) deleteSome(tx store.Tx, name string, id types.ImageIdentifier, most int) (gone []types.ImageIdentifier, more bool, failure *types.ImageFailure, err error) {
	repo, err := r.repository(tx, name)
	if err != nil {
		return nil, false, nil, err
	}
	img, failure, err := identify(tx, repo, id)
	if err != nil || failure != nil {
		return nil, false, failure, err
	}
	if id.ImageTag != nil && !lastTag(tx, img) {
		return []types.ImageIdentifier{{ImageDigest: &img.Digest, ImageTag: id.ImageTag}}, false, nil, tags.Delete(tx, tagKey(repo.ID, *id.ImageTag))
	}
	if failure, err = referenced(tx, img, id); err != nil || failure != nil {
		return nil, false, failure, err
	}
	names := tagsOf(tx, img)
	if more = len(names) > most; more {
		names = names[:most]
	}
	for _, n := range names {
		if err := tags.Delete(tx, tagKey(repo.ID, n)); err != nil {
			return nil, false, nil, err
		}
	}
	gone = tagged{img, names}.identifiers()
	if more {
		return gone, true, nil, nil
	}
	return gone, false, nil, images.Delete(tx, img.key())
}

// lastTag says whether an image that has a tag has no other one.
func lastTag(tx store.Tx, img Image) bool {
	n := 0
	for range tags.Keys(tx, "image", img.key(), "") {
		if n++; n > 1 {
			return false
		}
	}
	return true
}

// sweep removes what an interrupted DeleteRepository left.
func (r *Records) sweep(ctx context.Context) error {
	dead, err := handler.View(ctx, r.db, func(tx store.Tx) (map[string]bool, error) {
		dead := map[string]bool{}
		for img, err := range images.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			dead[img.RepoID] = true
		}
		for t, err := range tags.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			dead[t.RepoID] = true
		}
		for repo, err := range repositories.Peek(tx, "") {
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
		if err := r.sweepRepository(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// sweepRepository removes the tags and images of a repository that is gone, in
// as many transactions as it takes.
func (r *Records) sweepRepository(ctx context.Context, id string) error {
	for _, some := range []func(store.Tx) (int, error){
		func(tx store.Tx) (int, error) { return sweepSome(tx, tags, tagKey(id, ""), Tag.key) },
		func(tx store.Tx) (int, error) { return sweepSome(tx, images, imageKey(id, ""), Image.key) },
	} {
		for n := piece; n == piece; {
			err := r.db.Update(ctx, func(tx store.Tx) (err error) {
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
		if gone = append(gone, key(v)); len(gone) == piece {
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
