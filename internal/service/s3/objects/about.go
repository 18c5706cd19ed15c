package objects

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
)

func tagKeys(t *types.Tagging) (keys []string) {
	if t == nil {
		return nil
	}
	for _, one := range scope.TagType.From(t.TagSet) {
		keys = append(keys, one.Key)
	}
	return keys
}

// GetObjectTagging returns the tags of an object.
func (a API) GetObjectTagging(ctx context.Context, in *s3.GetObjectTaggingInput) (*s3.GetObjectTaggingOutput, error) {
	s, err := a.look(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId)
	return &s3.GetObjectTaggingOutput{TagSet: scope.TagType.To(s.Tags), VersionId: scope.Shown(&s.bucket, &s.Object)}, err
}

// retag gives the version that a request names other tags.
func (a API) retag(ctx context.Context, bucket, owner, key, id *string, tags handler.Tags) (version *string, err error) {
	if _, err := a.look(ctx, bucket, owner, key, id); err != nil { // in the words of a read
		return nil, err
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*string, error) {
		b, err := a.Bucket(tx, bucket, owner)
		if err != nil {
			return nil, err
		}
		o, ok, err := record.Version(tx, *bucket, *key, text(id))
		if err != nil || !ok || o.Marker {
			return nil, record.NoKey(*key)
		}
		o.Tags = tags
		now, _, err := record.Now(tx, *bucket, *key)
		if err != nil {
			return nil, err
		}
		if now.ID == o.ID {
			return scope.Shown(&b, &o), record.Current.Put(tx, record.Row(o.Bucket, o.Key), o)
		}
		return scope.Shown(&b, &o), record.Older.Put(tx, record.OlderRow(o.Bucket, o.Key, o.ID), o)
	})
}

// PutObjectTagging gives an object other tags.
func (a API) PutObjectTagging(ctx context.Context, in *s3.PutObjectTaggingInput) (*s3.PutObjectTaggingOutput, error) {
	tags, err := scope.ObjectTags.Add(nil, scope.TagType.From(in.Tagging.TagSet))
	if err != nil {
		return nil, err
	}
	id, err := a.retag(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId, tags)
	return &s3.PutObjectTaggingOutput{VersionId: id}, err
}

// DeleteObjectTagging removes the tags of an object.
func (a API) DeleteObjectTagging(ctx context.Context, in *s3.DeleteObjectTaggingInput) (*s3.DeleteObjectTaggingOutput, error) {
	id, err := a.retag(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId, nil)
	return &s3.DeleteObjectTaggingOutput{VersionId: id}, err
}

// GetObjectAcl says whose an object is.
func (a API) GetObjectAcl(ctx context.Context, in *s3.GetObjectAclInput) (*s3.GetObjectAclOutput, error) {
	_, err := a.look(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId)
	return &s3.GetObjectAclOutput{Owner: a.Owner(), Grants: a.Grants()}, err
}

// PutObjectAcl takes the one ACL that there is.
func (a API) PutObjectAcl(ctx context.Context, in *s3.PutObjectAclInput) (*s3.PutObjectAclOutput, error) {
	s, err := a.look(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId)
	if err == nil {
		err = a.ACL(string(in.ACL), s.bucket.Enforced())
	}
	if err == nil {
		err = a.Grant(in.AccessControlPolicy, s.bucket.Enforced())
	}
	return &s3.PutObjectAclOutput{}, err
}

// mostParts is how many parts one answer tells of.
const mostParts = 1000

// GetObjectAttributes tells what it is asked for of an object.
func (a API) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (*s3.GetObjectAttributesOutput, error) {
	s, err := a.look(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	out := &s3.GetObjectAttributesOutput{LastModified: &s.Modified, VersionId: scope.Shown(&s.bucket, &s.Object)}
	for _, one := range in.ObjectAttributes {
		switch one {
		case types.ObjectAttributesEtag:
			out.ETag = &s.ETag
		case types.ObjectAttributesChecksum:
			out.Checksum = &types.Checksum{ChecksumType: s.SumType}
			s.Sums.Into(out.Checksum)
		case types.ObjectAttributesStorageClass:
			if out.StorageClass = types.StorageClass(s.Head.Class); out.StorageClass == "" {
				out.StorageClass = types.StorageClassStandard
			}
		case types.ObjectAttributesObjectSize:
			out.ObjectSize = &s.Size
		case types.ObjectAttributesObjectParts:
			if s.Upload != "" {
				if out.ObjectParts, err = s.attributes(in); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// attributes tells of parts behind a marker.
func (s *seen) attributes(in *s3.GetObjectAttributesInput) (*types.GetObjectAttributesParts, error) {
	most, after := int32(mostParts), 0
	if in.MaxParts != nil {
		most = min(max(*in.MaxParts, 0), mostParts)
	}
	if in.PartNumberMarker != nil {
		var err error
		if after, err = strconv.Atoi(*in.PartNumberMarker); err != nil {
			return nil, record.Invalid("x-amz-part-number-marker", *in.PartNumberMarker, "Argument x-amz-part-number-marker must be an integer between 0 and 2147483647")
		}
	}
	out := &types.GetObjectAttributesParts{TotalPartsCount: new(int32(len(s.parts))), MaxParts: &most, PartNumberMarker: new(strconv.Itoa(after)), IsTruncated: new(false), NextPartNumberMarker: new("0")}
	for _, p := range s.parts {
		if p.Number <= after {
			continue
		}
		if len(out.Parts) == int(most) {
			out.IsTruncated = new(true)
			break
		}
		one := types.ObjectPart{PartNumber: new(int32(p.Number)), Size: &p.Size}
		p.Sums.Into(&one)
		if len(p.Sums) > 0 { // AWS lists parts only where they have checksums
			out.Parts = append(out.Parts, one)
		}
		out.NextPartNumberMarker = new(strconv.Itoa(p.Number))
	}
	return out, nil
}
