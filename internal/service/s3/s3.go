// Package s3 answers Amazon S3's API: buckets, and objects whose bytes are in files of this machine.
//
// What was acknowledged is on stable storage. An object is there whole or not at all. Bytes are encrypted in their files, and
// pass through memory piece by piece.
package s3

import (
	"context"
	"io"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/buckets"
	"github.com/skylift/skylift/internal/service/s3/config"
	"github.com/skylift/skylift/internal/service/s3/listing"
	"github.com/skylift/skylift/internal/service/s3/multipart"
	"github.com/skylift/skylift/internal/service/s3/objects"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

// keys is KMS.
type keys interface {
	Seal(ctx context.Context, key string, context map[string]string, plain []byte) (sealed []byte, keyARN string, err error)
	Open(ctx context.Context, context map[string]string, sealed []byte) ([]byte, error)
}

// Config is what S3 stands on.
type Config struct {
	DB        store.DB
	Namespace arn.Namespace
	Files     *blob.Store
	Seal      *seal.Sealer
	Keys      keys
	Endpoint  string // where objects are found: http://127.0.0.1:4566
}

// API has a handler for each operation.
type API struct {
	scope     *scope.Scope
	buckets   buckets.API
	config    config.API
	objects   objects.API
	multipart multipart.API
	listing   listing.API
	policies  policies
}

// New returns the API.
func New(c Config) *API {
	s := &scope.Scope{DB: c.DB, NS: c.Namespace, Bodies: body.New(c.Files, c.Seal, c.Keys), Endpoint: c.Endpoint}
	return &API{
		scope: s, buckets: buckets.API{Scope: s}, config: config.API{Scope: s}, objects: objects.API{Scope: s}, multipart: multipart.New(s), listing: listing.API{Scope: s},
	}
}

// Scope is what the loops of S3 work on.
func (a *API) Scope() *scope.Scope { return a.scope }

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return record.Tables() }

// answers are the condition keys that the gateway and Known tell of every request.
const answers = "s3:authType s3:signatureAge s3:signatureversion s3:TlsVersion s3:x-amz-content-sha256 s3:ResourceAccount s3:ExistingObjectTag/<key>"

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	var all []wire.Operation
	all = append(all, a.buckets.Operations()...)
	all = append(all, a.config.Operations()...)
	all = append(all, a.objects.Operations()...)
	all = append(all, a.multipart.Operations()...)
	all = append(all, a.listing.Operations()...)
	return wire.Known(answers, all)
}

// Read returns an object's bytes, and how many there are, for a part of Skylift that needs one: the file of an environment, say.
// The caller in ctx must be allowed to read it (caller.WithJudge), and is told S3's errors. Whoever has the bytes closes them.
func (a *API) Read(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error) {
	return a.objects.Read(ctx, bucket, key)
}

// Head returns how many bytes an object has, under the same rules as Read.
func (a *API) Head(ctx context.Context, bucket, key string) (int64, error) {
	return a.objects.Size(ctx, bucket, key)
}

// Write writes an object for a part of Skylift that delivers something, such as logs. The caller in ctx must be allowed to
// (caller.WithJudge).
func (a *API) Write(ctx context.Context, bucket, key string, content io.Reader) error {
	return a.objects.Write(ctx, bucket, key, content)
}

// split takes the ARN of a bucket or an object apart.
func split(ref string) (bucket, key string, ok bool) {
	rest, ok := strings.CutPrefix(ref, record.BucketARN(""))
	bucket, key, _ = strings.Cut(rest, "/")
	return bucket, key, ok && bucket != ""
}

// Known returns the tags of the bucket with that ARN, or of an object as condition keys; none when there is no such one. They
// are those of the version that stands behind the ARN, or of the current one.
func (a *API) Known(tx store.Tx, ref string) (tags, keys map[string]string, err error) {
	ref, version, _ := strings.Cut(ref, authz.VersionMark)
	bucket, key, ok := split(ref)
	if !ok || key == "" { // a bucket's tags decide only where it is set to (attribute-based access control)
		return nil, nil, nil
	}
	o, ok, err := record.Version(tx, bucket, key, version)
	if err != nil || !ok {
		return nil, nil, err
	}
	keys = map[string]string{}
	for k, v := range o.Tags {
		keys["s3:ExistingObjectTag/"+k] = v
	}
	return nil, keys, nil
}

// Tagged calls each with the ARN and the tags of every bucket that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, record.Buckets, each, func(b *record.Bucket) (string, handler.Tags) { return b.ARN(), b.Tags })
}

// Tag adds tags to a bucket.
func (a *API) Tag(ctx context.Context, ref string, tags map[string]string) error {
	return a.retag(ctx, ref, func(has handler.Tags) (handler.Tags, error) {
		return scope.BucketTags.Add(has, handler.Sorted(tags))
	})
}

// Untag removes tags from a bucket.
func (a *API) Untag(ctx context.Context, ref string, keys []string) error {
	return a.retag(ctx, ref, func(has handler.Tags) (handler.Tags, error) { return handler.Without(has, keys), nil })
}

func (a *API) retag(ctx context.Context, ref string, change func(handler.Tags) (handler.Tags, error)) error {
	bucket, key, ok := split(ref)
	if !ok || key != "" {
		return record.NoBucket(ref)
	}
	_, err := handler.Update(ctx, a.scope.DB, func(tx store.Tx) (handler.Tags, error) {
		return handler.Retag(tx, record.Buckets, bucket, record.NoBucket, func(b *record.Bucket) *handler.Tags { return &b.Tags }, change)
	})
	return err
}
