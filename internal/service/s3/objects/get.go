package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
)

// seen is an object as a read finds it.
type seen struct {
	bucket record.Bucket
	record.Object
	parts []record.Part
}

// look finds the version that a request names. Who may not list the bucket isn't told that it isn't there.
func (a API) look(ctx context.Context, bucket, owner, key, id *string) (seen, error) {
	if id != nil && !record.IsVersion(*id) {
		return seen{}, record.Invalid("versionId", *id, "Invalid version id specified")
	}
	s, err := handler.View(ctx, a.DB, func(tx store.Tx) (s seen, err error) {
		if s.bucket, err = a.Bucket(tx, bucket, owner); err != nil {
			return s, err
		}
		var ok bool
		if s.Object, ok, err = record.Version(tx, *bucket, *key, text(id)); err != nil {
			return s, err
		}
		if !ok {
			s.Object = record.Object{}
			return s, nil
		}
		if s.Upload != "" {
			s.parts, err = record.PartsOf(tx, &s.Object)
		}
		return s, err
	})
	if err != nil {
		return s, err
	}
	return s, a.there(ctx, &s, *bucket, *key, id)
}

// there is the error where a read finds no object.
func (a API) there(ctx context.Context, s *seen, bucket, key string, id *string) error {
	switch {
	case s.ID != "" && !s.Marker:
		return nil
	case s.Marker && id != nil:
		return record.Tell("MethodNotAllowed", "The specified method is not allowed against this resource.",
			map[string]string{"x-amz-delete-marker": "true", "x-amz-version-id": s.VersionID(), "Allow": "DELETE", "Last-Modified": scope.HTTPTime(s.Modified)}, "Method", "GET", "ResourceType", "DeleteMarker")
	}
	action := "s3:ListBucket"
	if id != nil {
		action = "s3:ListBucketVersions"
	}
	if caller.May(ctx, action, record.BucketARN(bucket), nil) != nil {
		return record.Fault("AccessDenied", "Access Denied")
	}
	switch {
	case s.Marker:
		return record.Tell("NoSuchKey", "The specified key does not exist.", map[string]string{"x-amz-delete-marker": "true", "x-amz-version-id": s.VersionID()}, "Key", key)
	case id != nil:
		return record.NoVersion(key, *id)
	}
	return record.NoKey(key)
}

// span is a range of an object's bytes.
type span struct {
	from, to int64
	part     bool // of it, not all
	sums     record.Sums
	header   string // Content-Range
}

// within finds the range that a request asks for (RFC 9110, 14.1.2). What can't be understood, or is several, is all.
func (s *seen) within(header *string, part *int32) (r span, err error) {
	r = span{to: s.Size, sums: s.Sums}
	switch {
	case part != nil && header != nil:
		return r, record.Fault("InvalidRequest", "Cannot specify both Range header and partNumber query parameter.")
	case part != nil:
		err = s.ofPart(int(*part), &r)
	case header != nil:
		r.from, r.to, r.part, err = bytesOf(*header, s.Size)
		if r.part {
			r.sums = nil
		}
	}
	if r.part {
		r.header = fmt.Sprintf("bytes %d-%d/%d", r.from, r.to-1, s.Size)
	}
	return r, err
}

func (s *seen) ofPart(n int, r *span) error {
	if s.Upload == "" {
		if n != 1 {
			return record.Fault("InvalidPartNumber", "The requested partnumber is not satisfiable")
		}
		r.part = s.Size > 0
		return nil
	}
	if n < 1 || n > len(s.parts) {
		return record.Tell("InvalidPartNumber", "The requested partnumber is not satisfiable", nil, "PartNumberRequested", strconv.Itoa(n), "ActualPartCount", strconv.Itoa(len(s.parts)))
	}
	for _, p := range s.parts[:n-1] {
		r.from += p.Size
	}
	r.to, r.part, r.sums = r.from+s.parts[n-1].Size, true, s.parts[n-1].Sums
	return nil
}

func bytesOf(header string, size int64) (from, to int64, part bool, err error) {
	set, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(set), "-")
	if !ok || !dash || strings.Contains(set, ",") {
		return 0, size, false, nil
	}
	bad := record.Tell("InvalidRange", "The requested range is not satisfiable", map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", size)},
		"RangeRequested", header, "ActualObjectSize", fmt.Sprint(size))
	a, errA := strconv.ParseInt(first, 10, 64)
	z, errZ := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && errZ == nil && z >= 0:
		if z == 0 || size == 0 {
			return 0, 0, false, bad
		}
		return max(size-z, 0), size, true, nil
	case errA != nil || a < 0 || last != "" && (errZ != nil || z < a):
		return 0, size, false, nil
	case a >= size:
		return 0, 0, false, bad
	case last == "":
		return a, size, true, nil
	}
	return a, min(z, size-1) + 1, true, nil
}

// GetObject reads an object.
func (a API) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	for again := true; ; again = false {
		out, err := a.get(ctx, in)
		if errors.Is(err, blob.ErrGone) && again {
			continue // it was replaced in between
		}
		return out, err
	}
}

func (a API) get(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	s, r, out, err := a.begin(ctx, in)
	if err != nil {
		return nil, err
	}
	key, err := a.Bodies.Key(ctx, s.Seal)
	if err != nil {
		return nil, err
	}
	if out.Body, err = a.open(&s, key, r); err != nil {
		return nil, err
	}
	return out, nil
}

