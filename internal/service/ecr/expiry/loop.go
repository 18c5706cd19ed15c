package expiry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// every is how often a policy is applied. AWS does it within 24 hours.
const every = time.Hour

// Users knows which images are needed.
type Users struct {
	records *record.Records
	of      func(store.Tx) (map[string]string, error)
}

// NewUsers returns Users. Of returns who needs which image, by the image's reference.
func NewUsers(records *record.Records, of func(store.Tx) (map[string]string, error)) *Users {
	return &Users{records, of}
}

// in returns who needs which image of a repository, by digest.
func (u *Users) in(ctx context.Context, repo string) (map[string]string, error) {
	return handler.View(ctx, u.records.DB, func(tx store.Tx) (map[string]string, error) {
		r, ok, err := handler.Find(tx, record.RepositoryRows, repo)
		if err != nil || !ok {
			return map[string]string{}, err
		}
		return u.needed(tx, r)
	})
}

// needed is in within a transaction.
func (u *Users) needed(tx store.Tx, repo record.Repository) (map[string]string, error) {
	all, err := u.of(tx)
	if err != nil {
		return nil, fmt.Errorf("look who needs images: %w", err)
	}
	digests := map[string]string{}
	for ref, who := range all {
		name, version, ok := u.records.Named(ref)
		if !ok || name != repo.Name {
			continue
		}
		img, ok, err := record.FindImage(tx, repo, version)
		if err != nil {
			return nil, fmt.Errorf("look which image %s is: %w", ref, err)
		}
		if ok {
			digests[img.Digest] = who
		}
	}
	return digests, nil
}

// expired returns the images that a policy expires at a time, without those that are
// needed; who needs those is in kept, by digest. An index is needed for its images, and
// they are for it.
func expired(ctx context.Context, records *record.Records, used *Users, repo, text string, at time.Time) (list []lifecycle.Expiry, kept map[string]string, err error) {
	policy, err := lifecycle.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read the lifecycle policy of %s: %w", repo, err)
	}
	all, err := records.Images(ctx, repo)
	if err != nil {
		return nil, nil, err
	}
	needed, err := used.in(ctx, repo)
	if err != nil {
		return nil, nil, err
	}
	var known []lifecycle.Image
	for _, img := range all {
		known = append(known, lifecycle.Image{Digest: img.Digest, Tags: img.Tags, Pushed: img.PushedAt, Children: img.Children})
		for _, child := range img.Children {
			if who := needed[child]; who != "" && needed[img.Digest] == "" {
				needed[img.Digest] = who
			}
		}
	}
	kept = map[string]string{}
	list = slices.DeleteFunc(policy.Expired(known, at), func(e lifecycle.Expiry) bool {
		who := needed[e.Image.Digest]
		if who != "" {
			kept[e.Image.Digest] = who
		}
		return who != ""
	})
	return list, kept, nil
}

// Applier reconciles repositories: it removes the images that their policies expire.
type Applier struct {
	records *record.Records
	used    *Users
	log     *slog.Logger
}

// NewApplier returns an Applier.
func NewApplier(records *record.Records, used *Users, log *slog.Logger) *Applier {
	return &Applier{records, used, log}
}

// Sources name the repositories that have a policy.
func (a *Applier) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(a.records.DB, record.RepositoryRows, func(name string, r *record.Repository) []string {
		if r.Lifecycle.Text == "" {
			return nil
		}
		return []string{name}
	})}
}

// Reconcile applies the policy of a repository, if that is due.
func (a *Applier) Reconcile(ctx context.Context, name string) (again time.Duration, err error) {
	var r record.Repository
	r, ok, err := a.find(ctx, name)
	if err != nil || !ok || r.Lifecycle.Text == "" {
		return 0, err
	}
	at := now()
	if due := r.Lifecycle.Done.Add(every); at.Before(due) && r.Lifecycle.Done.After(r.Lifecycle.Set) && !at.Before(r.Lifecycle.Done) {
		return due.Sub(at), nil
	}
	if err := a.apply(ctx, r, at); err != nil {
		return 0, fmt.Errorf("apply the lifecycle policy of %s: %w", name, err)
	}
	return every, nil
}

func (a *Applier) find(ctx context.Context, name string) (r record.Repository, ok bool, err error) {
	err = a.records.DB.View(ctx, func(tx store.Tx) (err error) {
		r, ok, err = handler.Find(tx, record.RepositoryRows, name)
		return err
	})
	return r, ok, err
}

// errMeanwhile says that what made an image expire no longer holds.
var errMeanwhile = errors.New("the policy, the image or its use changed meanwhile")

// seen is an image as it was looked at.
type seen struct {
	digest string
	pushed time.Time
	tags   []string
}

// still fails unless a repository and its policy, and an image that is to be removed, are as they were looked at, and nobody needs the image,
// or those with it. It returns the repository.
func (a *Applier) still(tx store.Tx, r record.Repository, img seen, with ...string) (record.Repository, error) {
	now, ok, err := handler.Find(tx, record.RepositoryRows, r.Name)
	if err != nil {
		return now, err
	}
	if !ok || now.ID != r.ID || !now.Lifecycle.Set.Equal(r.Lifecycle.Set) {
		return now, errMeanwhile
	}
	is, ok, err := record.FindImage(tx, now, img.digest)
	if err != nil {
		return now, err
	}
	if !ok || !is.PushedAt.Equal(img.pushed) || !slices.Equal(is.Tags, img.tags) {
		return now, errMeanwhile
	}
	needed, err := a.used.needed(tx, now)
	if err != nil {
		return now, err
	}
	for _, digest := range append([]string{img.digest}, with...) {
		if needed[digest] != "" {
			return now, errMeanwhile
		}
	}
	return now, nil
}

func (a *Applier) apply(ctx context.Context, r record.Repository, at time.Time) error {
	list, kept, err := expired(ctx, a.records, a.used, r.Name, r.Lifecycle.Text, at)
	if err != nil {
		return err
	}
	for digest, who := range kept {
		a.log.Info("an image that a lifecycle policy expires is in use and stays", "key", r.Name, "image", digest, "user", who)
	}
	for _, e := range list {
		err := a.records.DeleteIf(ctx, r.Name, e.Image.Digest, func(tx store.Tx) error {
			_, err := a.still(tx, r, seen{e.Image.Digest, e.Image.Pushed, e.Image.Tags}, e.Image.Children...)
			return err
		})
		if _, gone := errors.AsType[*registry.Error](err); gone || errors.Is(err, errMeanwhile) {
			continue // removed, put into an index, or changed meanwhile
		}
		if err != nil {
			return fmt.Errorf("remove %s: %w", e.Image.Digest, err)
		}
		a.log.Info("a lifecycle policy expired an image", "key", r.Name, "image", e.Image.Digest, "tags", e.Image.Tags, "rule", e.Rule)
	}
	if err := a.removeOrphans(ctx, r, at); err != nil {
		return err
	}
	return a.records.DB.Update(ctx, func(tx store.Tx) error {
		now, ok, err := handler.Find(tx, record.RepositoryRows, r.Name)
		if err != nil || !ok || now.ID != r.ID || now.Lifecycle.Set != r.Lifecycle.Set {
			return err
		}
		now.Lifecycle.Done = at
		return record.RepositoryRows.Put(tx, r.Name, now)
	})
}
