package objects

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/authz"
)

// deleted is what became of one deletion.
type deleted struct {
	bucket record.Bucket
	marker bool    // what was made, or went, is a delete marker
	id     *string // of it, or of the version that went
	made   bool    // a delete marker was made
}

// remove deletes the version of an object that id names; without one, what is current, which leaves a delete marker where
// versions are kept (https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html).
func (a API) remove(ctx context.Context, bucket, owner *string, key string, id, match *string) (deleted, error) {
	if err := record.CheckKey(key); err != nil {
		return deleted{}, err
	}
	if id != nil && !record.IsVersion(*id) {
		return deleted{}, record.Invalid("versionId", *id, "Invalid version id specified")
	}
	at := time.Now().UTC()
	marker := record.Object{Bucket: *bucket, Key: key, ID: record.NewVersion(at), Marker: true, Modified: at.Truncate(time.Second)}
	var gone []record.Object
	d, err := handler.Update(ctx, a.DB, func(tx store.Tx) (d deleted, err error) {
		gone = nil
		if d.bucket, err = a.Bucket(tx, bucket, owner); err != nil {
			return d, err
		}
		if err := (scope.Conditions{Match: match}).Write(tx, *bucket, key); err != nil {
			return d, err
		}
		if id == nil && d.bucket.Versioning != "" {
			made := marker
			gone, err = record.Put(tx, &d.bucket, &made)
			d.marker, d.made, d.id = true, true, new(made.VersionID())
			return d, err
		}
		o, ok, err := record.Drop(tx, *bucket, key, text(id))
		if err != nil || !ok {
			d.id = id
			return d, err
		}
		gone = []record.Object{o}
		d.marker, d.id = o.Marker, scope.Shown(&d.bucket, &o)
		return d, nil
	})
	if err == nil {
		a.Discard(ctx, gone)
	}
	return d, err
}

// DeleteObject deletes an object, or one of its versions.
func (a API) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	d, err := a.remove(ctx, in.Bucket, in.ExpectedBucketOwner, *in.Key, in.VersionId, in.IfMatch)
	out := &s3.DeleteObjectOutput{VersionId: d.id}
	if d.marker {
		out.DeleteMarker = new(true)
	}
	return out, err
}

// mostKeys is how many objects one request may delete.
const mostKeys = 1000

// DeleteObjects deletes many. Each is judged for itself.
func (a API) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	if n := len(in.Delete.Objects); n == 0 || n > mostKeys {
		return nil, record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	_, err := handler.View(ctx, a.DB, func(tx store.Tx) (record.Bucket, error) { return a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner) })
	if err != nil {
		return nil, err
	}
	out := &s3.DeleteObjectsOutput{}
	for _, o := range in.Delete.Objects {
		action, judged := "s3:DeleteObject", record.ObjectARN(*in.Bucket, *o.Key)
		if o.VersionId != nil {
			action, judged = "s3:DeleteObjectVersion", judged+authz.VersionMark+*o.VersionId
		}
		err := caller.May(ctx, action, judged, nil)
		var d deleted
		if err == nil {
			d, err = a.remove(ctx, in.Bucket, nil, *o.Key, o.VersionId, o.ETag)
		}
		api, told := errors.AsType[smithy.APIError](err)
		switch {
		case err != nil && !told:
			return nil, err
		case err != nil:
			out.Errors = append(out.Errors, types.Error{Key: o.Key, VersionId: o.VersionId, Code: new(api.ErrorCode()), Message: new(api.ErrorMessage())})
		case in.Delete.Quiet != nil && *in.Delete.Quiet:
		default:
			one := types.DeletedObject{Key: o.Key, VersionId: o.VersionId}
			if d.marker {
				one.DeleteMarker, one.DeleteMarkerVersionId = new(true), d.id
			}
			out.Deleted = append(out.Deleted, one)
		}
	}
	return out, nil
}
