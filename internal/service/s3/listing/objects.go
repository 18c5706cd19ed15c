package listing

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has the handlers.
type API struct{ *scope.Scope }

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	const (
		bucket = "bucket: Bucket"
		usual  = "Bucket delimiter encoding-type x-amz-expected-bucket-owner x-amz-request-payer prefix "
		grants = "s3:AccessGrantsInstanceArn"
		no     = "Skylift has no access grants"
	)
	return []wire.Operation{
		wire.Op("ListObjects", a.ListObjects).On(bucket).Takes(usual+"marker max-keys x-amz-optional-object-attributes").
			Keys("s3:delimiter: delimiter", "s3:max-keys: max-keys", "s3:prefix: prefix").Lacks(grants, no),
		wire.Op("ListObjectsV2", a.ListObjectsV2).On(bucket).Takes(usual+"continuation-token fetch-owner max-keys start-after x-amz-optional-object-attributes").
			Keys("s3:delimiter: delimiter", "s3:max-keys: max-keys", "s3:prefix: prefix").Lacks(grants, no),
		wire.Op("ListObjectVersions", a.ListObjectVersions).On(bucket).Takes(usual+"key-marker version-id-marker max-keys x-amz-optional-object-attributes").
			Keys("s3:delimiter: delimiter", "s3:max-keys: max-keys", "s3:prefix: prefix").Lacks(grants, no),
		wire.Op("ListMultipartUploads", a.ListMultipartUploads).On(bucket).Takes(usual+"key-marker upload-id-marker max-uploads").
			Lacks(grants+" s3:AccessPointNetworkOrigin s3:AccessPointTag/${TagKey} s3:DataAccessPointAccount s3:DataAccessPointArn", "Skylift has no access points"),
	}
}

// list returns a part of a bucket's objects.
func (a API) list(ctx context.Context, bucket, owner *string, q query) (found[record.Object], error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (out found[record.Object], err error) {
		if _, err = a.Bucket(tx, bucket, owner); err != nil {
			return out, err
		}
		return gather(q, nil, objects(tx, *bucket, q.prefix), func(o *record.Object) string { return o.Key })
	})
}

func (a API) contents(list []record.Object, encoding types.EncodingType, owner bool) (out []types.Object) {
	for i := range list {
		o := &list[i]
		one := types.Object{
			Key: coded(o.Key, encoding), ETag: new(o.Quoted()), LastModified: &o.Modified, Size: &o.Size,
			StorageClass: types.ObjectStorageClass(class(o)), ChecksumType: o.SumType,
		}
		for _, name := range o.Sums.Names() {
			one.ChecksumAlgorithm = append(one.ChecksumAlgorithm, types.ChecksumAlgorithm(name))
		}
		if owner {
			one.Owner = a.Owner()
		}
		out = append(out, one)
	}
	return out
}

func class(o *record.Object) string {
	if o.Head.Class == "" {
		return string(types.StorageClassStandard)
	}
	return o.Head.Class
}

// ListObjectsV2 lists a bucket's objects.
func (a API) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	n, err := size("max-keys", in.MaxKeys)
	if err != nil {
		return nil, err
	}
	after := said(in.StartAfter)
	if in.ContinuationToken != nil {
		if after, err = readToken(*in.ContinuationToken); err != nil {
			return nil, err
		}
	}
	part, err := a.list(ctx, in.Bucket, in.ExpectedBucketOwner, query{said(in.Prefix), said(in.Delimiter), after, n})
	if err != nil {
		return nil, err
	}
	out := &s3.ListObjectsV2Output{
		Name: in.Bucket, Prefix: coded(said(in.Prefix), in.EncodingType), Delimiter: codedOrNil(in.Delimiter, in.EncodingType), StartAfter: codedOrNil(in.StartAfter, in.EncodingType),
		ContinuationToken: in.ContinuationToken, EncodingType: in.EncodingType, MaxKeys: new(int32(n)), KeyCount: new(int32(len(part.list) + len(part.prefixes))),
		IsTruncated: &part.more, Contents: a.contents(part.list, in.EncodingType, in.FetchOwner != nil && *in.FetchOwner), CommonPrefixes: common(part.prefixes, in.EncodingType),
	}
	if part.more {
		out.NextContinuationToken = token(part.last)
	}
	return out, nil
}

// ListObjects is the older form of ListObjectsV2.
func (a API) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (*s3.ListObjectsOutput, error) {
	n, err := size("max-keys", in.MaxKeys)
	if err != nil {
		return nil, err
	}
	part, err := a.list(ctx, in.Bucket, in.ExpectedBucketOwner, query{said(in.Prefix), said(in.Delimiter), said(in.Marker), n})
	if err != nil {
		return nil, err
	}
	out := &s3.ListObjectsOutput{
		Name: in.Bucket, Prefix: coded(said(in.Prefix), in.EncodingType), Delimiter: codedOrNil(in.Delimiter, in.EncodingType), Marker: coded(said(in.Marker), in.EncodingType),
		EncodingType: in.EncodingType, MaxKeys: new(int32(n)), IsTruncated: &part.more, Contents: a.contents(part.list, in.EncodingType, true), CommonPrefixes: common(part.prefixes, in.EncodingType),
	}
	if part.more && in.Delimiter != nil {
		out.NextMarker = coded(part.last, in.EncodingType)
	}
	return out, nil
}

// ListMultipartUploads lists the uploads to a bucket that go on.
func (a API) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	n, err := size("max-uploads", in.MaxUploads)
	if err != nil {
		return nil, err
	}
	q := query{said(in.Prefix), said(in.Delimiter), said(in.KeyMarker), n}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.ListMultipartUploadsOutput, error) {
		b, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		first, err := restOf(tx, &b, in)
		if err != nil {
			return nil, err
		}
		part, err := gather(q, first, uploads(tx, &b, q.prefix), func(u *record.Upload) string { return u.Key })
		out := &s3.ListMultipartUploadsOutput{
			Bucket: in.Bucket, Prefix: coded(q.prefix, in.EncodingType), Delimiter: codedOrNil(in.Delimiter, in.EncodingType), KeyMarker: coded(q.after, in.EncodingType),
			UploadIdMarker: new(said(in.UploadIdMarker)), EncodingType: in.EncodingType, MaxUploads: new(int32(n)), IsTruncated: &part.more, CommonPrefixes: common(part.prefixes, in.EncodingType),
		}
		for i := range part.list {
			out.Uploads = append(out.Uploads, a.upload(&part.list[i], in.EncodingType))
		}
		if part.more {
			out.NextKeyMarker, out.NextUploadIdMarker = coded(part.last, in.EncodingType), new("")
			if n := len(part.list); n > 0 && part.list[n-1].Key == part.last {
				out.NextUploadIdMarker = &part.list[n-1].ID
			}
		}
		return out, err
	})
}

func (a API) upload(u *record.Upload, encoding types.EncodingType) types.MultipartUpload {
	class := types.StorageClass(u.Head.Class)
	if class == "" {
		class = types.StorageClassStandard
	}
	return types.MultipartUpload{
		Key: coded(u.Key, encoding), UploadId: &u.ID, Initiated: &u.At, StorageClass: class, Owner: a.Owner(), Initiator: &types.Initiator{ID: &u.Initiator, DisplayName: &u.InitiatorID},
		ChecksumAlgorithm: types.ChecksumAlgorithm(u.Algorithm), ChecksumType: u.SumType,
	}
}
