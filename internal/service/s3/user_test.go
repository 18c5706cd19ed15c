package s3_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A version that was replaced by one without the tag is still denied by its own tag, and the other way round.
func TestAVersionIsJudgedByItsOwnTags(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx, key := s.bucket(t, "tea-drafts"), t.Context(), "k"
	if _, err := s.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}}); err != nil {
		t.Fatal(err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::tea-drafts/*",
		"Condition":{"StringEquals":{"s3:ExistingObjectTag/kind":"draft"}}}]}`
	if _, err := s.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: b, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	put := func(tags string) *string {
		t.Helper()
		out, err := s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader("x"), Tagging: &tags})
		if err != nil {
			t.Fatal(err)
		}
		return out.VersionId
	}
	get := func(id *string) error {
		_, err := s.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: b, Key: &key, VersionId: id})
		return err
	}
	copied := func(id *string) error {
		_, err := s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String(*b + "/k?versionId=" + *id)})
		return err
	}
	draft, final := put("kind=draft"), put("kind=final")
	if err := errors.Join(get(nil), get(final), copied(final)); err != nil {
		t.Errorf("the final version: %v", err)
	}
	wantCode(t, "a copy of the draft", copied(draft), "AccessDenied")
	if err := get(draft); err == nil {
		t.Error("the draft is read")
	}
	put("kind=draft")
	if err := get(final); err != nil {
		t.Errorf("the final version behind a draft: %v", err)
	}
	if err := get(nil); err == nil {
		t.Error("the current draft is read")
	}
}

// TestDeletingManyAsksForEachVersion: of a list of versions, each is denied by its own tags.
func TestDeletingManyAsksForEachVersion(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx, key := s.bucket(t, "tea-kept"), t.Context(), "k"
	if _, err := s.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}}); err != nil {
		t.Fatal(err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObjectVersion","Resource":"arn:aws:s3:::tea-kept/*",
		"Condition":{"StringEquals":{"s3:ExistingObjectTag/keep":"yes"}}}]}`
	if _, err := s.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: b, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	var ids []types.ObjectIdentifier
	for _, tags := range []string{"keep=yes", "keep=no", "keep=yes", "keep=no"} {
		out, err := s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader("x"), Tagging: &tags})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, types.ObjectIdentifier{Key: &key, VersionId: out.VersionId})
	}
	out, err := s.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: ids}})
	if err != nil {
		t.Fatal(err)
	}
	var went, stayed []string
	for _, d := range out.Deleted {
		went = append(went, *d.VersionId)
	}
	for _, e := range out.Errors {
		stayed = append(stayed, *e.Code, *e.VersionId)
	}
	if want := []string{*ids[1].VersionId, *ids[3].VersionId}; !slices.Equal(went, want) {
		t.Errorf("deleted %v, want %v", went, want)
	}
	if want := []string{"AccessDenied", *ids[0].VersionId, "AccessDenied", *ids[2].VersionId}; !slices.Equal(stayed, want) {
		t.Errorf("denied %v, want %v", stayed, want)
	}
}

// TestAUserMayWhatTheBucketsPolicySays has a user whose own policies say nothing.
func TestAUserMayWhatTheBucketsPolicySays(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-ada"), t.Context()
	s.put(t, b, "in/k", "x")
	s.put(t, b, "secret/k", "y")
	o := s.Options()
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: adasID, SecretAccessKey: secret}, nil
	})
	ada := served{awss3.New(o), s.api, s.files, s.url}
	_, err := ada.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("in/k")})
	const want = `User: arn:aws:iam::123456789012:user/ada is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::tea-ada/in/k" because no identity-based policy allows the s3:GetObject action`
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	policy := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ada"},"Action":["s3:GetObject","s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::tea-ada/in/*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ada"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::tea-ada","Condition":{"StringLike":{"s3:prefix":"in/*"}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::tea-ada/in/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/kind":"draft"}}}]}`
	if _, err := s.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: b, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	if got := ada.get(t, &awss3.GetObjectInput{Bucket: b, Key: aws.String("in/k")}); got != "x" {
		t.Errorf("got %q", got)
	}
	denied := map[string]error{}
	_, denied["another key"] = ada.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("secret/k")})
	_, denied["a key that looks like another bucket's"] = ada.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("arn:aws:s3:::tea-ada/in/k")})
	_, denied["a version"] = ada.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("in/k"), VersionId: aws.String("null")})
	_, denied["what isn't there, without ListBucket"] = ada.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("in/none")})
	_, denied["the list of all"] = ada.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: b})
	_, denied["a copy of what can't be read"] = ada.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: aws.String("in/copy"), CopySource: aws.String("tea-ada/secret/k")})
	_, denied["tags beside a write"] = ada.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: aws.String("in/t"), Body: strings.NewReader("x"), Tagging: aws.String("a=b")})
	_, err = s.PutObjectTagging(ctx, &awss3.PutObjectTaggingInput{Bucket: b, Key: aws.String("in/k"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("kind"), Value: aws.String("draft")}}}})
	if err != nil {
		t.Fatal(err)
	}
	_, denied["by the object's tag"] = ada.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("in/k")})
	_, denied["root, by the object's tag"] = s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("in/k")})
	for what, err := range denied {
		wantCode(t, what, err, "AccessDenied")
	}
	if _, err := ada.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: b, Prefix: aws.String("in/")}); err != nil {
		t.Error(err)
	}
	out, err := ada.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("in/k")}, {Key: aws.String("secret/k")}}}})
	if err != nil || len(out.Deleted) != 1 || len(out.Errors) != 1 || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("%+v, %v", out, err)
	}
}
