package s3_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestEncryption(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-sealed"), t.Context()
	const canary = "a very secret infusion"
	key := "k"
	put, err := s.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: b, Key: &key, Body: strings.NewReader(canary), ServerSideEncryption: "aws:kms", SSEKMSKeyId: aws.String("alias/tea"), BucketKeyEnabled: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	if put.ServerSideEncryption != "aws:kms" || !strings.HasSuffix(aws.ToString(put.SSEKMSKeyId), "key/alias/tea") || !aws.ToBool(put.BucketKeyEnabled) {
		t.Errorf("%+v", put)
	}
	_, err = s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader("x"), ServerSideEncryption: "aws:kms", SSEKMSKeyId: aws.String("none")})
	wantCode(t, "no such key", err, "KMS.NotFoundException")
	_, err = s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader("x"), ServerSideEncryption: "AES256", SSEKMSKeyId: aws.String("alias/tea")})
	wantCode(t, "AES256 with a key", err, "InvalidArgument")
	_, err = s.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader("x"), SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: aws.String("a2V5"), SSECustomerKeyMD5: aws.String("a2V5")})
	wantCode(t, "a key of one's own", err, "NotImplemented")
	if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &key}); got != canary {
		t.Errorf("got %q", got)
	}
	_, err = s.PutBucketEncryption(ctx, &awss3.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms", KMSMasterKeyID: aws.String("alias/tea")}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for to, source := range map[string]string{"copy": key, "again": "copy"} {
		if to == "again" {
			source = key
		}
		out, err := s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: &to, CopySource: aws.String(*b + "/" + source)})
		if err != nil || out.ServerSideEncryption != "aws:kms" {
			t.Fatalf("%+v, %v", out, err)
		}
		if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: &to}); got != canary {
			t.Errorf("%s: %q", to, got)
		}
	}
	if _, err := s.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: aws.String("plain"), CopySource: aws.String(*b + "/copy"), ServerSideEncryption: "AES256"}); err != nil {
		t.Fatal(err)
	}
	if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: aws.String("plain")}); got != canary {
		t.Errorf("under another kind of key: %q", got)
	}
	err = filepath.WalkDir(s.files, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(canary)) {
			t.Errorf("%s is readable", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	s.swept(t)
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-set"), t.Context()
	_, err := s.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: b, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "us-west-2"}})
	wantCode(t, "twice", err, "BucketAlreadyOwnedByYou")
	_, err = s.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("tea-2"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}})
	wantCode(t, "another region", err, "IllegalLocationConstraintException")
	_, err = s.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("Tea_2"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "us-west-2"}})
	wantCode(t, "a bad name", err, "InvalidBucketName")
	where, err := s.GetBucketLocation(ctx, &awss3.GetBucketLocationInput{Bucket: b})
	if err != nil || where.LocationConstraint != "us-west-2" {
		t.Errorf("%+v, %v", where, err)
	}
	_, err = s.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: b, ExpectedBucketOwner: aws.String("210987654321")})
	if err == nil {
		t.Error("another owner is expected, and nobody says so")
	}
	none := map[string]error{}
	_, none["NoSuchBucketPolicy"] = s.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: b})
	_, none["NoSuchCORSConfiguration"] = s.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: b})
	_, none["NoSuchLifecycleConfiguration"] = s.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: b})
	_, none["NoSuchTagSet"] = s.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: b})
	_, none["NotImplemented"] = s.GetBucketReplication(ctx, &awss3.GetBucketReplicationInput{Bucket: b})
	for want, err := range none {
		wantCode(t, "not set", err, want)
	}
	block, err := s.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: b})
	if err != nil || !*block.PublicAccessBlockConfiguration.BlockPublicPolicy || !*block.PublicAccessBlockConfiguration.RestrictPublicBuckets {
		t.Errorf("%+v, %v", block, err)
	}
	versioning, err := s.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: b})
	if err != nil || versioning.Status != "" {
		t.Errorf("%+v, %v", versioning, err)
	}
	rules := func(list ...types.LifecycleRule) error {
		_, err := s.PutBucketLifecycleConfiguration(ctx, &awss3.PutBucketLifecycleConfigurationInput{Bucket: b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: list}})
		return err
	}
	wantCode(t, "no action", rules(types.LifecycleRule{Status: "Enabled", Filter: &types.LifecycleRuleFilter{}}), "InvalidRequest")
	wantCode(t, "no days", rules(types.LifecycleRule{Status: "Enabled", Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(0)}}), "InvalidArgument")
	wantCode(t, "a transition", rules(types.LifecycleRule{Status: "Enabled", Filter: &types.LifecycleRuleFilter{}, Transitions: []types.Transition{{Days: aws.Int32(1), StorageClass: "GLACIER"}}}), "NotImplemented")
	days := &types.LifecycleExpiration{Days: aws.Int32(1)}
	wantCode(t, "neither a filter nor a prefix", rules(types.LifecycleRule{Status: "Enabled", Expiration: days}), "MalformedXML")
	for _, all := range []types.LifecycleRule{{Filter: &types.LifecycleRuleFilter{}}, {Prefix: aws.String("")}} {
		all.Status, all.Expiration = "Enabled", days
		if err := rules(all); err != nil {
			t.Errorf("all objects: %v", err)
		}
	}
	if err := rules(types.LifecycleRule{Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}}); err != nil {
		t.Error(err)
	}
	set, err := s.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: b})
	if err != nil || len(set.Rules) != 1 || aws.ToString(set.Rules[0].ID) == "" || *set.Rules[0].Expiration.Days != 1 {
		t.Errorf("%+v, %v", set, err)
	}
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::tea-set/*","Condition":{"StringEquals":{"s3:RequestObjectTag/a":"b"}}}}`
	_, err = s.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: b, Policy: &policy})
	wantCode(t, "a condition that nobody answers", err, "NotImplemented")
}
