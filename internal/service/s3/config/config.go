// Package config keeps how buckets are set: versioning, encryption, ownership, public access, policy, lifecycle and CORS.
package config

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

const (
	bucket = "bucket: Bucket"
	named  = "Bucket x-amz-expected-bucket-owner"
	put    = named + " x-amz-sdk-checksum-algorithm Content-MD5 "
)

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("GetBucketVersioning", a.GetBucketVersioning).On(bucket).Takes(named),
		wire.Op("PutBucketVersioning", a.PutBucketVersioning).On(bucket).Takes(put + "VersioningConfiguration{Status MfaDelete=Disabled}"),
		wire.Op("GetBucketEncryption", a.GetBucketEncryption).On(bucket).Takes(named),
		wire.Op("PutBucketEncryption", a.PutBucketEncryption).On(bucket).
			Takes(put + "ServerSideEncryptionConfiguration{Rule{ApplyServerSideEncryptionByDefault{*} BucketKeyEnabled BlockedEncryptionTypes{*}}}"),
		wire.Op("DeleteBucketEncryption", a.DeleteBucketEncryption).On(bucket).Takes(named),
		wire.Op("GetBucketOwnershipControls", a.GetBucketOwnershipControls).On(bucket).Takes(named),
		wire.Op("PutBucketOwnershipControls", a.PutBucketOwnershipControls).On(bucket).Takes(put + "OwnershipControls{Rule{*}}"),
		wire.Op("DeleteBucketOwnershipControls", a.DeleteBucketOwnershipControls).On(bucket).Takes(named),
		wire.Op("GetPublicAccessBlock", a.GetPublicAccessBlock).On(bucket).Takes(named),
		wire.Op("PutPublicAccessBlock", a.PutPublicAccessBlock).On(bucket).Takes(put + "PublicAccessBlockConfiguration{*}"),
		wire.Op("DeletePublicAccessBlock", a.DeletePublicAccessBlock).On(bucket).Takes(named),
		wire.Op("GetBucketPolicy", a.GetBucketPolicy).On(bucket).Takes(named),
		wire.Op("GetBucketPolicyStatus", a.GetBucketPolicyStatus).On(bucket).Takes(named),
		wire.Op("PutBucketPolicy", a.PutBucketPolicy).On(bucket).Takes(put + "Policy x-amz-confirm-remove-self-bucket-access"),
		wire.Op("DeleteBucketPolicy", a.DeleteBucketPolicy).On(bucket).Takes(named),
		wire.Op("GetBucketLifecycleConfiguration", a.GetBucketLifecycleConfiguration).On(bucket).Takes(named),
		wire.Op("PutBucketLifecycleConfiguration", a.PutBucketLifecycleConfiguration).On(bucket).
			Takes(named+" x-amz-sdk-checksum-algorithm LifecycleConfiguration{Rule{ID Status Prefix Filter{*} Expiration{*} NoncurrentVersionExpiration{*} AbortIncompleteMultipartUpload{*}}}").
			Keeps("x-amz-transition-default-minimum-object-size", "objects are in one storage class and don't move").
			Checks(func(in *s3.PutBucketLifecycleConfigurationInput) []error { return lifecycleFaults(in) }),
		wire.Op("DeleteBucketLifecycle", a.DeleteBucketLifecycle).On(bucket).Takes(named),
		wire.Op("GetBucketCors", a.GetBucketCors).On(bucket).Takes(named),
		wire.Op("PutBucketCors", a.PutBucketCors).On(bucket).Takes(put + "CORSConfiguration{CORSRule{*}}").
			Checks(func(in *s3.PutBucketCorsInput) []error { return corsFaults(in) }),
		wire.Op("DeleteBucketCors", a.DeleteBucketCors).On(bucket).Takes(named),
	}
}

// view reads the bucket that a request names.
func view[O any](ctx context.Context, a API, name, owner *string, f func(*record.Bucket) (*O, error)) (*O, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*O, error) {
		b, err := a.Bucket(tx, name, owner)
		if err != nil {
			return nil, err
		}
		return f(&b)
	})
}

// change changes the bucket that a request names.
func change[O any](ctx context.Context, a API, name, owner *string, f func(*record.Bucket) error) (*O, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*O, error) {
		return new(O), a.Change(tx, name, owner, f)
	})
}

// none is the error for a configuration that isn't there.
func none(code, message string, b *record.Bucket) error {
	return record.Tell(code, message, nil, "BucketName", b.Name)
}

// GetBucketVersioning says whether old versions are kept.
func (a API) GetBucketVersioning(ctx context.Context, in *s3.GetBucketVersioningInput) (*s3.GetBucketVersioningOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetBucketVersioningOutput, error) {
		return &s3.GetBucketVersioningOutput{Status: b.Versioning}, nil
	})
}

// PutBucketVersioning has old versions kept from now on, or no more.
func (a API) PutBucketVersioning(ctx context.Context, in *s3.PutBucketVersioningInput) (*s3.PutBucketVersioningOutput, error) {
	return change[s3.PutBucketVersioningOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		status := in.VersioningConfiguration.Status
		if status == "" {
			return record.Fault("IllegalVersioningConfigurationException", "The Versioning element must be specified")
		}
		b.Versioning = status
		return nil
	})
}