// begin finds what a read asks for, and answers it but for the bytes.
func (a API) begin(ctx context.Context, in *s3.GetObjectInput) (s seen, r span, out *s3.GetObjectOutput, err error) {
	if s, err = a.look(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId); err != nil {
		return s, r, nil, err
	}
	if err := (scope.Conditions{Match: in.IfMatch, NoneMatch: in.IfNoneMatch, Modified: in.IfModifiedSince, NotModified: in.IfUnmodifiedSince}).Read(&s.Object); err != nil {
		return s, r, nil, err
	}
	if r, err = s.within(in.Range, in.PartNumber); err != nil {
		return s, r, nil, err
	}
	out = &s3.GetObjectOutput{}
	s.describe(out, r, in.PartNumber != nil, in.ChecksumMode == types.ChecksumModeEnabled)
	replace(&out.CacheControl, in.ResponseCacheControl)
	replace(&out.ContentDisposition, in.ResponseContentDisposition)
	replace(&out.ContentEncoding, in.ResponseContentEncoding)
	replace(&out.ContentLanguage, in.ResponseContentLanguage)
	replace(&out.ContentType, in.ResponseContentType)
	if in.ResponseExpires != nil {
		out.Expires = in.ResponseExpires //nolint:staticcheck // the wire writes this one
	}
	return s, r, out, nil
}

func replace(to **string, by *string) {
	if by != nil {
		*to = by
	}
}

func (a API) open(s *seen, key []byte, r span) (io.ReadCloser, error) {
	return a.Bodies.Open(key, &s.Object, s.parts, r.from, r.to)
}

// describe fills the answer of a read.
func (s *seen) describe(out *s3.GetObjectOutput, r span, part, checksums bool) {
	*out = s3.GetObjectOutput{
		AcceptRanges: new("bytes"), ContentLength: new(r.to - r.from), ETag: new(s.Quoted()), LastModified: &s.Modified, ServerSideEncryption: s.Seal.Algorithm,
		VersionId: scope.Shown(&s.bucket, &s.Object), Metadata: s.Head.Meta, ContentType: new("binary/octet-stream"),
	}
	out.Expires = s.Head.Expires //nolint:staticcheck // the wire writes this one
	out.SSEKMSKeyId, out.BucketKeyEnabled = Sealed(s.Seal)
	for to, from := range map[**string]string{
		&out.ContentType: s.Head.Type, &out.ContentEncoding: s.Head.Encoding, &out.ContentLanguage: s.Head.Language, &out.ContentDisposition: s.Head.Disposition,
		&out.CacheControl: s.Head.Cache, &out.WebsiteRedirectLocation: s.Head.Redirect, &out.ContentRange: r.header,
	} {
		if from != "" {
			*to = &from
		}
	}
	if c := s.Head.Class; c != "" && c != string(types.StorageClassStandard) {
		out.StorageClass = types.StorageClass(c)
	}
	if n := len(s.Tags); n > 0 {
		out.TagCount = new(int32(n))
	}
	if part && s.Count > 0 {
		out.PartsCount = new(int32(s.Count))
	}
	if checksums && len(r.sums) > 0 {
		r.sums.Into(out)
		out.ChecksumType = s.SumType
	}
}

// HeadObject is GetObject without the bytes.
func (a API) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	s, _, g, err := a.begin(ctx, &s3.GetObjectInput{
		Bucket: in.Bucket, ExpectedBucketOwner: in.ExpectedBucketOwner, Key: in.Key, VersionId: in.VersionId, Range: in.Range, PartNumber: in.PartNumber, ChecksumMode: in.ChecksumMode,
		IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch, IfModifiedSince: in.IfModifiedSince, IfUnmodifiedSince: in.IfUnmodifiedSince,
		ResponseCacheControl: in.ResponseCacheControl, ResponseContentDisposition: in.ResponseContentDisposition, ResponseContentEncoding: in.ResponseContentEncoding,
		ResponseContentLanguage: in.ResponseContentLanguage, ResponseContentType: in.ResponseContentType, ResponseExpires: in.ResponseExpires,
	})
	if err != nil {
		return nil, err
	}
	if s.Seal.Algorithm == types.ServerSideEncryptionAwsKms { // AWS asks KMS for what KMS sealed
		if _, err := a.Bodies.Key(ctx, s.Seal); err != nil {
			return nil, err
		}
	}
	out := &s3.HeadObjectOutput{
		AcceptRanges: g.AcceptRanges, ContentLength: g.ContentLength, ETag: g.ETag, LastModified: g.LastModified, ServerSideEncryption: g.ServerSideEncryption, VersionId: g.VersionId,
		Metadata: g.Metadata, ContentType: g.ContentType, ContentEncoding: g.ContentEncoding, ContentLanguage: g.ContentLanguage,
		ContentDisposition: g.ContentDisposition, CacheControl: g.CacheControl, WebsiteRedirectLocation: g.WebsiteRedirectLocation, ContentRange: g.ContentRange,
		StorageClass: g.StorageClass, TagCount: g.TagCount, PartsCount: g.PartsCount, SSEKMSKeyId: g.SSEKMSKeyId, BucketKeyEnabled: g.BucketKeyEnabled, ChecksumType: g.ChecksumType,
	}
	out.Expires = g.Expires //nolint:staticcheck // the wire writes this one
	record.SumsIn(g).Into(out)
	return out, nil
}

// Read returns an object's bytes, and how many there are, for a part of Skylift that reads for the caller in ctx, who must be
// allowed to.
func (a API) Read(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error) {
	if err := caller.May(ctx, "s3:GetObject", record.ObjectARN(bucket, key), nil); err != nil {
		return nil, 0, err
	}
	out, err := a.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, 0, err
	}
	return out.Body, *out.ContentLength, nil
}

// Size returns how many bytes an object has, under the rules of Read.
func (a API) Size(ctx context.Context, bucket, key string) (int64, error) {
	if err := caller.May(ctx, "s3:GetObject", record.ObjectARN(bucket, key), nil); err != nil {
		return 0, err
	}
	out, err := a.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return 0, err
	}
	return *out.ContentLength, nil
}
