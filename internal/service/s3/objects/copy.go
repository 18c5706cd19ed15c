package objects

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Source is the object that a copy is made of.
type Source struct {
	Bucket, Key string
	ID          *string // of the version
}

// SourceOf reads x-amz-copy-source: a bucket and a key, encoded as in a URL, and perhaps a version
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
func SourceOf(said string) (Source, error) {
	bad := record.Invalid("x-amz-copy-source", said, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	path, query, _ := strings.Cut(said, "?")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	bucket, key, ok := strings.Cut(path, "/")
	switch {
	case strings.HasPrefix(path, "arn:"):
		return Source{}, record.Fault("NotImplemented", "Copies from access points are not supported by Skylift.")
	case err != nil || !ok || bucket == "" || key == "":
		return Source{}, bad
	}
	s := Source{Bucket: bucket, Key: key}
	if query != "" {
		q, err := url.ParseQuery(query)
		if err != nil || !q.Has("versionId") {
			return Source{}, bad
		}
		s.ID = new(q.Get("versionId"))
	}
	return s, nil
}

// Asked is what policy is asked about the source.
func (s Source) Asked(tags bool) []authz.Question {
	ref, version := record.ObjectARN(s.Bucket, s.Key), ""
	if s.ID != nil {
		version = "Version"
	}
	list := []authz.Question{{Action: "s3:GetObject" + version, Resource: ref, Version: text(s.ID)}}
	if tags {
		list = append(list, authz.Question{Action: "s3:GetObject" + version + "Tagging", Resource: ref, Version: text(s.ID)})
	}
	return list
}

// copying asks for what else a copy does. A source that can't be read is the handler's.
func copying(_ context.Context, in *s3.CopyObjectInput) []authz.Question {
	list := Besides(in.Bucket, in.Key, in.Tagging, string(in.ACL))
	if s, err := SourceOf(*in.CopySource); err == nil {
		list = append(list, s.Asked(false)...)
	}
	return list
}

func copyHead(in *s3.CopyObjectInput, from record.Head) record.Head {
	h := from
	if in.MetadataDirective == types.MetadataDirectiveReplace {
		h = record.Head{
			Type: text(in.ContentType), Encoding: text(in.ContentEncoding), Language: text(in.ContentLanguage), Disposition: text(in.ContentDisposition), Cache: text(in.CacheControl),
			Expires: in.Expires, Meta: in.Metadata,
		}
	}
	h.Redirect, h.Class = text(in.WebsiteRedirectLocation), string(in.StorageClass)
	return h
}

// Find returns the source as a copy needs it.
func (a API) Find(ctx context.Context, src Source, owner *string, when scope.Conditions) (seen, error) {
	s, err := a.look(ctx, &src.Bucket, owner, &src.Key, src.ID)
	if err == nil {
		err = when.Copy(&s.Object)
	}
	if err == nil && s.Size > body.Largest {
		err = record.Fault("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(body.Largest))
	}
	return s, err
}

// CopyObject makes an object of another one's bytes.
func (a API) CopyObject(ctx context.Context, in *s3.CopyObjectInput) (*s3.CopyObjectOutput, error) {
	for again := true; ; again = false {
		out, err := a.copyOnce(ctx, in)
		if errors.Is(err, blob.ErrGone) && again {
			continue // the source was replaced in between
		}
		return out, err
	}
}

func (a API) copyOnce(ctx context.Context, in *s3.CopyObjectInput) (*s3.CopyObjectOutput, error) {
	src, err := SourceOf(*in.CopySource)
	if err != nil {
		return nil, err
	}
	s, err := a.Find(ctx, src, in.ExpectedSourceBucketOwner, scope.Conditions{
		Match: in.CopySourceIfMatch, NoneMatch: in.CopySourceIfNoneMatch, Modified: in.CopySourceIfModifiedSince, NotModified: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return nil, err
	}
	h, when := copyHead(in, s.Head), scope.Conditions{Match: in.IfMatch, NoneMatch: in.IfNoneMatch}
	if err := copyFault(in, src, &s, h); err != nil {
		return nil, err
	}
	b, err := a.Begin(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, string(in.ACL), h, when)
	if err != nil {
		return nil, err
	}
	tags := s.Tags
	if in.TaggingDirective == types.TaggingDirectiveReplace {
		if tags, err = scope.HeaderTags(in.Tagging); err != nil {
			return nil, err
		}
	}
	wish := body.Wish{Algorithm: in.ServerSideEncryption, KeyID: in.SSEKMSKeyId, BucketKey: in.BucketKeyEnabled, Context: in.SSEKMSEncryptionContext}
	w, seal, err := a.duplicate(ctx, &b, *in.Key, &s, wish, string(in.ChecksumAlgorithm))
	if err != nil {
		return nil, err
	}
	o := scope.NewObject(*in.Bucket, *in.Key, w, seal, h)
	o.Tags = tags
	b, err = a.Store(ctx, &o, []string{w.File}, func(tx store.Tx) error { return when.Write(tx, o.Bucket, o.Key) })
	if err != nil {
		return nil, err
	}
	out := &s3.CopyObjectOutput{
		VersionId: scope.Shown(&b, &o), CopySourceVersionId: scope.Shown(&s.bucket, &s.Object), ServerSideEncryption: seal.Algorithm, SSEKMSEncryptionContext: in.SSEKMSEncryptionContext,
		CopyObjectResult: &types.CopyObjectResult{ETag: new(o.Quoted()), LastModified: &o.Modified, ChecksumType: o.SumType},
	}
	out.SSEKMSKeyId, out.BucketKeyEnabled = Sealed(seal)
	o.Sums.Into(out.CopyObjectResult)
	return out, nil
}

// copyFault refuses a copy that changes nothing.
func copyFault(in *s3.CopyObjectInput, src Source, s *seen, h record.Head) error {
	if a := string(in.ChecksumAlgorithm); a != "" && !record.IsAlgorithm(a) {
		return record.Fault("NotImplemented", "The checksum algorithm %s is not supported by Skylift.", a)
	}
	if src.Bucket != *in.Bucket || src.Key != *in.Key || src.ID != nil || in.MetadataDirective == types.MetadataDirectiveReplace ||
		h.Class != s.Head.Class || h.Redirect != s.Head.Redirect || in.ServerSideEncryption != "" {
		return nil
	}
	return record.Fault("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, "+
		"storage class, website redirect location or encryption attributes.")
}

// duplicate makes a body of another object's bytes: without copying them, where their ETag and checksum stay.
func (a API) duplicate(ctx context.Context, b *record.Bucket, key string, s *seen, wish body.Wish, algorithm string) (w body.Written, seal record.Seal, err error) {
	plain, err := a.Bodies.Key(ctx, s.Seal)
	if err != nil {
		return w, seal, err
	}
	_, same := s.Sums[algorithm]
	if s.Upload == "" && s.Seal.Algorithm == types.ServerSideEncryptionAes256 && (same || algorithm == "") {
		if seal, _, err = a.Bodies.Reseal(ctx, b, key, wish, plain); err != nil {
			return w, seal, err
		}
		file, err := a.Bodies.Files.Link(s.File)
		if err != nil {
			return w, seal, fmt.Errorf("copy %s: %w", s.Key, body.Full(err))
		}
		w = body.Written{File: file, Size: s.Size, ETag: s.ETag, Sums: s.Sums}
		if seal.Algorithm != s.Seal.Algorithm {
			w.ETag = body.ETag(seal, nil)
		}
		return w, seal, nil
	}
	if algorithm == "" {
		algorithm = body.Usual
	}
	seal, own, err := a.Bodies.NewKey(ctx, b, key, wish)
	if err != nil {
		return w, seal, err
	}
	r, err := a.open(s, plain, span{to: s.Size})
	if err != nil {
		return w, seal, err
	}
	defer r.Close()
	w, err = a.Bodies.Write(seal, own, r, algorithm)
	return w, seal, err
}

// copied reads the range of a source of that size that UploadPartCopy copies
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html).
func copied(header string, size int64) (span, error) {
	set, ok := strings.CutPrefix(header, "bytes=")
	first, last, _ := strings.Cut(set, "-")
	from, errFrom := strconv.ParseUint(first, 10, 63)
	to, errTo := strconv.ParseUint(last, 10, 63)
	bad := func(format string, args ...any) (span, error) {
		return span{}, record.Invalid("x-amz-copy-source-range", header, format, args...)
	}
	switch {
	case !ok || errFrom != nil || errTo != nil || to < from:
		return bad("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	case to >= uint64(size):
		return bad("Range specified is not valid for source object of size: %d", size)
	}
	return span{from: int64(from), to: int64(to) + 1, part: true}, nil
}

// Part writes a range of an object as a part of an upload: for UploadPartCopy. Header is the range; nil is all.
func (a API) Part(ctx context.Context, src Source, owner, header *string, when scope.Conditions, seal record.Seal, key []byte, algorithm string) (w body.Written, id *string, err error) {
	s, err := a.look(ctx, &src.Bucket, owner, &src.Key, src.ID)
	if err == nil {
		err = when.Copy(&s.Object)
	}
	if err != nil {
		return w, nil, err
	}
	r := span{to: s.Size}
	if header != nil {
		if r, err = copied(*header, s.Size); err != nil {
			return w, nil, err
		}
	}
	plain, err := a.Bodies.Key(ctx, s.Seal)
	if err != nil {
		return w, nil, err
	}
	from, err := a.open(&s, plain, r)
	if err != nil {
		return w, nil, err
	}
	defer from.Close()
	w, err = a.Bodies.Write(seal, key, from, algorithm)
	return w, scope.Shown(&s.bucket, &s.Object), err
}
