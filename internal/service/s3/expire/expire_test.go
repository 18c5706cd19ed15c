package expire

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

func TestOver(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)
	for _, tc := range []struct {
		now  string
		days int32
		want bool
	}{
		{"2026-01-16T10:31:00Z", 1, false},
		{"2026-01-16T23:59:59Z", 1, false},
		{"2026-01-17T00:00:00Z", 1, true},
		{"2026-01-18T23:00:00Z", 3, false},
		{"2026-01-19T00:00:00Z", 3, true},
	} {
		now, err := time.Parse(time.RFC3339, tc.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := over(at, &tc.days, now); got != tc.want {
			t.Errorf("%d days after %s at %s: %t, want %t", tc.days, at, tc.now, got, tc.want)
		}
	}
}

// shelf is a bucket with objects of some ages.
type shelf struct {
	*scope.Scope
	bucket record.Bucket
	t      *testing.T
}

func newShelf(t *testing.T, versioning types.BucketVersioningStatus) *shelf {
	t.Helper()
	files, err := blob.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{&scope.Scope{DB: memstore.New(), Bodies: body.New(files, seal.NewKey().For("s3"), nil)}, record.Bucket{
		Name: "tea", Versioning: versioning, Encryption: record.Encryption{Algorithm: types.ServerSideEncryptionAes256},
	}, t}
	s.update(func(tx store.Tx) error { return record.Buckets.Put(tx, "tea", s.bucket) })
	return s
}

func (s *shelf) update(f func(tx store.Tx) error) {
	s.t.Helper()
	if err := s.DB.Update(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

// put writes an object, or a delete marker, as at that time.
func (s *shelf) put(key string, at time.Time, marker bool, tags map[string]string) {
	s.t.Helper()
	o := record.Object{Bucket: "tea", Key: key, ID: record.NewVersion(at), Modified: at, Marker: marker, Tags: tags}
	if !marker {
		seal, plain, err := s.Bodies.NewKey(s.t.Context(), &s.bucket, key, body.Wish{})
		if err != nil {
			s.t.Fatal(err)
		}
		w, err := s.Bodies.Write(seal, plain, strings.NewReader(key), "")
		if err != nil {
			s.t.Fatal(err)
		}
		o.File, o.Size, o.Seal = w.File, w.Size, seal
		s.Bodies.Files.Release(w.File)
	}
	var gone []record.Object
	s.update(func(tx store.Tx) (err error) {
		gone, err = record.Put(tx, &s.bucket, &o)
		return err
	})
	s.Discard(s.t.Context(), gone)
}

// left returns the keys of what is there, with * behind those of delete markers, and older ones in brackets.
func (s *shelf) left() (keys []string) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		keys = nil
		for o, err := range record.Current.Peek(tx, "tea/") {
			if err != nil {
				return err
			}
			key := o.Key
			if o.Marker {
				key += "*"
			}
			keys = append(keys, key)
		}
		for o, err := range record.Older.Peek(tx, "tea/") {
			if err != nil {
				return err
			}
			keys = append(keys, "["+o.Key+"]")
		}
		return nil
	})
	return keys
}

func TestPass(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 5, 0, 0, time.UTC)
	old, young := now.AddDate(0, 0, -30), now.AddDate(0, 0, -2)
	rules := []types.LifecycleRule{
		{Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: new("logs/")}, Expiration: &types.LifecycleExpiration{Days: new(int32(10))}},
		{Status: "Enabled", Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{Key: new("tmp"), Value: new("yes")}}, Expiration: &types.LifecycleExpiration{Days: new(int32(1))}},
		{Status: "Disabled", Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: new(int32(1))}},
		{
			Status: "Enabled", Filter: &types.LifecycleRuleFilter{}, NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: new(int32(5)), NewerNoncurrentVersions: new(int32(1))},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(7))},
		},
		{Status: "Enabled", Prefix: new("lone"), Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}},
	}
	fill := func(s *shelf) {
		s.put("logs/old", old, false, nil)
		s.put("logs/young", young, false, nil)
		s.put("old", old, false, nil)
		s.put("tagged", now.AddDate(0, 0, -3), false, map[string]string{"tmp": "yes"})
		for _, at := range []time.Time{old, old.Add(time.Hour), old.Add(2 * time.Hour), young} {
			s.put("many", at, false, nil)
		}
		u := record.Upload{Bucket: "tea", Key: "up", ID: record.NewUpload(old), At: old}
		s.update(func(tx store.Tx) error { return record.Uploads.Put(tx, record.UploadRow("tea", u.Key, u.ID), u) })
	}
	check := func(s *shelf, want ...string) {
		t.Helper()
		if err := New(s.Scope).Pass(t.Context(), "tea", rules, now); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.left()); diff != "" {
			t.Error(diff)
		}
		for range 2 {
			n, err := (&Sweeper{Scope: s.Scope}).Sweep(t.Context())
			if n != 0 || err != nil {
				t.Errorf("%d files were left, %v", n, err)
			}
		}
		s.update(func(tx store.Tx) error {
			ups, err := record.Uploads.List(tx, "")
			if len(ups) > 0 {
				t.Errorf("uploads are left: %+v", ups)
			}
			return err
		})
	}
	plain := newShelf(t, "")
	fill(plain)
	check(plain, "logs/young", "many", "old")
	versioned := newShelf(t, types.BucketVersioningStatusEnabled)
	fill(versioned)
	versioned.put("lone", old, true, nil)
	check(versioned, "logs/old*", "logs/young", "many", "old", "tagged*", "[logs/old]", "[many]", "[tagged]")
}

