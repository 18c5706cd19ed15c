package expire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
)

// Lifecycle carries out the lifecycle rules of buckets. It is a reconciler of their names.
type Lifecycle struct {
	*scope.Scope
	mu   sync.Mutex
	done map[string]string // the rules and the day that each bucket was last gone over for
}

// New returns one.
func New(s *scope.Scope) *Lifecycle { return &Lifecycle{Scope: s, done: map[string]string{}} }

// Sources name the buckets that changed.
func (l *Lifecycle) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(l.DB, record.Buckets, nil)}
}

// Reconcile goes over a bucket once a day, and when its rules change: what is due is due at midnight.
func (l *Lifecycle) Reconcile(ctx context.Context, name string) (again time.Duration, err error) {
	var b record.Bucket
	err = l.DB.View(ctx, func(tx store.Tx) (err error) {
		b, err = record.Buckets.Get(tx, name)
		return err
	})
	now := time.Now().UTC()
	rules := []byte(nil)
	if err == nil && b.Lifecycle != nil {
		rules, err = json.Marshal(b.Lifecycle.Rules)
	}
	l.mu.Lock()
	was := l.done[name]
	l.mu.Unlock()
	stamp := now.Format(time.DateOnly) + string(rules)
	switch {
	case errors.Is(err, store.ErrNotFound):
		l.note(name, "")
		return 0, nil
	case err != nil:
		return 0, err
	case rules == nil:
		l.note(name, "")
		return 0, nil
	case was != stamp:
		if err := l.Pass(ctx, name, b.Lifecycle.Rules, now); err != nil {
			return 0, err
		}
		l.note(name, stamp)
	}
	return now.Truncate(day).Add(day + time.Minute).Sub(now), nil
}

func (l *Lifecycle) note(name, stamp string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stamp == "" {
		delete(l.done, name)
	} else {
		l.done[name] = stamp
	}
}

// Pass removes what is due in a bucket at that time.
func (l *Lifecycle) Pass(ctx context.Context, bucket string, rules []types.LifecycleRule, now time.Time) error {
	var current, older []record.Object
	var uploads []record.Upload
	err := l.DB.View(ctx, func(tx store.Tx) (err error) {
		if current, older, err = due(tx, bucket, rules, now); err != nil {
			return err
		}
		uploads = nil
		for u, err := range record.Uploads.Peek(tx, record.Row(bucket, "")) {
			if err != nil {
				return err
			}
			if given(rules, u, now) {
				uploads = append(uploads, *u)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find what is due in the bucket %s: %w", bucket, err)
	}
	for _, o := range current {
		if err := l.expire(ctx, o, now); err != nil {
			return err
		}
	}
	for _, o := range older {
		if err := l.drop(ctx, o); err != nil {
			return err
		}
	}
	for _, u := range uploads {
		if err := l.abort(ctx, u); err != nil {
			return fmt.Errorf("give up the upload %s: %w", u.ID, err)
		}
	}
	return nil
}

// abort gives an upload up, unless it ended meanwhile: the parts of a completed one are an object's.
func (l *Lifecycle) abort(ctx context.Context, u record.Upload) error {
	row, there := record.UploadRow(u.Bucket, u.Key, u.ID), false
	err := l.DB.Update(ctx, func(tx store.Tx) (err error) {
		if _, there, err = handler.Find(tx, record.Uploads, row); err != nil || !there {
			return err
		}
		return record.Uploads.Delete(tx, row)
	})
	if err != nil || !there {
		return err
	}
	return l.DropParts(ctx, u.ID)
}

// due finds the versions that are to go: those that are current, and the others.
func due(tx store.Tx, bucket string, rules []types.LifecycleRule, now time.Time) (current, older []record.Object, err error) {
	row := record.Row(bucket, "")
	last, newer := record.Object{}, 0
	several := map[string]bool{} // keys of delete markers that have other versions
	for o, err := range record.Older.Peek(tx, row) {
		if err != nil {
			return nil, nil, err
		}
		if o.Key != last.Key {
			if last, _, err = record.Now(tx, bucket, o.Key); err != nil {
				return nil, nil, err
			}
			if newer = 0; last.Marker {
				several[o.Key] = true
			}
		}
		if superseded(rules, o, last.Modified, newer, now) {
			older = append(older, *o)
		}
		last.Modified, newer = o.Modified, newer+1
	}
	for o, err := range record.Current.Peek(tx, row) {
		if err != nil {
			return nil, nil, err
		}
		if expired(rules, o, !several[o.Key], now) {
			current = append(current, *o)
		}
	}
	return current, older, nil
}

// expire removes a current version, unless another one is current by now; where versions are kept, a delete marker hides it.
func (l *Lifecycle) expire(ctx context.Context, o record.Object, now time.Time) error {
	var gone []record.Object
	marker := record.Object{Bucket: o.Bucket, Key: o.Key, ID: record.NewVersion(now), Marker: true, Modified: now.Truncate(time.Second)}
	err := l.DB.Update(ctx, func(tx store.Tx) error {
		gone = nil
		b, err := record.BucketNamed(tx, o.Bucket)
		if err != nil {
			return err
		}
		has, ok, err := record.Now(tx, o.Bucket, o.Key)
		if err != nil || !ok || has.ID != o.ID {
			return err
		}
		if b.Versioning != "" && !o.Marker {
			made := marker
			gone, err = record.Put(tx, &b, &made)
			return err
		}
		was, _, err := record.Drop(tx, o.Bucket, o.Key, "")
		gone = []record.Object{was}
		return err
	})
	if err != nil {
		return fmt.Errorf("expire %s in %s: %w", o.Key, o.Bucket, err)
	}
	l.Discard(ctx, gone)
	return nil
}

// drop removes a version that isn't current, unless it went or became current meanwhile.
func (l *Lifecycle) drop(ctx context.Context, o record.Object) error {
	var gone []record.Object
	err := l.DB.Update(ctx, func(tx store.Tx) error {
		gone = nil
		now, _, err := record.Now(tx, o.Bucket, o.Key)
		if err != nil {
			return err
		}
		is, ok, err := record.Version(tx, o.Bucket, o.Key, o.VersionID())
		if err != nil || !ok || is.ID != o.ID || now.ID == o.ID {
			return err
		}
		was, ok, err := record.Drop(tx, o.Bucket, o.Key, o.VersionID())
		if ok {
			gone = []record.Object{was}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("expire a version of %s in %s: %w", o.Key, o.Bucket, err)
	}
	l.Discard(ctx, gone)
	return nil
}
