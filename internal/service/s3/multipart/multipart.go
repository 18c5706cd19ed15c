// Package multipart makes objects of parts.
package multipart

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/objects"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// API has the handlers.
type API struct {
	*scope.Scope
	objects objects.API
}

// New returns the API beside that of objects.
func New(s *scope.Scope) API { return API{s, objects.API{Scope: s}} }

const (
	named = "Bucket Key uploadId x-amz-expected-bucket-owner x-amz-request-payer "
	sums  = "x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 "
	said  = "s3:x-amz-acl s3:x-amz-server-side-encryption s3:x-amz-server-side-encryption-aws-kms-key-id s3:x-amz-storage-class s3:x-amz-website-redirect-location"
	begun = "what the upload was begun with holds for its parts"
)

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	on := func(bucket, key *string) []string { return []string{record.ObjectARN(*bucket, *key)} }
	return []wire.Operation{
		objects.Writes(wire.Op("CreateMultipartUpload", a.CreateMultipartUpload).OnThose("object", func(in *s3.CreateMultipartUploadInput) []string { return on(in.Bucket, in.Key) }).
			Takes("Bucket Key x-amz-expected-bucket-owner x-amz-request-payer Cache-Control Content-Disposition Content-Encoding Content-Language Content-Type Expires x-amz-meta- "+
				"x-amz-tagging x-amz-website-redirect-location x-amz-acl x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id "+
				"x-amz-server-side-encryption-bucket-key-enabled x-amz-server-side-encryption-context x-amz-checksum-algorithm x-amz-checksum-type").
			Lacks("s3:if-match s3:if-none-match s3:x-amz-copy-source s3:x-amz-metadata-directive", "the upload's end says it").
			Asks(func(_ context.Context, in *s3.CreateMultipartUploadInput) []authz.Question {
				return objects.Besides(in.Bucket, in.Key, in.Tagging, string(in.ACL))
			})),
		wire.Op("UploadPart", a.UploadPart).OnThose("object", func(in *s3.UploadPartInput) []string { return on(in.Bucket, in.Key) }).
			Takes(named+sums+"Body Content-Length Content-MD5 partNumber x-amz-sdk-checksum-algorithm").
			Lacks(said+" s3:if-match s3:if-none-match s3:x-amz-copy-source s3:x-amz-metadata-directive "+objects.WriteLacks, begun),
		wire.Op("UploadPartCopy", a.UploadPartCopy).OnThose("object", func(in *s3.UploadPartCopyInput) []string { return on(in.Bucket, in.Key) }).
			Takes(named+"partNumber x-amz-copy-source x-amz-copy-source-range x-amz-copy-source-if-match x-amz-copy-source-if-modified-since x-amz-copy-source-if-none-match "+
				"x-amz-copy-source-if-unmodified-since x-amz-source-expected-bucket-owner").
			Keys("s3:x-amz-copy-source: x-amz-copy-source").
			Lacks(said+" s3:if-match s3:if-none-match s3:x-amz-metadata-directive "+objects.WriteLacks, begun).
			Asks(func(_ context.Context, in *s3.UploadPartCopyInput) []authz.Question {
				s, err := objects.SourceOf(*in.CopySource)
				if err != nil {
					return nil // the handler says so
				}
				return s.Asked(false)
			}),
		wire.Op("CompleteMultipartUpload", a.CompleteMultipartUpload).OnThose("object", func(in *s3.CompleteMultipartUploadInput) []string { return on(in.Bucket, in.Key) }).
			Takes(named+sums+"CompleteMultipartUpload{Part{*}} If-Match If-None-Match x-amz-checksum-type x-amz-mp-object-size").
			Keys("s3:if-match: If-Match", "s3:if-none-match: If-None-Match").
			Lacks(said+" s3:x-amz-copy-source s3:x-amz-metadata-directive "+objects.WriteLacks, begun),
		wire.Op("AbortMultipartUpload", a.AbortMultipartUpload).OnThose("object", func(in *s3.AbortMultipartUploadInput) []string { return on(in.Bucket, in.Key) }).
			Takes(named).Lacks("s3:AccessGrantsInstanceArn", "Skylift has no access grants"),
		wire.Op("ListParts", a.ListParts).OnThose("object", func(in *s3.ListPartsInput) []string { return on(in.Bucket, in.Key) }).
			Takes(named+"max-parts part-number-marker").Lacks("s3:AccessGrantsInstanceArn", "Skylift has no access grants"),
	}
}

