// Package record has S3's records: buckets, objects with their versions, multipart uploads and their parts.
//
// The current version of each key is a row under the bucket and the key, so that a listing is a range of rows in the order of
// the keys' bytes. Older versions are rows of another table, the newest of a key first. A row refers to files, and never the
// other way round: what no row refers to is garbage.
package record

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Bucket is a bucket's record, keyed by its name.
type Bucket struct {
	Name       string
	CreatedAt  time.Time
	Versioning types.BucketVersioningStatus `json:",omitempty"` // "" until it is first set
	Tags       handler.Tags
	Policy     string                `json:",omitempty"` // as it was sent
	Access     *AccessBlock          `json:",omitempty"`
	Ownership  types.ObjectOwnership `json:",omitempty"` // "": there are no ownership controls
	Encryption Encryption
	Lifecycle  *Lifecycle       `json:",omitempty"`
	CORS       []types.CORSRule `json:",omitempty"`
}

// Enforced says that ACLs are of no effect in the bucket.
func (b *Bucket) Enforced() bool { return b.Ownership == types.ObjectOwnershipBucketOwnerEnforced }

// ARN is the bucket's.
func (b *Bucket) ARN() string { return BucketARN(b.Name) }

// BucketARN is that of the bucket with that name.
func BucketARN(name string) string { return "arn:aws:s3:::" + name }

// ObjectARN is that of an object.
func ObjectARN(bucket, key string) string { return BucketARN(bucket) + "/" + key }

// AccessBlock is a bucket's public access block.
type AccessBlock struct{ ACLs, Policy, IgnoreACLs, Restrict bool }

// Encryption is what a bucket's objects are encrypted with where a request says nothing.
type Encryption struct {
	Algorithm types.ServerSideEncryption
	Key       string `json:",omitempty"` // of KMS, as it was given
	BucketKey bool   `json:",omitempty"`
}

// Lifecycle is a bucket's lifecycle configuration.
type Lifecycle struct {
	Rules   []types.LifecycleRule
	Minimum types.TransitionDefaultMinimumObjectSize `json:",omitempty"`
}

// Seal is what an object's bytes are encrypted with.
type Seal struct {
	Algorithm types.ServerSideEncryption
	KeyARN    string            `json:",omitempty"` // of KMS
	BucketKey bool              `json:",omitempty"`
	Context   map[string]string `json:",omitempty"` // of KMS
	Name      string            // that DataKey was sealed with
	DataKey   []byte            // that the files are encrypted under, sealed by KMS or by the instance
}

// Head is what an object has beside its bytes.
type Head struct {
	Type, Encoding, Language, Disposition, Cache string            `json:",omitempty"`
	Expires                                      *time.Time        `json:",omitempty"`
	Redirect                                     string            `json:",omitempty"`
	Meta                                         map[string]string `json:",omitempty"`
	Class                                        string            `json:",omitempty"`
}

// Object is a version of an object, or a delete marker.
type Object struct {
	Bucket, Key string
	ID          string // of the version; the newer one of two is the smaller
	Null        bool   `json:",omitempty"` // its id is shown as "null"
	Marker      bool   `json:",omitempty"`
	Modified    time.Time
	Size        int64
	ETag        string             `json:",omitempty"` // without quotes
	File        string             `json:",omitempty"`
	Upload      string             `json:",omitempty"` // whose parts it is made of, in place of a file
	Parts       string             `json:",omitempty"` // their numbers, as Numbers writes them
	Count       int                `json:",omitempty"` // of parts
	Sums        Sums               `json:",omitempty"`
	SumType     types.ChecksumType `json:",omitempty"`
	Seal        Seal
	Head        Head
	Tags        handler.Tags `json:",omitempty"`
}

// VersionID is the id that callers know the version by.
func (o *Object) VersionID() string {
	if o.Null {
		return NullVersion
	}
	return o.ID
}

// NullVersion is the id of the version that was written while versioning was off.
const NullVersion = "null"

// Quoted is the ETag as the wire has it.
func (o *Object) Quoted() string { return `"` + o.ETag + `"` }

// Upload is a multipart upload that is going on.
type Upload struct {
	Bucket, Key, ID string
	Made            time.Time `json:",omitzero"` // the bucket, which another one of that name may follow
	At              time.Time
	Initiator       string // ARN
	InitiatorID     string
	Algorithm       string             `json:",omitempty"` // of checksums
	SumType         types.ChecksumType `json:",omitempty"`
	Seal            Seal
	Head            Head
	Tags            handler.Tags `json:",omitempty"`
}

// In says whether an upload is to b, and not to an earlier bucket of that name.
func (u *Upload) In(b *Bucket) bool {
	return u.Bucket == b.Name && (u.Made.IsZero() || u.Made.Equal(b.CreatedAt))
}

// Part is a part of a multipart upload, or of the object that it was completed to.
type Part struct {
	Upload string
	Number int
	File   string
	Size   int64
	ETag   string // without quotes
	Sums   Sums   `json:",omitempty"`
	At     time.Time
}

// The tables.
var (
	Buckets = store.NewTable[Bucket]("s3-bucket")
	// Current has the current version of each key.
	Current = store.NewTable("s3-object", byUpload)
	// Older has the versions that aren't current.
	Older   = store.NewTable("s3-version", byUpload)
	Uploads = store.NewTable("s3-upload", store.Index[Upload]{Name: "id", Values: func(u Upload) []string { return []string{u.ID} }})
	Parts   = store.NewTable[Part]("s3-part")
)

var byUpload = store.Index[Object]{Name: "upload", Values: func(o Object) []string {
	if o.Upload == "" {
		return nil
	}
	return []string{o.Upload}
}}

// Tables are all that S3 keeps records in.
func Tables() []store.Schema { return []store.Schema{Buckets, Current, Older, Uploads, Parts} }
