package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/s3"
	"github.com/skylift/skylift/internal/service/s3/expire"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

var ns = arn.Namespace{Region: "us-west-2", Account: "123456789012"}

// served is S3 behind a gateway, as root sees it.
type served struct {
	*awss3.Client
	api   *s3.API
	files string
	url   string
}

const (
	keyID  = "AKIAIOSFODNN7EXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// vault is a KMS with two keys.
type vault struct{ s *seal.Sealer }

func (v vault) Seal(_ context.Context, key string, with map[string]string, plain []byte) ([]byte, string, error) {
	switch key {
	case "":
		key = "aws/s3"
	case "alias/tea":
	default:
		return nil, "", &smithy.GenericAPIError{Code: "NotFoundException", Message: "Invalid keyId '" + key + "'"}
	}
	return v.s.Seal(fmt.Sprint(with), plain), "arn:aws:kms:us-west-2:123456789012:key/" + key, nil
}

func (v vault) Open(_ context.Context, with map[string]string, sealed []byte) ([]byte, error) {
	return v.s.Open(fmt.Sprint(with), sealed)
}

// keys knows root's key, and that of a user without policies.
type keys struct{}

const adasID = "AKIAI44QH8DHBEXAMPLE"

func (keys) Lookup(id, _ string) (caller.Caller, string, error) {
	switch id {
	case adasID:
		return caller.Caller{Account: ns.Account, ARN: "arn:aws:iam::123456789012:user/ada", UserID: "AIDAADA", AccessKeyID: id}, secret, nil
	case keyID:
		return caller.Caller{Account: ns.Account, ARN: "arn:aws:iam::123456789012:root", UserID: ns.Account, AccessKeyID: id}, secret, nil
	}
	return caller.Caller{}, "", caller.ErrUnknownKey
}

// known is what the daemon tells of resources.
func known(api *s3.API) authz.Lookup {
	return func(ctx context.Context, arns []string) (map[string]authz.Known, error) {
		found := map[string]authz.Known{}
		return found, api.Scope().DB.View(ctx, func(tx store.Tx) error {
			for _, ref := range arns {
				_, keys, err := api.Known(tx, ref)
				if err != nil {
					return err
				}
				found[ref] = authz.Known{Keys: keys}
			}
			return nil
		})
	}
}

func serve(t *testing.T) served {
	t.Helper()
	dir := t.TempDir()
	files, err := blob.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	api := s3.New(s3.Config{DB: memstore.New(), Namespace: ns, Files: files, Seal: seal.NewKey().For("s3"), Keys: vault{seal.NewKey().For("kms")}, Endpoint: "http://localhost"})
	w, err := wire.NewService("s3", api.Operations()...)
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(gateway.Config{Region: ns.Region, Keys: keys{}, Objects: api, Known: known(api), Services: []*wire.Service{w}, Log: slog.New(slog.DiscardHandler)})
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	client := awss3.New(awss3.Options{
		Region: ns.Region, BaseEndpoint: &srv.URL, UsePathStyle: true, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
		}), RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	})
	return served{client, api, dir, srv.URL}
}

func (s served) bucket(t *testing.T, name string) *string {
	t.Helper()
	_, err := s.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(ns.Region)}})
	if err != nil {
		t.Fatal(err)
	}
	return &name
}

func (s served) put(t *testing.T, bucket *string, key, content string) *awss3.PutObjectOutput {
	t.Helper()
	out, err := s.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s served) get(t *testing.T, in *awss3.GetObjectInput) string {
	t.Helper()
	out, err := s.GetObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// swept holds that no file is left that nothing refers to.
func (s served) swept(t *testing.T) {
	t.Helper()
	for range 2 { // the second one removes what the first one found
		if n, err := (&expire.Sweeper{Scope: s.api.Scope()}).Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("%d files were left, %v", n, err)
		}
	}
}

