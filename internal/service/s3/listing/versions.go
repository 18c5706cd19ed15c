package listing

import (
	"context"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/store"
)

// version is one of a key's versions.
type version struct {
	record.Object
	latest bool
}

// versions yields those of a bucket: by key, and the newest of each first.
func versions(tx store.Tx, bucket, prefix string) entries[version] {
	return func(after string) iter.Seq2[version, error] {
		return func(yield func(version, error) bool) {
			now, old := "", ""
			if after != "" {
				now, old = record.Row(bucket, after), record.OlderRow(bucket, after, end)
			}
			row := record.Row(bucket, prefix)
			nextNow, stopNow := iter.Pull2(record.Current.Scan(tx, row, now))
			defer stopNow()
			nextOld, stopOld := iter.Pull2(record.Older.Scan(tx, row, old))
			defer stopOld()
			a, errA, okA := nextNow()
			b, errB, okB := nextOld()
			for okA || okB {
				if okA && (!okB || a.Key <= b.Key) {
					if !yield(version{a, true}, errA) {
						return
					}
					a, errA, okA = nextNow()
					continue
				}
				if !yield(version{b, false}, errB) {
					return
				}
				b, errB, okB = nextOld()
			}
		}
	}
}

// restOfKey returns the versions of a key behind one of them.
func restOfKey(tx store.Tx, bucket, key, id string) (rest []version, err error) {
	if id == "" {
		return nil, nil
	}
	if !record.IsVersion(id) {
		return nil, record.Invalid("version-id-marker", id, "Invalid version id specified")
	}
	now, ok, err := record.Now(tx, bucket, key)
	if err != nil {
		return nil, err
	}
	behind, err := placeless(tx, bucket, key, id)
	if err != nil {
		return nil, err
	}
	switch {
	case ok && behind, ok && id != record.NullVersion && now.ID > id: // the marker's version went, and what was behind it became current
		rest = append(rest, version{now, true})
	case ok && now.VersionID() == id:
		behind = true
	}
	for o, err := range record.Older.Scan(tx, record.OlderRow(bucket, key, ""), "") {
		if err != nil {
			return nil, err
		}
		if behind || id != record.NullVersion && o.ID > id {
			rest = append(rest, version{o, false})
		}
		behind = behind || o.VersionID() == id
	}
	return rest, nil
}

// placeless tells whether an id says nothing of where in a list its version was: that of a null version that went. All of the key
// is listed then, rather than too little. Lists themselves have no such marker.
func placeless(tx store.Tx, bucket, key, id string) (bool, error) {
	if id != record.NullVersion {
		return false, nil
	}
	_, there, err := record.Version(tx, bucket, key, id)
	return !there, err
}

// ListObjectVersions lists all versions of a bucket's objects, and delete markers.
func (a API) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	n, err := size("max-keys", in.MaxKeys)
	if err != nil {
		return nil, err
	}
	q := query{said(in.Prefix), said(in.Delimiter), said(in.KeyMarker), n}
	if in.VersionIdMarker != nil && *in.VersionIdMarker != "" && q.after == "" {
		return nil, record.Invalid("version-id-marker", *in.VersionIdMarker, "A version-id marker cannot be specified without a key marker.")
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.ListObjectVersionsOutput, error) {
		if _, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return nil, err
		}
		first, err := restOfKey(tx, *in.Bucket, q.after, said(in.VersionIdMarker))
		if err != nil {
			return nil, err
		}
		part, err := gather(q, first, versions(tx, *in.Bucket, q.prefix), func(v *version) string { return v.Key })
		out := &s3.ListObjectVersionsOutput{
			Name: in.Bucket, Prefix: coded(q.prefix, in.EncodingType), Delimiter: codedOrNil(in.Delimiter, in.EncodingType), KeyMarker: coded(q.after, in.EncodingType),
			VersionIdMarker: new(said(in.VersionIdMarker)), EncodingType: in.EncodingType, MaxKeys: new(int32(n)), IsTruncated: &part.more, CommonPrefixes: common(part.prefixes, in.EncodingType),
		}
		a.split(part.list, in.EncodingType, out)
		if part.more {
			out.NextKeyMarker = coded(part.last, in.EncodingType)
			if n := len(part.list); n > 0 && part.list[n-1].Key == part.last {
				out.NextVersionIdMarker = new(part.list[n-1].ID) // of a null version, too: it tells the place when the version is gone
			}
		}
		return out, err
	})
}

// split gives out the versions, and the delete markers apart from them.
func (a API) split(list []version, encoding types.EncodingType, out *s3.ListObjectVersionsOutput) {
	for i := range list {
		v := &list[i]
		if v.Marker {
			out.DeleteMarkers = append(out.DeleteMarkers, types.DeleteMarkerEntry{
				Key: coded(v.Key, encoding), VersionId: new(v.VersionID()), IsLatest: &v.latest, LastModified: &v.Modified, Owner: a.Owner(),
			})
			continue
		}
		one := types.ObjectVersion{
			Key: coded(v.Key, encoding), VersionId: new(v.VersionID()), IsLatest: &v.latest, LastModified: &v.Modified, Owner: a.Owner(), ETag: new(v.Quoted()), Size: &v.Size,
			StorageClass: types.ObjectVersionStorageClass(class(&v.Object)), ChecksumType: v.SumType,
		}
		for _, name := range v.Sums.Names() {
			one.ChecksumAlgorithm = append(one.ChecksumAlgorithm, types.ChecksumAlgorithm(name))
		}
		out.Versions = append(out.Versions, one)
	}
}

// uploads yields those to a bucket.
func uploads(tx store.Tx, b *record.Bucket, prefix string) entries[record.Upload] {
	return func(after string) iter.Seq2[record.Upload, error] {
		row := ""
		if after != "" {
			row = record.UploadRow(b.Name, after, end)
		}
		return in(b, record.Uploads.Scan(tx, record.Row(b.Name, prefix), row))
	}
}

// in leaves out the uploads to earlier buckets of b's name.
func in(b *record.Bucket, all iter.Seq2[record.Upload, error]) iter.Seq2[record.Upload, error] {
	return func(yield func(record.Upload, error) bool) {
		for u, err := range all {
			if (err != nil || u.In(b)) && !yield(u, err) {
				return
			}
		}
	}
}

// restOf returns the uploads of the key that the marker names, behind the one that it names.
func restOf(tx store.Tx, b *record.Bucket, asked *s3.ListMultipartUploadsInput) ([]record.Upload, error) {
	key, id := said(asked.KeyMarker), said(asked.UploadIdMarker)
	if key == "" || id == "" || !strings.HasPrefix(key, said(asked.Prefix)) {
		return nil, nil
	}
	return store.Collect(in(b, record.Uploads.Scan(tx, record.UploadRow(b.Name, key, ""), record.UploadRow(b.Name, key, id))))
}