// text is what s says.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// CreateMultipartUpload begins an upload.
func (a API) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput) (*s3.CreateMultipartUploadOutput, error) {
	h := record.Head{
		Type: text(in.ContentType), Encoding: text(in.ContentEncoding), Language: text(in.ContentLanguage), Disposition: text(in.ContentDisposition), Cache: text(in.CacheControl),
		Expires: in.Expires, Redirect: text(in.WebsiteRedirectLocation), Meta: in.Metadata, Class: string(in.StorageClass),
	}
	b, err := a.objects.Begin(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, string(in.ACL), h, scope.Conditions{})
	if err != nil {
		return nil, err
	}
	tags, err := scope.HeaderTags(in.Tagging)
	if err != nil {
		return nil, err
	}
	u := record.Upload{Bucket: *in.Bucket, Key: *in.Key, At: time.Now().UTC().Truncate(time.Millisecond), Initiator: caller.From(ctx).ARN, InitiatorID: caller.From(ctx).UserID, Head: h, Tags: tags}
	u.ID = record.NewUpload(u.At)
	if err := checksums(in, &u); err != nil {
		return nil, err
	}
	if u.Seal, _, err = a.Bodies.NewKey(ctx, &b, u.Key, body.Wish{Algorithm: in.ServerSideEncryption, KeyID: in.SSEKMSKeyId, BucketKey: in.BucketKeyEnabled, Context: in.SSEKMSEncryptionContext}); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*s3.CreateMultipartUploadOutput, error) {
		b, err := a.Bucket(tx, in.Bucket, nil)
		if err != nil {
			return nil, err
		}
		u.Made = b.CreatedAt
		out := &s3.CreateMultipartUploadOutput{
			Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID, ServerSideEncryption: u.Seal.Algorithm, ChecksumAlgorithm: types.ChecksumAlgorithm(u.Algorithm), ChecksumType: u.SumType,
			SSEKMSEncryptionContext: in.SSEKMSEncryptionContext,
		}
		out.SSEKMSKeyId, out.BucketKeyEnabled = objects.Sealed(u.Seal)
		return out, record.Uploads.Put(tx, record.UploadRow(u.Bucket, u.Key, u.ID), u)
	})
}

