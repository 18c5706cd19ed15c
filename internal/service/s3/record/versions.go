package record

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// BucketNamed returns the bucket, or S3's error.
func BucketNamed(tx store.Tx, name string) (Bucket, error) {
	return handler.Get(tx, Buckets, name, NoBucket)
}

// Now returns the current version of a key, which may be a delete marker; ok is false when there is none.
func Now(tx store.Tx, bucket, key string) (Object, bool, error) {
	return handler.Find(tx, Current, Row(bucket, key))
}

// Version returns the version of a key with that id; "" is the current one. Ok is false when there is none.
func Version(tx store.Tx, bucket, key, id string) (o Object, ok bool, err error) {
	o, ok, err = Now(tx, bucket, key)
	if err != nil || id == "" || ok && o.VersionID() == id {
		return o, ok, err
	}
	if id != NullVersion {
		o, ok, err = handler.Find(tx, Older, OlderRow(bucket, key, id))
		return o, ok && !o.Null, err
	}
	return older(tx, bucket, key, func(o *Object) bool { return o.Null })
}

// older returns the newest version of a key that isn't current and fits.
func older(tx store.Tx, bucket, key string, fits func(*Object) bool) (o Object, ok bool, err error) {
	for has, err := range Older.Peek(tx, OlderRow(bucket, key, "")) {
		if err != nil {
			return o, false, fmt.Errorf("read the versions of %s in %s: %w", key, bucket, err)
		}
		if fits(has) {
			o, err := Older.Get(tx, OlderRow(bucket, key, has.ID))
			return o, err == nil, err
		}
	}
	return o, false, nil
}

// Put makes o the current version of its key in b, as b's versioning has it, and returns the version that went for it, if any.
// O gets its final id.
func Put(tx store.Tx, b *Bucket, o *Object) (gone []Object, err error) {
	was, ok, err := Now(tx, o.Bucket, o.Key)
	if err != nil {
		return nil, err
	}
	o.Null = b.Versioning != types.BucketVersioningStatusEnabled
	if ok {
		o.ID = Before(o.ID, was.ID)
	}
	switch {
	case !ok:
	case o.Null && was.Null:
		gone = append(gone, was)
		ok = false // it goes in place
	default:
		if err := Older.Put(tx, OlderRow(o.Bucket, o.Key, was.ID), was); err != nil {
			return nil, err
		}
	}
	if o.Null && ok && b.Versioning != "" {
		before, found, err := older(tx, o.Bucket, o.Key, func(v *Object) bool { return v.Null })
		if err != nil {
			return nil, err
		}
		if found {
			gone = append(gone, before)
			if err := Older.Delete(tx, OlderRow(o.Bucket, o.Key, before.ID)); err != nil {
				return nil, err
			}
		}
	}
	return gone, Current.Put(tx, Row(o.Bucket, o.Key), *o)
}

// Drop deletes a version for good, and returns it; ok is false when there is none. Where it was the current one, the version
// before is now.
func Drop(tx store.Tx, bucket, key, id string) (o Object, ok bool, err error) {
	o, ok, err = Version(tx, bucket, key, id)
	if err != nil || !ok {
		return o, false, err
	}
	now, _, err := Now(tx, bucket, key)
	if err != nil {
		return o, false, err
	}
	if now.ID != o.ID {
		return o, true, Older.Delete(tx, OlderRow(bucket, key, o.ID))
	}
	next, found, err := older(tx, bucket, key, func(*Object) bool { return true })
	switch {
	case err != nil:
		return o, false, err
	case !found:
		return o, true, Current.Delete(tx, Row(bucket, key))
	}
	err = errors.Join(Older.Delete(tx, OlderRow(bucket, key, next.ID)), Current.Put(tx, Row(bucket, key), next))
	return o, true, err
}

// PartsOf returns the parts of a completed upload that an object is made of, in order.
func PartsOf(tx store.Tx, o *Object) ([]Part, error) {
	want := ReadNumbers(o.Parts)
	list := make([]Part, 0, len(want))
	for p, err := range Parts.Peek(tx, o.Upload+"/") {
		if err != nil {
			return nil, fmt.Errorf("read the parts of %s in %s: %w", o.Key, o.Bucket, err)
		}
		if len(want) > 0 && p.Number == want[0] {
			list, want = append(list, *p), want[1:]
		}
	}
	if len(want) > 0 {
		return nil, fmt.Errorf("%s in %s lacks %d of its parts", o.Key, o.Bucket, len(want))
	}
	return list, nil
}