// code is an error's.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-pots"), t.Context()
	key := "a b/ü+%2F?&=.txt"
	content := strings.Repeat("Earl Grey ", 20000)
	out, err := s.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: b, Key: &key, Body: strings.NewReader(content), ContentType: aws.String("text/tea"), Metadata: map[string]string{"Leaf": "loose"}, Tagging: aws.String("kind=black&x=1%2B1"), CacheControl: aws.String("no-store"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ETag != `"ef0d8f537c0632b6a3ea9cd99aed9829"` || out.ServerSideEncryption != "AES256" || out.ChecksumCRC32 == nil {
		t.Errorf("put: %s %s %v", *out.ETag, out.ServerSideEncryption, out.ChecksumCRC32)
	}
	head, err := s.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: b, Key: &key, ChecksumMode: "ENABLED"})
	if err != nil {
		t.Fatal(err)
	}
	if *head.ContentLength != int64(len(content)) || *head.ContentType != "text/tea" || head.Metadata["leaf"] != "loose" || *head.TagCount != 2 || *head.CacheControl != "no-store" || aws.ToString(head.ChecksumCRC32) != *out.ChecksumCRC32 {
		t.Errorf("head: %+v", head)
	}
	if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &key}); got != content {
		t.Errorf("got %d other bytes", len(got))
	}
	for r, want := range map[string]string{"bytes=70000-70009": content[70000:70010], "bytes=-5": content[len(content)-5:], "bytes=199995-": content[199995:], "bytes=199998-9223372036854775807": content[199998:], "bytes=0-1,4-5": content} {
		if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &key, Range: &r}); got != want {
			t.Errorf("%s: got %d bytes, want %d", r, len(got), len(want))
		}
	}
	_, err = s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: &key, Range: aws.String("bytes=200000-")})
	wantCode(t, "a range behind the end", err, "InvalidRange")
	_, err = s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: &key, IfNoneMatch: out.ETag})
	if r, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); !ok || r.HTTPStatusCode() != 304 {
		t.Errorf("not modified: %v", err)
	}
	_, err = s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: &key, IfMatch: aws.String(`"x"`)})
	wantCode(t, "another ETag", err, "PreconditionFailed")
	_, err = s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, IfNoneMatch: aws.String("*"), Body: strings.NewReader("x")})
	wantCode(t, "it is there", err, "PreconditionFailed")
	_, err = s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: aws.String("no"), IfMatch: out.ETag, Body: strings.NewReader("x")})
	wantCode(t, "it isn't there", err, "NoSuchKey")
	_, err = s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("no")})
	wantCode(t, "no key", err, "NoSuchKey")
	_, err = s.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String("no-such"), Key: &key, Body: strings.NewReader("x")})
	wantCode(t, "no bucket", err, "NoSuchBucket")
	_, err = s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, ACL: "public-read", Body: strings.NewReader("x")})
	wantCode(t, "an ACL", err, "AccessControlListNotSupported")
	tags, err := s.GetObjectTagging(ctx, &awss3.GetObjectTaggingInput{Bucket: b, Key: &key})
	if err != nil || len(tags.TagSet) != 2 || *tags.TagSet[1].Value != "1+1" {
		t.Errorf("tags %+v, %v", tags, err)
	}
	about, err := s.GetObjectAttributes(ctx, &awss3.GetObjectAttributesInput{Bucket: b, Key: &key, ObjectAttributes: []types.ObjectAttributes{"ETag", "ObjectSize", "Checksum", "StorageClass"}})
	if err != nil || *about.ObjectSize != int64(len(content)) || about.Checksum.ChecksumCRC32 == nil || about.StorageClass != "STANDARD" {
		t.Errorf("attributes %+v, %v", about, err)
	}
	to := "copy"
	_, err = s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: &to, CopySource: aws.String(*b + "/a%20b/%C3%BC%2B%252F%3F%26%3D.txt")})
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"%2Fa%20b%2F%C3%BC%2B%252F%3F%26%3D.txt", "%2fa%20b/%C3%BC%2B%252F%3F%26%3D.txt"} { // as Terraform's provider encodes it
		if _, err = s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: &to, CopySource: aws.String(*b + source)}); err != nil {
			t.Errorf("a copy of %s: %v", source, err)
		}
	}
	for _, none := range []string{*b, *b + "%2F"} {
		_, err = s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: &to, CopySource: &none})
		wantCode(t, "a copy of "+none, err, "InvalidArgument")
	}
	_, err = s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: &to, CopySource: aws.String(*b + "/copy")})
	wantCode(t, "a copy onto itself", err, "InvalidRequest")
	_, err = s.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: b})
	wantCode(t, "a bucket with objects", err, "BucketNotEmpty")
	if _, err = s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: &key}); err != nil {
		t.Fatal(err)
	}
	if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &to}); got != content {
		t.Errorf("the copy has %d other bytes", len(got))
	}
	_, err = s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: aws.String("a\x00b")})
	wantCode(t, "delete what can't be a key", err, "InvalidURI")
	many, err := s.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: &to}, {Key: aws.String("no")}}}})
	if err != nil || len(many.Deleted) != 2 || len(many.Errors) != 0 {
		t.Errorf("%+v, %v", many, err)
	}
	if _, err = s.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: b}); err != nil {
		t.Error(err)
	}
	s.swept(t)
}

