// Package buckets makes, lists and deletes buckets.
package buckets

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// API has the handlers.
type API struct{ *scope.Scope }

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateBucket", a.CreateBucket).On("bucket: Bucket").
			Takes("Bucket x-amz-acl x-amz-object-ownership CreateBucketConfiguration{LocationConstraint Tags{*}}").
			Keys("s3:locationconstraint: CreateBucketConfiguration.LocationConstraint", "s3:x-amz-acl: x-amz-acl", "s3:x-amz-object-ownership: x-amz-object-ownership").
			Lacks("s3:x-amz-bucket-namespace s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp s3:x-amz-grant-write s3:x-amz-grant-write-acp", "requests that say it are refused").
			Asks(tagging).Checks(func(in *s3.CreateBucketInput) []error { return a.createFaults(in) }),
		wire.Op("HeadBucket", a.HeadBucket).On("bucket: Bucket").Takes("Bucket x-amz-expected-bucket-owner").
			Lacks("s3:prefix s3:delimiter s3:max-keys s3:AccessGrantsInstanceArn", "the request has none"),
		wire.Op("ListBuckets", a.ListBuckets).Takes("bucket-region continuation-token max-buckets prefix"),
		wire.Op("DeleteBucket", a.DeleteBucket).On("bucket: Bucket").Takes("Bucket x-amz-expected-bucket-owner"),
		wire.Op("GetBucketLocation", a.GetBucketLocation).On("bucket: Bucket").Takes("Bucket x-amz-expected-bucket-owner"),
		wire.Op("GetBucketAcl", a.GetBucketAcl).On("bucket: Bucket").Takes("Bucket x-amz-expected-bucket-owner"),
		wire.Op("PutBucketAcl", a.PutBucketAcl).On("bucket: Bucket").Takes("Bucket x-amz-acl x-amz-expected-bucket-owner Content-MD5 x-amz-sdk-checksum-algorithm AccessControlPolicy{*}").
			Keys("s3:x-amz-acl: x-amz-acl").
			Lacks("s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp s3:x-amz-grant-write s3:x-amz-grant-write-acp", "requests that say it are refused"),
		wire.Op("GetBucketTagging", a.GetBucketTagging).On("bucket: Bucket").Takes("Bucket x-amz-expected-bucket-owner"),
		wire.Op("PutBucketTagging", a.PutBucketTagging).On("bucket: Bucket").Takes("Bucket x-amz-expected-bucket-owner Content-MD5 x-amz-sdk-checksum-algorithm Tagging{TagSet{*}}"),
		wire.Op("DeleteBucketTagging", a.DeleteBucketTagging).On("bucket: Bucket").Takes("Bucket x-amz-expected-bucket-owner"),
	}
}

// tagging asks whether the caller may tag the bucket that is made.
func tagging(_ context.Context, in *s3.CreateBucketInput) []authz.Question {
	if in.CreateBucketConfiguration == nil || len(in.CreateBucketConfiguration.Tags) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range scope.TagType.From(in.CreateBucketConfiguration.Tags) {
		keys["aws:requesttag/"+t.Key] = []string{t.Value}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], t.Key)
	}
	return []authz.Question{{Action: "s3:TagResource", Resource: record.BucketARN(*in.Bucket), Keys: keys}}
}

// The region that is the default one of AWS has no location, and lets buckets be made twice
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html).
const first = "us-east-1"

func (a API) location() types.BucketLocationConstraint {
	if a.NS.Region == first {
		return ""
	}
	return types.BucketLocationConstraint(a.NS.Region)
}

func (a API) createFaults(in *s3.CreateBucketInput) []error {
	var f awserr.Faults
	if !record.IsBucketName(*in.Bucket) {
		f.Add(record.Tell("InvalidBucketName", "The specified bucket is not valid.", nil, "BucketName", *in.Bucket))
	}
	said := types.BucketLocationConstraint("")
	if in.CreateBucketConfiguration != nil {
		said = in.CreateBucketConfiguration.LocationConstraint
		f.Add(scope.BucketTags.Faults(scope.TagType.From(in.CreateBucketConfiguration.Tags))...)
	}
	switch {
	case said == first:
		f.Add(record.Fault("InvalidLocationConstraint", "The specified location-constraint is not valid"))
	case said == "" && a.location() != "":
		f.Add(record.Fault("IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."))
	case said != a.location():
		f.Add(record.Fault("IllegalLocationConstraintException", "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", said))
	}
	f.Add(a.ACL(string(in.ACL), in.ObjectOwnership == "" || in.ObjectOwnership == types.ObjectOwnershipBucketOwnerEnforced))
	return f
}

// CreateBucket makes a bucket.
func (a API) CreateBucket(ctx context.Context, in *s3.CreateBucketInput) (*s3.CreateBucketOutput, error) {
	b := record.Bucket{
		Name: *in.Bucket, CreatedAt: time.Now().UTC(), Ownership: in.ObjectOwnership,
		Access:     &record.AccessBlock{ACLs: true, Policy: true, IgnoreACLs: true, Restrict: true},
		Encryption: record.Encryption{Algorithm: types.ServerSideEncryptionAes256},
	}
	if b.Ownership == "" {
		b.Ownership = types.ObjectOwnershipBucketOwnerEnforced
	}
	if c := in.CreateBucketConfiguration; c != nil {
		var err error
		if b.Tags, err = scope.BucketTags.Add(nil, scope.TagType.From(c.Tags)); err != nil {
			return nil, err
		}
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*s3.CreateBucketOutput, error) {
		_, there, err := handler.Find(tx, record.Buckets, b.Name)
		switch {
		case err != nil:
			return nil, err
		case there && a.NS.Region != first:
			return nil, record.Tell("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.", nil, "BucketName", b.Name)
		case !there:
			err = record.Buckets.Put(tx, b.Name, b)
		}
		return &s3.CreateBucketOutput{Location: new("/" + b.Name), BucketArn: new(b.ARN())}, err
	})
}

