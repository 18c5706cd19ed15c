package objects

import (
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
)

// Begin looks at all that can be said of a write before its body is read, and returns the bucket.
func (a API) Begin(ctx context.Context, bucket, owner, key *string, acl string, h record.Head, c scope.Conditions) (record.Bucket, error) {
	if err := record.CheckKey(*key); err != nil {
		return record.Bucket{}, err
	}
	if err := scope.CheckHead(h); err != nil {
		return record.Bucket{}, err
	}
	if err := c.WriteFault(); err != nil {
		return record.Bucket{}, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (record.Bucket, error) {
		b, err := a.Bucket(tx, bucket, owner)
		if err != nil {
			return b, err
		}
		if err := a.ACL(acl, b.Enforced()); err != nil {
			return b, err
		}
		return b, c.Write(tx, *bucket, *key)
	})
}

// text is what s says.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func putHead(in *s3.PutObjectInput) record.Head {
	return record.Head{
		Type: text(in.ContentType), Encoding: text(in.ContentEncoding), Language: text(in.ContentLanguage), Disposition: text(in.ContentDisposition), Cache: text(in.CacheControl),
		Expires: in.Expires, Redirect: text(in.WebsiteRedirectLocation), Meta: in.Metadata, Class: string(in.StorageClass),
	}
}

// PutObject writes an object.
func (a API) PutObject(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	h := putHead(in)
	when := scope.Conditions{Match: in.IfMatch, NoneMatch: in.IfNoneMatch}
	b, err := a.Begin(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, string(in.ACL), h, when)
	if err != nil {
		return nil, err
	}
	tags, err := scope.HeaderTags(in.Tagging)
	if err != nil {
		return nil, err
	}
	if in.ContentLength != nil && *in.ContentLength > body.Largest {
		return nil, body.TooLarge()
	}
	seal, key, err := a.Bodies.NewKey(ctx, &b, *in.Key, body.Wish{Algorithm: in.ServerSideEncryption, KeyID: in.SSEKMSKeyId, BucketKey: in.BucketKeyEnabled, Context: in.SSEKMSEncryptionContext})
	if err != nil {
		return nil, err
	}
	w, err := a.Bodies.Write(seal, key, in.Body, "")
	if err != nil {
		return nil, err
	}
	o := scope.NewObject(*in.Bucket, *in.Key, w, seal, h)
	o.Tags = tags
	b, err = a.Store(ctx, &o, []string{w.File}, func(tx store.Tx) error { return when.Write(tx, o.Bucket, o.Key) })
	if err != nil {
		return nil, err
	}
	out := &s3.PutObjectOutput{
		ETag: new(o.Quoted()), VersionId: scope.Shown(&b, &o), ServerSideEncryption: seal.Algorithm, ChecksumType: o.SumType,
		SSEKMSEncryptionContext: in.SSEKMSEncryptionContext,
	}
	out.SSEKMSKeyId, out.BucketKeyEnabled = Sealed(seal)
	o.Sums.Into(out)
	return out, nil
}

// Sealed is what answers say of KMS.
func Sealed(s record.Seal) (key *string, bucketKey *bool) {
	if s.Algorithm != types.ServerSideEncryptionAwsKms {
		return nil, nil
	}
	if s.BucketKey {
		bucketKey = &s.BucketKey
	}
	return &s.KeyARN, bucketKey
}

// Write writes an object for a part of Skylift that delivers something for the caller in ctx, who must be allowed to. As AWS's
// logs it is the bucket owner's, and goes only where objects are encrypted under S3's own keys.
func (a API) Write(ctx context.Context, bucket, key string, content io.Reader) error {
	acl := types.ObjectCannedACLBucketOwnerFullControl
	if err := caller.May(ctx, "s3:PutObject", record.ObjectARN(bucket, key), map[string][]string{"s3:x-amz-acl": {string(acl)}}); err != nil {
		return err
	}
	b, err := handler.View(ctx, a.DB, func(tx store.Tx) (record.Bucket, error) { return a.Bucket(tx, &bucket, nil) })
	if err != nil {
		return err
	}
	if is := b.Encryption.Algorithm; is != "" && is != types.ServerSideEncryptionAes256 {
		return record.Fault("AccessDenied", "Access Denied: objects of the bucket are encrypted under keys of KMS, and only S3's own are supported")
	}
	_, err = a.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: content, ACL: acl})
	return err
}
