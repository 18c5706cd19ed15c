package s3_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/store"
)

// A client empties a bucket page by page: the version that a page ends with is gone when the next one is asked for.
func TestVersionsAreDeletedPageByPage(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-empty"), t.Context()
	version := func(status types.BucketVersioningStatus) {
		t.Helper()
		if _, err := s.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: status}}); err != nil {
			t.Fatal(err)
		}
	}
	keys := []string{"a", "b"}
	for _, status := range []types.BucketVersioningStatus{"Enabled", "Enabled", "Suspended", "Enabled", "Enabled", "Suspended"} {
		version(status)
		for _, key := range keys {
			s.put(t, b, key, "x")
		}
	}
	for size := int32(1); size <= 3; size++ {
		n := 0
		for p := awss3.NewListObjectVersionsPaginator(s.Client, &awss3.ListObjectVersionsInput{Bucket: b, MaxKeys: aws.Int32(size)}); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range out.Versions {
				n++
				if _, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: v.Key, VersionId: v.VersionId}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n != 5*len(keys) { // of the null versions, the later one is left
			t.Errorf("pages of %d: %d versions were listed", size, n)
		}
		version("Enabled")
		for range 4 {
			for _, key := range keys {
				s.put(t, b, key, "x")
			}
		}
		version("Suspended")
		for _, key := range keys {
			s.put(t, b, key, "x")
		}
	}
}

// TestAMarkerThatSaysNoPlace: null, where no version is, leaves nothing of the key out.
func TestAMarkerThatSaysNoPlace(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-null"), t.Context()
	list := func() (n int) {
		t.Helper()
		out, err := s.ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{Bucket: b, KeyMarker: aws.String("k"), VersionIdMarker: aws.String("null")})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Versions)
	}
	s.put(t, b, "k", "null")
	if _, err := s.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}}); err != nil {
		t.Fatal(err)
	}
	s.put(t, b, "k", "1")
	s.put(t, b, "k", "2")
	if n := list(); n != 0 {
		t.Errorf("%d versions behind the oldest one", n)
	}
	if _, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: b, Key: aws.String("k"), VersionId: aws.String("null")}); err != nil {
		t.Fatal(err)
	}
	if n := list(); n != 2 {
		t.Errorf("%d versions behind one that went, want both", n)
	}
}

func TestUploadsEndWithTheirBucket(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx, key := s.bucket(t, "tea-again"), t.Context(), "k"
	up, err := s.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: b, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	part := func() error {
		_, err := s.UploadPart(ctx, &awss3.UploadPartInput{Bucket: b, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
		return err
	}
	uploads := func() int {
		t.Helper()
		list, err := s.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: b})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Uploads)
	}
	if err := part(); err != nil || uploads() != 1 {
		t.Errorf("%d uploads, %v", uploads(), err)
	}
	if _, err := s.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	s.bucket(t, *b)
	wantCode(t, "a part of an upload to the earlier bucket", part(), "NoSuchUpload")
	if n := uploads(); n != 0 {
		t.Errorf("%d uploads to the earlier bucket are listed", n)
	}
	s.swept(t)
	parts, err := handler.View(ctx, s.api.Scope().DB, func(tx store.Tx) ([]record.Part, error) { return record.Parts.List(tx, "") })
	if err != nil || len(parts) > 0 {
		t.Errorf("parts are left: %+v, %v", parts, err)
	}
}