// HeadBucket says whether a bucket is there.
func (a API) HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.HeadBucketOutput, error) {
		b, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner)
		return &s3.HeadBucketOutput{BucketRegion: &a.NS.Region, BucketArn: new(b.ARN()), AccessPointAlias: new(false)}, err
	})
}

// pages is how the list of buckets is cut
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html).
var pages = handler.Pages{
	Most: 10000,
	BadSize: func(n int) error {
		return record.Invalid("max-buckets", "", "Argument max-buckets must be an integer between 1 and 10000, not %d", n)
	},
	BadToken: func(token string) error {
		return record.Invalid("continuation-token", token, "The continuation token provided is incorrect")
	},
}

// ListBuckets lists the account's buckets.
func (a API) ListBuckets(ctx context.Context, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	prefix := ""
	if in.Prefix != nil {
		prefix = *in.Prefix
	}
	page, err := pages.Open(in.MaxBuckets, in.ContinuationToken, prefix, in.BucketRegion)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.ListBucketsOutput, error) {
		out := &s3.ListBucketsOutput{Owner: a.Owner(), Prefix: in.Prefix, Buckets: []types.Bucket{}}
		if in.BucketRegion != nil && *in.BucketRegion != a.NS.Region {
			return out, nil
		}
		list, next, err := handler.Fill(page, record.Buckets.Scan(tx, prefix, page.After), func(b record.Bucket) string { return b.Name })
		for _, b := range list {
			out.Buckets = append(out.Buckets, types.Bucket{Name: &b.Name, CreationDate: new(b.CreatedAt.Truncate(time.Second)), BucketRegion: &a.NS.Region, BucketArn: new(b.ARN())})
		}
		out.ContinuationToken = next
		return out, err
	})
}

// DeleteBucket deletes a bucket that has no objects.
func (a API) DeleteBucket(ctx context.Context, in *s3.DeleteBucketInput) (*s3.DeleteBucketOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*s3.DeleteBucketOutput, error) {
		b, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		more := ""
		if b.Versioning != "" {
			more = ". You must delete all versions in the bucket."
		}
		for _, t := range []*store.Table[record.Object]{record.Current, record.Older} {
			for _, err := range t.Peek(tx, record.Row(b.Name, "")) {
				if err == nil {
					err = record.Tell("BucketNotEmpty", "The bucket you tried to delete is not empty"+more, nil, "BucketName", b.Name)
				}
				return nil, err
			}
		}
		return &s3.DeleteBucketOutput{}, record.Buckets.Delete(tx, b.Name)
	})
}

// GetBucketLocation says in which region a bucket is.
func (a API) GetBucketLocation(ctx context.Context, in *s3.GetBucketLocationInput) (*s3.GetBucketLocationOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.GetBucketLocationOutput, error) {
		_, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner)
		return &s3.GetBucketLocationOutput{LocationConstraint: a.location()}, err
	})
}

// GetBucketAcl says whose a bucket is.
func (a API) GetBucketAcl(ctx context.Context, in *s3.GetBucketAclInput) (*s3.GetBucketAclOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.GetBucketAclOutput, error) {
		_, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner)
		return &s3.GetBucketAclOutput{Owner: a.Owner(), Grants: a.Grants()}, err
	})
}

// PutBucketAcl takes the one ACL that there is.
func (a API) PutBucketAcl(ctx context.Context, in *s3.PutBucketAclInput) (*s3.PutBucketAclOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.PutBucketAclOutput, error) {
		b, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err == nil {
			err = a.ACL(string(in.ACL), b.Enforced())
		}
		if err == nil {
			err = a.Grant(in.AccessControlPolicy, b.Enforced())
		}
		return &s3.PutBucketAclOutput{}, err
	})
}

// GetBucketTagging returns a bucket's tags.
func (a API) GetBucketTagging(ctx context.Context, in *s3.GetBucketTaggingInput) (*s3.GetBucketTaggingOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.GetBucketTaggingOutput, error) {
		b, err := a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err == nil && len(b.Tags) == 0 {
			err = record.Tell("NoSuchTagSet", "The TagSet does not exist", nil, "BucketName", b.Name)
		}
		return &s3.GetBucketTaggingOutput{TagSet: scope.TagType.To(b.Tags)}, err
	})
}

// PutBucketTagging gives a bucket other tags.
func (a API) PutBucketTagging(ctx context.Context, in *s3.PutBucketTaggingInput) (*s3.PutBucketTaggingOutput, error) {
	tags, err := scope.BucketTags.Add(nil, scope.TagType.From(in.Tagging.TagSet))
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*s3.PutBucketTaggingOutput, error) {
		return &s3.PutBucketTaggingOutput{}, a.Change(tx, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
			b.Tags = tags
			return nil
		})
	})
}

// DeleteBucketTagging removes a bucket's tags.
func (a API) DeleteBucketTagging(ctx context.Context, in *s3.DeleteBucketTaggingInput) (*s3.DeleteBucketTaggingOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*s3.DeleteBucketTaggingOutput, error) {
		return &s3.DeleteBucketTaggingOutput{}, a.Change(tx, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
			b.Tags = handler.Without(b.Tags, sortedKeys(b.Tags))
			return nil
		})
	})
}

func sortedKeys(tags handler.Tags) (keys []string) {
	for _, t := range handler.Sorted(tags) {
		keys = append(keys, t.Key)
	}
	return keys
}
