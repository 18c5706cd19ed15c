// Package objects writes, reads, copies and deletes objects.
package objects

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// API has the handlers.
type API struct{ *scope.Scope }

// What several operations take.
const (
	named = "Bucket Key x-amz-expected-bucket-owner x-amz-request-payer "
	head  = "Cache-Control Content-Disposition Content-Encoding Content-Language Content-Type Expires x-amz-meta- x-amz-tagging x-amz-website-redirect-location x-amz-acl " +
		"x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-bucket-key-enabled x-amz-server-side-encryption-context "
	sums = "x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 "
	read = named + "If-Match If-Modified-Since If-None-Match If-Unmodified-Since Range partNumber versionId x-amz-checksum-mode " +
		"response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires"
	classes = "objects of all storage classes are kept alike, and none is slow to read"
)

// What Lacks says of keys.
const (
	noGrants = "s3:AccessGrantsInstanceArn"
	noWhy    = "Skylift has no access grants, ACLs beyond the owner's and object lock, and refuses requests that say them"
)

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	return []wire.Operation{
		writes(wire.Op("PutObject", a.PutObject).OnThose("object", func(in *s3.PutObjectInput) []string { return on(in.Bucket, in.Key) }).
			Takes(named+head+sums+"Body Content-Length Content-MD5 If-Match If-None-Match x-amz-sdk-checksum-algorithm").
			Keys("s3:if-match: If-Match", "s3:if-none-match: If-None-Match").Lacks("s3:x-amz-copy-source s3:x-amz-metadata-directive", "it is no copy").
			Asks(func(_ context.Context, in *s3.PutObjectInput) []authz.Question {
				return Besides(in.Bucket, in.Key, in.Tagging, string(in.ACL))
			})),
		writes(wire.Op("CopyObject", a.CopyObject).OnThose("object", func(in *s3.CopyObjectInput) []string { return on(in.Bucket, in.Key) }).
			Takes(named+head+"If-Match If-None-Match x-amz-checksum-algorithm x-amz-copy-source x-amz-copy-source-if-match x-amz-copy-source-if-modified-since "+
				"x-amz-copy-source-if-none-match x-amz-copy-source-if-unmodified-since x-amz-metadata-directive x-amz-source-expected-bucket-owner x-amz-tagging-directive").
			Keys("s3:if-match: If-Match", "s3:if-none-match: If-None-Match", "s3:x-amz-copy-source: x-amz-copy-source", "s3:x-amz-metadata-directive: x-amz-metadata-directive").
			Asks(copying)),
		wire.Op("GetObject", a.GetObject).OnThose("object", func(in *s3.GetObjectInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.GetObjectInput) (string, string) { return versioned(in.VersionId, "GetObjectVersion") }).Takes(read).Lacks(noGrants, noWhy),
		wire.Op("HeadObject", a.HeadObject).OnThose("object", func(in *s3.HeadObjectInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.HeadObjectInput) (string, string) { return versioned(in.VersionId, "GetObjectVersion") }).Takes(read).Lacks(noGrants, noWhy),
		wire.Op("GetObjectAttributes", a.GetObjectAttributes).OnThose("object", func(in *s3.GetObjectAttributesInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.GetObjectAttributesInput) (string, string) {
				return versioned(in.VersionId, "GetObjectVersionAttributes")
			}).
			Takes(named + "versionId x-amz-max-parts x-amz-part-number-marker x-amz-object-attributes").
			Asks(func(_ context.Context, in *s3.GetObjectAttributesInput) []authz.Question {
				action := "s3:GetObject"
				if in.VersionId != nil {
					action = "s3:GetObjectVersion"
				}
				return []authz.Question{{Action: action, Resource: record.ObjectARN(*in.Bucket, *in.Key), Version: text(in.VersionId)}}
			}),
		wire.Op("DeleteObject", a.DeleteObject).OnThose("object", func(in *s3.DeleteObjectInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.DeleteObjectInput) (string, string) { return versioned(in.VersionId, "DeleteObjectVersion") }).
			Takes(named+"versionId If-Match x-amz-bypass-governance-retention").Keys("s3:if-match: If-Match").Lacks(noGrants, noWhy),
		wire.Op("DeleteObjects", a.DeleteObjects).Open().
			Takes("Bucket x-amz-expected-bucket-owner x-amz-request-payer x-amz-bypass-governance-retention x-amz-sdk-checksum-algorithm Delete{Quiet Object{Key VersionId ETag}}").
			Lacks(noGrants+" s3:if-match", noWhy),
		wire.Op("GetObjectTagging", a.GetObjectTagging).OnThose("object", func(in *s3.GetObjectTaggingInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.GetObjectTaggingInput) (string, string) {
				return versioned(in.VersionId, "GetObjectVersionTagging")
			}).Takes(named + "versionId"),
		wire.Op("PutObjectTagging", a.PutObjectTagging).OnThose("object", func(in *s3.PutObjectTaggingInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.PutObjectTaggingInput) (string, string) {
				return versioned(in.VersionId, "PutObjectVersionTagging")
			}).
			Takes(named+"versionId Content-MD5 x-amz-sdk-checksum-algorithm Tagging{TagSet{*}}").
			KeyFound("s3:RequestObjectTagKeys", func(_ context.Context, in *s3.PutObjectTaggingInput) []string { return tagKeys(in.Tagging) }).
			Lacks("s3:RequestObjectTag/<key>", "Skylift doesn't tell it to policies"),
		wire.Op("DeleteObjectTagging", a.DeleteObjectTagging).OnThose("object", func(in *s3.DeleteObjectTaggingInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.DeleteObjectTaggingInput) (string, string) {
				return versioned(in.VersionId, "DeleteObjectVersionTagging")
			}).
			Takes("Bucket Key x-amz-expected-bucket-owner versionId"),
		wire.Op("GetObjectAcl", a.GetObjectAcl).OnThose("object", func(in *s3.GetObjectAclInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.GetObjectAclInput) (string, string) { return versioned(in.VersionId, "GetObjectVersionAcl") }).Takes(named+"versionId").Lacks(noGrants, noWhy),
		wire.Op("PutObjectAcl", a.PutObjectAcl).OnThose("object", func(in *s3.PutObjectAclInput) []string { return on(in.Bucket, in.Key) }).
			Judged(func(in *s3.PutObjectAclInput) (string, string) { return versioned(in.VersionId, "PutObjectVersionAcl") }).
			Takes(named+"versionId Content-MD5 x-amz-sdk-checksum-algorithm x-amz-acl AccessControlPolicy{*}").Keys("s3:x-amz-acl: x-amz-acl").
			Lacks(noGrants+" s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp s3:x-amz-grant-write s3:x-amz-grant-write-acp s3:x-amz-storage-class", noWhy),
	}
}

