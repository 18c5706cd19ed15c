package expiry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// orphaned is how long an artifact stays whose subject isn't there: one may be pushed before its subject, and AWS removes
// those of a subject that was deleted within 24 hours (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html).
const orphaned = 24 * time.Hour

// orphans returns the artifacts whose subject isn't there any more: signatures, bills of materials.
func orphans(all []record.Tagged, at time.Time) (list []record.Tagged) {
	there := make(map[string]bool, len(all))
	for _, img := range all {
		there[img.Digest] = true
	}
	for _, img := range all {
		if img.Subject != "" && !there[img.Subject] && !at.Before(img.PushedAt.Add(orphaned)) {
			list = append(list, img)
		}
	}
	return list
}

// removeOrphans removes what referred to images that are gone, and what refers to that, in a repository that has a policy.
func (a *Applier) removeOrphans(ctx context.Context, r record.Repository, at time.Time) error {
	for {
		all, err := a.records.Images(ctx, r.Name)
		if err != nil {
			return err
		}
		removed := 0
		for _, img := range orphans(all, at) {
			err := a.records.DeleteIf(ctx, r.Name, img.Digest, func(tx store.Tx) error { return a.stillOrphaned(tx, r, img) })
			if _, gone := errors.AsType[*registry.Error](err); gone || errors.Is(err, errMeanwhile) {
				continue
			}
			if err != nil {
				return fmt.Errorf("remove %s: %w", img.Digest, err)
			}
			removed++
			a.log.Info("an artifact whose subject is gone was removed", "key", r.Name, "image", img.Digest, "subject", img.Subject)
		}
		if removed == 0 {
			return nil
		}
	}
}

// stillOrphaned fails unless an artifact is as it was looked at, nobody needs it, and its subject is gone.
func (a *Applier) stillOrphaned(tx store.Tx, r record.Repository, img record.Tagged) error {
	now, err := a.still(tx, r, seen{img.Digest, img.PushedAt, img.Tags})
	if err != nil {
		return err
	}
	if _, back, err := record.Find(tx, now, img.Subject); err != nil || back {
		return errors.Join(err, errMeanwhile)
	}
	return nil
}
