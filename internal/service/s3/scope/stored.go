package scope

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/store"
)

// Conditions are what a request asks of the object that is there.
type Conditions struct {
	Match, NoneMatch        *string
	Modified, NotModified   *time.Time // since
	MatchName, ModifiedName string     // what they are called, where not as usual
}

// matches says whether an ETag is among those that a header has.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.Trim(strings.TrimPrefix(strings.TrimSpace(one), "W/"), `"`)
		if one == "*" || one == etag {
			return true
		}
	}
	return false
}

// Read holds the conditions of a read against an object
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html).
func (c Conditions) Read(o *record.Object) error {
	at := o.Modified.Truncate(time.Second)
	switch {
	case c.Match != nil && !matches(*c.Match, o.ETag):
		return record.NotMet("If-Match")
	case c.Match == nil && c.NotModified != nil && at.After(*c.NotModified):
		return record.NotMet("If-Unmodified-Since")
	}
	same := c.NoneMatch != nil && matches(*c.NoneMatch, o.ETag)
	if same || c.NoneMatch == nil && c.Modified != nil && !at.After(*c.Modified) {
		return record.Tell("NotModified", "Not Modified", map[string]string{"ETag": o.Quoted(), "Last-Modified": HTTPTime(o.Modified)})
	}
	return nil
}

// HTTPTime is a time as headers have it.
func HTTPTime(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }

// Copy holds the conditions of a copy against its source: none answers that nothing was modified.
func (c Conditions) Copy(o *record.Object) error {
	if err := c.Read(o); err != nil {
		return record.NotMet("x-amz-copy-source-If-…")
	}
	return nil
}

// WriteFault says what can't be asked of a write.
func (c Conditions) WriteFault() error {
	if c.NoneMatch != nil && *c.NoneMatch != "*" {
		return record.Tell("NotImplemented", "A header you provided implies functionality that is not implemented", nil, "Header", "If-None-Match")
	}
	return nil
}

// Write holds the conditions of a write against what is there
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
func (c Conditions) Write(tx store.Tx, bucket, key string) error {
	if c.Match == nil && c.NoneMatch == nil {
		return nil
	}
	now, ok, err := record.Now(tx, bucket, key)
	there := ok && !now.Marker
	switch {
	case err != nil:
		return err
	case c.NoneMatch != nil && there:
		return record.NotMet("If-None-Match")
	case c.Match != nil && !there:
		return record.NoKey(key)
	case c.Match != nil && !matches(*c.Match, now.ETag):
		return record.NotMet("If-Match")
	}
	return nil
}

// mostMeta is how many bytes a request's own metadata may have.
const mostMeta = 2 << 10

// CheckHead says what is wrong with what an object has beside its bytes.
func CheckHead(h record.Head) error {
	n := 0
	for k, v := range h.Meta {
		n += len(k) + len(v)
	}
	if n > mostMeta {
		return record.Tell("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", nil, "Size", fmt.Sprint(n), "MaxSizeAllowed", fmt.Sprint(mostMeta))
	}
	if h.Class == "" {
		return nil
	}
	for _, one := range types.StorageClass("").Values() {
		if string(one) == h.Class {
			return nil
		}
	}
	return record.Tell("InvalidStorageClass", "The storage class you specified is not valid", nil, "StorageClassRequested", h.Class)
}

// Store makes o, whose bytes are w, the current version of its key, and returns the bucket as it was then. Check looks at what
// is there in the same transaction. The file of w is let go in any case.
func (s *Scope) Store(ctx context.Context, o *record.Object, files []string, check func(tx store.Tx) error) (b record.Bucket, err error) {
	var gone []record.Object
	err = s.DB.Update(ctx, func(tx store.Tx) error {
		var err error
		if b, err = record.BucketNamed(tx, o.Bucket); err != nil {
			return err
		}
		if err := check(tx); err != nil {
			return err
		}
		gone, err = record.Put(tx, &b, o)
		return err
	})
	s.Settle(err, files...)
	if err == nil {
		s.Discard(ctx, gone)
	}
	return b, err
}

// Settle lets files go that a transaction referred to, which ended with err. It removes them only where nothing was committed
// for sure. Others that no record refers to are garbage that the sweeper collects.
func (s *Scope) Settle(err error, files ...string) {
	if refused(err) {
		s.Bodies.Files.Remove(files...)
	}
	s.Bodies.Files.Release(files...)
}

// refused says whether a transaction that ended with err committed nothing, for sure.
func refused(err error) bool {
	_, told := errors.AsType[smithy.APIError](err)
	return told || errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrTooLarge)
}

// NewObject is an object whose bytes are w.
func NewObject(bucket, key string, w body.Written, seal record.Seal, h record.Head) record.Object {
	at := time.Now().UTC()
	return record.Object{
		Bucket: bucket, Key: key, ID: record.NewVersion(at), Modified: at.Truncate(time.Second), Size: w.Size, ETag: w.ETag, File: w.File,
		Sums: w.Sums, SumType: types.ChecksumTypeFullObject, Seal: seal, Head: h,
	}
}

// Piece is how many records, with their index entries, any store removes in one transaction.
const Piece = 16

// Discard removes what versions that are gone refer to. What it doesn't come to is garbage that others collect.
func (s *Scope) Discard(ctx context.Context, gone []record.Object) {
	ctx = store.Freeing(context.WithoutCancel(ctx))
	for _, o := range gone {
		if o.Upload != "" {
			_ = s.DropParts(ctx, o.Upload)
		} else if o.File != "" {
			s.Bodies.Files.Remove(o.File)
		}
	}
}

// DropParts removes the parts of an upload that nothing refers to any more.
func (s *Scope) DropParts(ctx context.Context, upload string) error {
	return s.DropUnlisted(ctx, upload, "")
}

// DropUnlisted is DropParts for those whose numbers aren't among the listed ones, which are as record.Numbers writes them.
func (s *Scope) DropUnlisted(ctx context.Context, upload, listed string) error {
	stay := map[int]bool{}
	for _, n := range record.ReadNumbers(listed) {
		stay[n] = true
	}
	ctx = store.Freeing(ctx)
	for {
		var files []string
		err := s.DB.Update(ctx, func(tx store.Tx) error {
			files = nil
			var rows []string
			for p, err := range record.Parts.Peek(tx, upload+"/") {
				if err != nil {
					return err
				}
				if stay[p.Number] {
					continue
				}
				files, rows = append(files, p.File), append(rows, record.PartRow(p.Upload, p.Number))
				if len(files) == Piece {
					break
				}
			}
			for _, row := range rows {
				if err := record.Parts.Delete(tx, row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove the parts of the upload %s: %w", upload, err)
		}
		s.Bodies.Files.Remove(files...)
		if len(files) < Piece {
			return nil
		}
	}
}

// Shown returns the id of a version as answers have it; nil where the bucket never had versions.
func Shown(b *record.Bucket, o *record.Object) *string {
	if b.Versioning == "" {
		return nil
	}
	return new(o.VersionID())
}