// writes adds what is declared of all that write an object from headers.
func writes[I any](op wire.Declared[I]) wire.Operation { return Writes(op) }

// Writes adds to an operation that writes an object, or begins to, the condition keys and members that all such have.
func Writes[I any](op wire.Declared[I]) wire.Operation {
	return op.Keeps("x-amz-storage-class", classes).
		Keys("s3:x-amz-acl: x-amz-acl", "s3:x-amz-server-side-encryption: x-amz-server-side-encryption",
			"s3:x-amz-server-side-encryption-aws-kms-key-id: x-amz-server-side-encryption-aws-kms-key-id", "s3:x-amz-storage-class: x-amz-storage-class",
			"s3:x-amz-website-redirect-location: x-amz-website-redirect-location").
		Lacks(WriteLacks, noWhy)
}

// WriteLacks are the condition keys that no write tells.
const WriteLacks = noGrants + " s3:ObjectCreationOperation s3:RequestObjectTag/<key> s3:RequestObjectTagKeys s3:object-lock-event-hold s3:object-lock-event-hold-duration-days " +
	"s3:object-lock-legal-hold s3:object-lock-mode s3:object-lock-remaining-retention-days s3:object-lock-retain-until-date s3:x-amz-grant-full-control s3:x-amz-grant-read " +
	"s3:x-amz-grant-read-acp s3:x-amz-grant-write s3:x-amz-grant-write-acp s3:x-amz-object-annotation-directive s3:x-amz-server-side-encryption-customer-algorithm"

// on returns the ARN of the object that a request names.
func on(bucket, key *string) []string { return []string{record.ObjectARN(*bucket, *key)} }

// versioned is the action on a version, and that version, where a request names one
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html).
func versioned(id *string, action string) (name, version string) {
	if id == nil || *id == "" {
		return "", ""
	}
	return action, *id
}

// Besides asks for what else a write does: it may tag the object, and say whose it is.
func Besides(bucket, key, tags *string, acl string) (list []authz.Question) {
	if tags != nil && *tags != "" {
		list = append(list, authz.Question{Action: "s3:PutObjectTagging", Resource: record.ObjectARN(*bucket, *key)})
	}
	if acl != "" {
		list = append(list, authz.Question{Action: "s3:PutObjectAcl", Resource: record.ObjectARN(*bucket, *key), Keys: map[string][]string{"s3:x-amz-acl": {acl}}})
	}
	return list
}
