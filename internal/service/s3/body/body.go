// Package body writes and reads what objects are: bytes in files, encrypted under a key of the object's own, which is sealed
// by the instance or by KMS.
//
// What a request says of its bytes, their checksums for one, holds for what was written, or nothing is.
package body

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/wire"
)

// keys is KMS: it seals under the key that is named, or under S3's own when none is, and returns the ciphertext and the key's
// ARN.
type keys interface {
	Seal(ctx context.Context, key string, context map[string]string, plain []byte) (sealed []byte, keyARN string, err error)
	Open(ctx context.Context, context map[string]string, sealed []byte) ([]byte, error)
}

// Bodies writes and reads bodies.
type Bodies struct {
	Files *blob.Store
	seal  *seal.Sealer
	keys  keys
}

// New returns one whose files are those, with keys sealed by s or by k.
func New(files *blob.Store, s *seal.Sealer, k keys) *Bodies { return &Bodies{files, s, k} }

// Wish is what a request says of encryption.
type Wish struct {
	Algorithm types.ServerSideEncryption
	KeyID     *string
	BucketKey *bool
	Context   *string // JSON in base64
}

// NewKey makes the key of an object and returns it plain and sealed, by what the request says or the bucket has for objects of
// which nothing is said (https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html).
func (b *Bodies) NewKey(ctx context.Context, bucket *record.Bucket, key string, w Wish) (record.Seal, []byte, error) {
	return b.Reseal(ctx, bucket, key, w, blob.NewKey())
}

// Reseal is NewKey for the bytes that are encrypted under plain already.
func (b *Bodies) Reseal(ctx context.Context, bucket *record.Bucket, key string, w Wish, plain []byte) (record.Seal, []byte, error) {
	s := record.Seal{Algorithm: w.Algorithm, BucketKey: w.BucketKey != nil && *w.BucketKey}
	ref := ""
	switch {
	case w.KeyID != nil:
		ref = *w.KeyID
	case w.Algorithm == "":
		s.Algorithm, ref = bucket.Encryption.Algorithm, bucket.Encryption.Key
	case w.Algorithm == bucket.Encryption.Algorithm:
		ref = bucket.Encryption.Key
	}
	if w.BucketKey == nil {
		s.BucketKey = bucket.Encryption.BucketKey
	}
	switch s.Algorithm {
	case types.ServerSideEncryptionAes256:
		if w.KeyID != nil || w.Context != nil {
			return s, nil, record.Invalid("x-amz-server-side-encryption", "AES256", "The encryption method specified is not supported")
		}
		s.BucketKey = false
		s.Name = id.Hex(32)
		s.DataKey = b.seal.Seal("object/"+s.Name, plain)
		return s, plain, nil
	case types.ServerSideEncryptionAwsKms:
	default:
		return s, nil, record.Fault("NotImplemented", "The encryption %s is not supported by Skylift.", s.Algorithm)
	}
	var err error
	if s.Context, err = encryptionContext(w.Context, bucket, key, s.BucketKey); err != nil {
		return s, nil, err
	}
	s.DataKey, s.KeyARN, err = b.keys.Seal(ctx, ref, s.Context, plain)
	return s, plain, ofKMS(err)
}

// arnKey is what S3 adds to the context of KMS.
const arnKey = "aws:s3:arn"

func encryptionContext(said *string, bucket *record.Bucket, key string, bucketKey bool) (map[string]string, error) {
	all := map[string]string{}
	if said != nil {
		text, err := base64.StdEncoding.DecodeString(*said)
		if err == nil {
			err = json.Unmarshal(text, &all)
		}
		if err != nil || all == nil { // JSON's null is no map
			return nil, record.Invalid("x-amz-server-side-encryption-context", *said, "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map")
		}
	}
	if all[arnKey] == "" {
		all[arnKey] = record.ObjectARN(bucket.Name, key)
		if bucketKey {
			all[arnKey] = bucket.ARN()
		}
	}
	return all, nil
}