// GetBucketEncryption says what objects are encrypted with where a request says nothing.
func (a API) GetBucketEncryption(ctx context.Context, in *s3.GetBucketEncryptionInput) (*s3.GetBucketEncryptionOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetBucketEncryptionOutput, error) {
		rule := types.ServerSideEncryptionRule{
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: b.Encryption.Algorithm},
			BucketKeyEnabled:                   &b.Encryption.BucketKey,
		}
		if b.Encryption.Key != "" {
			rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID = &b.Encryption.Key
		}
		return &s3.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}}}, nil
	})
}

// PutBucketEncryption sets that.
func (a API) PutBucketEncryption(ctx context.Context, in *s3.PutBucketEncryptionInput) (*s3.PutBucketEncryptionOutput, error) {
	rules := in.ServerSideEncryptionConfiguration.Rules
	if len(rules) != 1 || rules[0].ApplyServerSideEncryptionByDefault == nil {
		return nil, record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	if t := rules[0].BlockedEncryptionTypes; t != nil {
		for _, one := range t.EncryptionType {
			if one != types.EncryptionTypeSseC && one != types.EncryptionTypeNone {
				return nil, record.Fault("NotImplemented", "Blocking the encryption %s is not supported by Skylift.", one)
			}
		} // SSE-C is refused in any case
	}
	e := record.Encryption{Algorithm: rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm}
	if rules[0].BucketKeyEnabled != nil {
		e.BucketKey = *rules[0].BucketKeyEnabled
	}
	if key := rules[0].ApplyServerSideEncryptionByDefault.KMSMasterKeyID; key != nil {
		e.Key = *key
	}
	switch {
	case e.Algorithm == types.ServerSideEncryptionAes256 && e.Key != "":
		return nil, record.Invalid("ApplyServerSideEncryptionByDefault", e.Key, "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	case e.Algorithm != types.ServerSideEncryptionAes256 && e.Algorithm != types.ServerSideEncryptionAwsKms:
		return nil, record.Fault("NotImplemented", "The encryption %s is not supported by Skylift.", e.Algorithm)
	}
	return change[s3.PutBucketEncryptionOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Encryption = e
		return nil
	})
}

// DeleteBucketEncryption sets what a new bucket has.
func (a API) DeleteBucketEncryption(ctx context.Context, in *s3.DeleteBucketEncryptionInput) (*s3.DeleteBucketEncryptionOutput, error) {
	return change[s3.DeleteBucketEncryptionOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Encryption = record.Encryption{Algorithm: types.ServerSideEncryptionAes256}
		return nil
	})
}

// GetBucketOwnershipControls says whose the objects are.
func (a API) GetBucketOwnershipControls(ctx context.Context, in *s3.GetBucketOwnershipControlsInput) (*s3.GetBucketOwnershipControlsOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetBucketOwnershipControlsOutput, error) {
		if b.Ownership == "" {
			return nil, none("OwnershipControlsNotFoundError", "The bucket ownership controls were not found", b)
		}
		return &s3.GetBucketOwnershipControlsOutput{
			OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: b.Ownership}}},
		}, nil
	})
}

// PutBucketOwnershipControls sets that. All objects are the account's in any case.
func (a API) PutBucketOwnershipControls(ctx context.Context, in *s3.PutBucketOwnershipControlsInput) (*s3.PutBucketOwnershipControlsOutput, error) {
	if len(in.OwnershipControls.Rules) != 1 {
		return nil, record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return change[s3.PutBucketOwnershipControlsOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Ownership = in.OwnershipControls.Rules[0].ObjectOwnership
		return nil
	})
}

// DeleteBucketOwnershipControls removes them.
func (a API) DeleteBucketOwnershipControls(ctx context.Context, in *s3.DeleteBucketOwnershipControlsInput) (*s3.DeleteBucketOwnershipControlsOutput, error) {
	return change[s3.DeleteBucketOwnershipControlsOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Ownership = ""
		return nil
	})
}

// GetPublicAccessBlock says what of public access is blocked.
func (a API) GetPublicAccessBlock(ctx context.Context, in *s3.GetPublicAccessBlockInput) (*s3.GetPublicAccessBlockOutput, error) {
	return view(ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) (*s3.GetPublicAccessBlockOutput, error) {
		if b.Access == nil {
			return nil, none("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", b)
		}
		return &s3.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: &b.Access.ACLs, BlockPublicPolicy: &b.Access.Policy, IgnorePublicAcls: &b.Access.IgnoreACLs, RestrictPublicBuckets: &b.Access.Restrict,
		}}, nil
	})
}

// PutPublicAccessBlock sets that.
func (a API) PutPublicAccessBlock(ctx context.Context, in *s3.PutPublicAccessBlockInput) (*s3.PutPublicAccessBlockOutput, error) {
	is := func(b *bool) bool { return b != nil && *b }
	c := in.PublicAccessBlockConfiguration
	return change[s3.PutPublicAccessBlockOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Access = &record.AccessBlock{
			ACLs: is(c.BlockPublicAcls), Policy: is(c.BlockPublicPolicy), IgnoreACLs: is(c.IgnorePublicAcls), Restrict: is(c.RestrictPublicBuckets),
		}
		return nil
	})
}

// DeletePublicAccessBlock blocks nothing from now on.
func (a API) DeletePublicAccessBlock(ctx context.Context, in *s3.DeletePublicAccessBlockInput) (*s3.DeletePublicAccessBlockOutput, error) {
	return change[s3.DeletePublicAccessBlockOutput](ctx, a, in.Bucket, in.ExpectedBucketOwner, func(b *record.Bucket) error {
		b.Access = nil
		return nil
	})
}