func TestListing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-list"), t.Context()
	for _, key := range []string{"a", "a/1", "a/2", "a/b/3", "b", "c/1", "c/2", "é", "z&<>"} {
		s.put(t, b, key, key)
	}
	list := func(in *awss3.ListObjectsV2Input) (got []string) {
		t.Helper()
		in.Bucket = b
		for p := awss3.NewListObjectsV2Paginator(s.Client, in); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out.Contents {
				got = append(got, *o.Key)
			}
			for _, c := range out.CommonPrefixes {
				got = append(got, *c.Prefix+"*")
			}
		}
		return got
	}
	for _, tc := range []struct {
		in   awss3.ListObjectsV2Input
		want string
	}{
		{awss3.ListObjectsV2Input{}, "a a/1 a/2 a/b/3 b c/1 c/2 z&<> é"},
		{awss3.ListObjectsV2Input{MaxKeys: aws.Int32(2)}, "a a/1 a/2 a/b/3 b c/1 c/2 z&<> é"},
		{awss3.ListObjectsV2Input{Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)}, "a a/* b c/* z&<> é"},
		{awss3.ListObjectsV2Input{Delimiter: aws.String("/"), Prefix: aws.String("a/")}, "a/1 a/2 a/b/*"},
		{awss3.ListObjectsV2Input{StartAfter: aws.String("a/2"), EncodingType: "url"}, "a/b/3 b c/1 c/2 z%26%3C%3E %C3%A9"},
		{awss3.ListObjectsV2Input{Delimiter: aws.String("/"), StartAfter: aws.String("a/1")}, "b z&<> é c/*"},
		{awss3.ListObjectsV2Input{Prefix: aws.String("q")}, ""},
	} {
		if got := strings.Join(list(&tc.in), " "); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.in, got, tc.want)
		}
	}
	one, err := s.ListObjects(ctx, &awss3.ListObjectsInput{Bucket: b, Delimiter: aws.String("/"), MaxKeys: aws.Int32(2)})
	if err != nil || aws.ToString(one.NextMarker) != "a/" {
		t.Errorf("%+v, %v", one, err)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx, key := s.bucket(t, "tea-versions"), t.Context(), "k"
	s.put(t, b, key, "null")
	version := func(status types.BucketVersioningStatus) {
		t.Helper()
		if _, err := s.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: status}}); err != nil {
			t.Fatal(err)
		}
	}
	version("Enabled")
	one, two := s.put(t, b, key, "one"), s.put(t, b, key, "two")
	gone, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: &key})
	if err != nil || !aws.ToBool(gone.DeleteMarker) || gone.VersionId == nil {
		t.Fatalf("%+v, %v", gone, err)
	}
	_, err = s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: &key})
	wantCode(t, "hidden by a marker", err, "NoSuchKey")
	_, err = s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: &key, VersionId: gone.VersionId})
	wantCode(t, "a marker", err, "MethodNotAllowed")
	for id, want := range map[string]string{"null": "null", *one.VersionId: "one", *two.VersionId: "two"} {
		if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &key, VersionId: &id}); got != want {
			t.Errorf("version %s: %q, want %q", id, got, want)
		}
	}
	all := func() (ids []string) {
		t.Helper()
		for p := awss3.NewListObjectVersionsPaginator(s.Client, &awss3.ListObjectVersionsInput{Bucket: b, MaxKeys: aws.Int32(1)}); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range out.Versions {
				ids = append(ids, *v.VersionId)
			}
			for range out.DeleteMarkers {
				ids = append(ids, "marker")
			}
		}
		return ids
	}
	if diff := cmp.Diff([]string{"marker", *two.VersionId, *one.VersionId, "null"}, all()); diff != "" {
		t.Error(diff)
	}
	if _, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: &key, VersionId: gone.VersionId}); err != nil {
		t.Fatal(err)
	}
	if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &key}); got != "two" {
		t.Errorf("after the marker went: %q", got)
	}
	version("Suspended")
	s.put(t, b, key, "again")
	if diff := cmp.Diff([]string{"null", *two.VersionId, *one.VersionId}, all()); diff != "" {
		t.Error(diff)
	}
	for _, id := range all() {
		if _, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: &key, VersionId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: b}); err != nil {
		t.Error(err)
	}
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx, key := s.bucket(t, "tea-parts"), t.Context(), "big"
	for _, tc := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
	}{{"", ""}, {"CRC32", "COMPOSITE"}, {"CRC32", "FULL_OBJECT"}, {"SHA256", ""}} {
		up, err := s.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: b, Key: &key, ChecksumAlgorithm: tc.algorithm, ChecksumType: tc.kind, ContentType: aws.String("a/b")})
		if err != nil {
			t.Fatal(err)
		}
		var whole bytes.Buffer
		var list []types.CompletedPart
		for n, size := range []int{5 << 20, 5<<20 + 7, 99, 3} {
			part := bytes.Repeat([]byte{byte('a' + n)}, size)
			out, err := s.UploadPart(ctx, &awss3.UploadPartInput{Bucket: b, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(int32(n + 1)), Body: bytes.NewReader(part), ChecksumAlgorithm: tc.algorithm})
			if err != nil {
				t.Fatal(err)
			}
			if n < 3 {
				whole.Write(part)
				list = append(list, types.CompletedPart{PartNumber: aws.Int32(int32(n + 1)), ETag: out.ETag})
			}
		}
		in := &awss3.CompleteMultipartUploadInput{Bucket: b, Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{list[1], list[0]}}}
		_, err = s.CompleteMultipartUpload(ctx, in)
		wantCode(t, "order", err, "InvalidPartOrder")
		in.MultipartUpload.Parts = []types.CompletedPart{list[0], {PartNumber: aws.Int32(9), ETag: list[1].ETag}}
		_, err = s.CompleteMultipartUpload(ctx, in)
		wantCode(t, "a part that isn't there", err, "InvalidPart")
		in.MultipartUpload.Parts = list
		done, err := s.CompleteMultipartUpload(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.CompleteMultipartUpload(ctx, in)
		if err != nil || *again.ETag != *done.ETag || !strings.HasSuffix(*done.ETag, `-3"`) {
			t.Errorf("again: %+v, %v", again, err)
		}
		if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &key, ChecksumMode: "ENABLED"}); got != whole.String() {
			t.Errorf("got %d bytes, want %d", len(got), whole.Len())
		}
		if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &key, Range: aws.String("bytes=5242870-5242889")}); got != whole.String()[5242870:5242890] {
			t.Errorf("a range over parts: %q", got)
		}
		head, err := s.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: b, Key: &key, PartNumber: aws.Int32(2)})
		if err != nil || *head.PartsCount != 3 || *head.ContentLength != 5<<20+7 {
			t.Errorf("part 2: %+v, %v", head, err)
		}
	}
	to := "copied"
	if _, err := s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: &to, CopySource: aws.String(*b + "/" + key)}); err != nil {
		t.Fatal(err)
	}
	up, err := s.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: b, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: b, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String(*b + "/" + to), CopySourceRange: aws.String("bytes=1-99999999999")})
	wantCode(t, "a range beyond the source", err, "InvalidArgument")
	part, err := s.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: b, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String(*b + "/" + to), CopySourceRange: aws.String("bytes=1-3")})
	if err != nil || part.CopyPartResult.ETag == nil {
		t.Fatalf("%+v, %v", part, err)
	}
	parts, err := s.ListParts(ctx, &awss3.ListPartsInput{Bucket: b, Key: &key, UploadId: up.UploadId})
	if err != nil || len(parts.Parts) != 1 || *parts.Parts[0].Size != 3 {
		t.Errorf("%+v, %v", parts, err)
	}
	ups, err := s.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: b})
	if err != nil || len(ups.Uploads) != 1 || *ups.Uploads[0].UploadId != *up.UploadId {
		t.Errorf("%+v, %v", ups, err)
	}
	if _, err := s.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: b, Key: &key, UploadId: up.UploadId}); err != nil {
		t.Fatal(err)
	}
	_, err = s.ListParts(ctx, &awss3.ListPartsInput{Bucket: b, Key: &key, UploadId: up.UploadId})
	wantCode(t, "given up", err, "NoSuchUpload")
	s.swept(t)
}