// Key opens the key of an object.
func (b *Bodies) Key(ctx context.Context, s record.Seal) ([]byte, error) {
	if s.Algorithm == types.ServerSideEncryptionAwsKms {
		plain, err := b.keys.Open(ctx, maps.Clone(s.Context), s.DataKey)
		return plain, ofKMS(err)
	}
	plain, err := b.seal.Open("object/"+s.Name, s.DataKey)
	if err != nil {
		return nil, fmt.Errorf("open the key of an object: %w", err)
	}
	return plain, nil
}

// ofKMS gives an error of KMS the code that S3 answers with.
func ofKMS(err error) error {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err
	}
	code := e.ErrorCode()
	if code == "AccessDeniedException" {
		return record.Fault("AccessDenied", "%s", e.ErrorMessage())
	}
	return record.Fault("KMS."+code, "%s", e.ErrorMessage())
}

// Written is a body that is on stable storage. Its file is held until it is let go.
type Written struct {
	File string
	Size int64
	ETag string
	Sums record.Sums
}

// Largest is how many bytes one upload may have
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html).
const Largest = 5 << 30

// Write writes what r has. Algorithm is that of the checksum that is wanted; "" is the one that the request says, or the usual
// one.
func (b *Bodies) Write(s record.Seal, key []byte, r io.Reader, algorithm string) (w Written, err error) {
	given, err := Said(r)
	if err != nil {
		return w, err
	}
	f, err := b.Files.Create(key)
	if err != nil {
		return w, Full(err)
	}
	defer func() {
		if err != nil {
			f.Abort()
		}
	}()
	digest := md5.New()
	own := hash.Hash(nil)
	to := io.MultiWriter(f, digest)
	if algorithm == "" {
		algorithm = cmp.Or(given, Usual)
	}
	if given != algorithm {
		own = NewSum(algorithm)
		to = io.MultiWriter(f, digest, own)
	}
	if r == nil {
		r = strings.NewReader("")
	}
	n, err := io.Copy(to, io.LimitReader(r, Largest+1))
	switch {
	case err != nil:
		return w, Full(err)
	case n > Largest:
		return w, TooLarge()
	}
	if err := f.Commit(); err != nil {
		return w, Full(err)
	}
	w = Written{File: f.ID(), Size: n, ETag: ETag(s, digest.Sum(nil)), Sums: record.Sums{}}
	if own != nil {
		w.Sums[algorithm] = base64.StdEncoding.EncodeToString(own.Sum(nil))
	} else {
		w.Sums[given] = wire.Sums(r).Get(sumHeader + given)
	}
	return w, nil
}

// TooLarge is the error for what is larger than one upload may be.
func TooLarge() error {
	return record.Tell("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", nil, "MaxSizeAllowed", fmt.Sprint(int64(Largest)))
}

// ETag is that of bytes with an MD5 digest: what KMS sealed doesn't tell it.
func ETag(s record.Seal, digest []byte) string {
	if s.Algorithm == types.ServerSideEncryptionAwsKms {
		return id.Hex(32)
	}
	return hex.EncodeToString(digest)
}

const sumHeader = "X-Amz-Checksum-"

// Said returns the algorithm of the checksum that a request's body must have; "" when it says none.
func Said(r io.Reader) (algorithm string, err error) {
	for name := range wire.Sums(r) {
		if algorithm != "" {
			return "", record.Fault("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		algorithm = strings.ToUpper(strings.TrimPrefix(name, sumHeader))
	}
	return algorithm, nil
}

// Full gives a full disk the error that callers are told.
func Full(err error) error {
	if errors.Is(err, blob.ErrFull) {
		return record.Fault("ServiceUnavailable", "Skylift can't store objects now: the disk of its data directory has no room for more.")
	}
	return err
}

// Open returns the bytes of an object from from up to but not including to. Parts are its parts, if it has some. blob.ErrGone
// says that its file went meanwhile.
func (b *Bodies) Open(key []byte, o *record.Object, parts []record.Part, from, to int64) (io.ReadCloser, error) {
	if o.Upload == "" {
		return b.Files.Open(o.File, key, o.Size, from, to)
	}
	var list []blob.Part
	at := int64(0)
	for _, p := range parts {
		a, z := max(from-at, 0), min(to-at, p.Size)
		if at += p.Size; a < z {
			list = append(list, blob.Part{ID: p.File, Size: p.Size, From: a, To: z})
		}
	}
	return b.Files.Chain(key, list)
}