func TestAnUploadThatWasCompletedKeepsItsParts(t *testing.T) {
	t.Parallel()
	s := newShelf(t, "")
	going := record.Upload{Bucket: "tea", Key: "k", ID: record.NewUpload(time.Now())}
	done := record.Upload{Bucket: "tea", Key: "k", ID: record.NewUpload(time.Now())}
	s.update(func(tx store.Tx) error {
		for _, u := range []record.Upload{going, done} {
			if err := record.Parts.Put(tx, record.PartRow(u.ID, 1), record.Part{Upload: u.ID, Number: 1, File: strings.Repeat("0", 32)}); err != nil {
				return err
			}
		}
		return record.Uploads.Put(tx, record.UploadRow("tea", "k", going.ID), going)
	})
	for _, u := range []record.Upload{going, done} {
		if err := New(s.Scope).abort(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	s.update(func(tx store.Tx) error {
		list, err := record.Parts.List(tx, "")
		if len(list) != 1 || list[0].Upload != done.ID {
			t.Errorf("parts %+v are left, want that of %s", list, done.ID)
		}
		return err
	})
}

func TestAVersionThatBecameCurrentStays(t *testing.T) {
	t.Parallel()
	s := newShelf(t, types.BucketVersioningStatusEnabled)
	now := time.Now()
	s.put("back", now.Add(-2*time.Hour), false, nil)
	s.put("back", now.Add(-time.Hour), true, nil)
	var older record.Object
	s.update(func(tx store.Tx) (err error) {
		list, err := record.Older.List(tx, "tea/")
		older = list[0]
		return err
	})
	drop := func() {
		t.Helper()
		if err := New(s.Scope).drop(t.Context(), older); err != nil {
			t.Fatal(err)
		}
	}
	s.update(func(tx store.Tx) error { // the marker goes
		_, _, err := record.Drop(tx, "tea", "back", "")
		return err
	})
	drop()
	if diff := cmp.Diff([]string{"back"}, s.left()); diff != "" {
		t.Error(diff)
	}
	s.bucket.Versioning = types.BucketVersioningStatusSuspended
	s.put("null", now.Add(-2*time.Hour), false, nil)
	s.update(func(tx store.Tx) (err error) {
		older, _, err = record.Now(tx, "tea", "null")
		return err
	})
	s.put("null", now, false, nil) // another version is "null"
	drop()
	if diff := cmp.Diff([]string{"back", "null"}, s.left()); diff != "" {
		t.Error(diff)
	}
}

func TestTheSweeperFindsWhatACrashLeft(t *testing.T) {
	t.Parallel()
	s := newShelf(t, "")
	s.put("kept", time.Now(), false, nil)
	seal, plain, err := s.Bodies.NewKey(t.Context(), &s.bucket, "x", body.Wish{})
	if err != nil {
		t.Fatal(err)
	}
	for n, upload := range []string{"", "gone", "gone"} {
		w, err := s.Bodies.Write(seal, plain, strings.NewReader("x"), "")
		if err != nil {
			t.Fatal(err)
		}
		s.Bodies.Files.Release(w.File)
		if upload != "" {
			s.update(func(tx store.Tx) error {
				return record.Parts.Put(tx, record.PartRow(upload, n), record.Part{Upload: upload, Number: n, File: w.File})
			})
		}
	}
	for i := range 20 { // more than one transaction takes
		u := record.Upload{Bucket: "gone", Key: "k", ID: fmt.Sprintf("u%d", i)}
		s.update(func(tx store.Tx) error { return record.Uploads.Put(tx, record.UploadRow(u.Bucket, u.Key, u.ID), u) })
	}
	for want := range 2 {
		n, err := (&Sweeper{Scope: s.Scope}).Sweep(t.Context())
		if n != want || err != nil { // those of parts go with their rows
			t.Errorf("removed %d files, %v; want %d", n, err, want)
		}
	}
	s.update(func(tx store.Tx) error {
		ups, err := record.Uploads.List(tx, "")
		if len(ups) > 0 {
			t.Errorf("uploads are left: %+v", ups)
		}
		return err
	})
	s.update(func(tx store.Tx) error {
		parts, err := record.Parts.List(tx, "")
		if len(parts) > 0 {
			t.Errorf("parts are left: %+v", parts)
		}
		return err
	})
}