// checksums reads what a request says of the checksum that the object is to have.
func checksums(in *s3.CreateMultipartUploadInput, u *record.Upload) error {
	u.Algorithm, u.SumType = string(in.ChecksumAlgorithm), in.ChecksumType
	switch {
	case u.Algorithm == "" && u.SumType != "":
		return record.Fault("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case u.Algorithm == "":
		return nil
	case !record.IsAlgorithm(u.Algorithm):
		return record.Fault("NotImplemented", "The checksum algorithm %s is not supported by Skylift.", u.Algorithm)
	case u.SumType == "":
		u.SumType = body.UsualType(u.Algorithm)
	case !body.TypeFits(u.Algorithm, u.SumType):
		return record.Fault("InvalidRequest", "The %s checksum type cannot be used with the %s checksum algorithm.", u.SumType, u.Algorithm)
	}
	return nil
}

// find returns the upload that a request names.
func (a API) find(tx store.Tx, bucket, owner, key, id *string) (record.Upload, error) {
	b, err := a.Bucket(tx, bucket, owner)
	if err != nil {
		return record.Upload{}, err
	}
	u, ok, err := handler.Find(tx, record.Uploads, record.UploadRow(*bucket, *key, *id))
	if err == nil && !(ok && u.In(&b)) {
		err = record.NoUpload(*id)
	}
	return u, err
}

// mostParts is how many parts an object may have.
const mostParts = 10000

// open is find, with the upload's key, for the part of that number.
func (a API) open(ctx context.Context, bucket, owner, key, id *string, number int32) (record.Upload, []byte, error) {
	if number < 1 || number > mostParts {
		return record.Upload{}, nil, record.Invalid("partNumber", "", "Part number must be an integer between 1 and %d, inclusive", mostParts)
	}
	u, err := handler.View(ctx, a.DB, func(tx store.Tx) (record.Upload, error) { return a.find(tx, bucket, owner, key, id) })
	if err != nil {
		return u, nil, err
	}
	plain, err := a.Bodies.Key(ctx, u.Seal)
	return u, plain, err
}

// algorithm is that of the checksums that parts have.
func algorithm(u *record.Upload) string {
	if u.Algorithm == "" {
		return body.Usual
	}
	return u.Algorithm
}

// UploadPart writes a part.
func (a API) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	u, key, err := a.open(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.UploadId, *in.PartNumber)
	if err != nil {
		return nil, err
	}
	given, err := body.Said(in.Body)
	if err != nil {
		return nil, err
	}
	if u.Algorithm != "" && given != "" && given != u.Algorithm {
		return nil, record.Fault("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", lower(u.Algorithm), lower(given))
	}
	if in.ContentLength != nil && *in.ContentLength > body.Largest {
		return nil, body.TooLarge()
	}
	w, err := a.Bodies.Write(u.Seal, key, in.Body, algorithm(&u))
	if err != nil {
		return nil, err
	}
	p, err := a.keep(ctx, &u, int(*in.PartNumber), w)
	if err != nil {
		return nil, err
	}
	out := &s3.UploadPartOutput{ETag: new(quoted(p.ETag)), ServerSideEncryption: u.Seal.Algorithm}
	out.SSEKMSKeyId, out.BucketKeyEnabled = objects.Sealed(u.Seal)
	p.Sums.Into(out)
	return out, nil
}

// UploadPartCopy makes a part of an object's bytes.
func (a API) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (*s3.UploadPartCopyOutput, error) {
	src, err := objects.SourceOf(*in.CopySource)
	if err != nil {
		return nil, err
	}
	u, key, err := a.open(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.UploadId, *in.PartNumber)
	if err != nil {
		return nil, err
	}
	w, id, err := a.objects.Part(ctx, src, in.ExpectedSourceBucketOwner, in.CopySourceRange, scope.Conditions{
		Match: in.CopySourceIfMatch, NoneMatch: in.CopySourceIfNoneMatch, Modified: in.CopySourceIfModifiedSince, NotModified: in.CopySourceIfUnmodifiedSince,
	}, u.Seal, key, algorithm(&u))
	if err != nil {
		return nil, err
	}
	p, err := a.keep(ctx, &u, int(*in.PartNumber), w)
	if err != nil {
		return nil, err
	}
	out := &s3.UploadPartCopyOutput{CopySourceVersionId: id, ServerSideEncryption: u.Seal.Algorithm, CopyPartResult: &types.CopyPartResult{ETag: new(quoted(p.ETag)), LastModified: &p.At}}
	out.SSEKMSKeyId, out.BucketKeyEnabled = objects.Sealed(u.Seal)
	p.Sums.Into(out.CopyPartResult)
	return out, nil
}

// keep makes what was written a part of the upload, in place of an earlier one of that number.
func (a API) keep(ctx context.Context, u *record.Upload, number int, w body.Written) (record.Part, error) {
	p := record.Part{Upload: u.ID, Number: number, File: w.File, Size: w.Size, ETag: w.ETag, Sums: w.Sums, At: time.Now().UTC().Truncate(time.Millisecond)}
	var before record.Part
	err := a.DB.Update(ctx, func(tx store.Tx) error {
		if _, err := a.find(tx, &u.Bucket, nil, &u.Key, &u.ID); err != nil {
			return err
		}
		var err error
		if before, _, err = handler.Find(tx, record.Parts, record.PartRow(u.ID, number)); err != nil {
			return err
		}
		return record.Parts.Put(tx, record.PartRow(u.ID, number), p)
	})
	a.Settle(err, p.File)
	if err == nil && before.File != "" {
		a.Bodies.Files.Remove(before.File)
	}
	return p, err
}

func quoted(etag string) string { return `"` + etag + `"` }
