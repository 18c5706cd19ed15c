package daemon

import (
	"io"
	"strings"
	"testing"

	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/service/s3"
)

// TestLogDelivery: a bucket's policy says whether logs come into it, as the service or as the account that it had before, and
// only objects under S3's own keys are written.
func TestLogDelivery(t *testing.T) {
	t.Parallel()
	f, ctx := newFront(t), t.Context()
	f.m.disk = ok(disk.New(disk.Config{Dir: t.TempDir(), Lent: func() int64 { return 0 }, Log: f.m.Log}))(t)
	buckets := sdks3.NewFromConfig(f.root, func(o *sdks3.Options) { o.UsePathStyle = true })
	ok(buckets.CreateBucket(ctx, &sdks3.CreateBucketInput{Bucket: new("logs"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(f.ns.Region)}}))(t)
	delivery := logDelivery{m: f.m, objects: f.parts["s3"].api.(*s3.API)}
	balancer := f.ns.ARN("elasticloadbalancing", "loadbalancer/app/web/0123456789abcdef")
	key := "p/AWSLogs/" + f.ns.Account + "/ELBAccessLogTestFile"
	put := func() error { return delivery.Put(ctx, balancer, "logs", key, strings.NewReader("tea")) }
	statement := func(effect, principal, condition string) string {
		return `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/p/AWSLogs/` + f.ns.Account + `/*","Condition":{` + condition + `}}`
	}
	const service, account, everybody = `{"Service":"logdelivery.elasticloadbalancing.amazonaws.com"}`, `{"AWS":"arn:aws:iam::797873946194:root"}`, `"*"`
	for _, tt := range []struct {
		name       string
		statements []string
		may        bool
	}{
		{"no policy", nil, false},
		{"the service", []string{statement("Allow", service, "")}, true},
		{"the service, for balancers of the account", []string{statement("Allow", service, `"StringEquals":{"aws:SourceAccount":"`+f.ns.Account+`"},"ArnLike":{"aws:SourceArn":"arn:aws:elasticloadbalancing:*:*:loadbalancer/app/web/*"}`)}, true},
		{"the service, for other balancers", []string{statement("Allow", service, `"ArnLike":{"aws:SourceArn":"arn:aws:elasticloadbalancing:*:*:loadbalancer/app/other/*"}`)}, false},
		{"whoever leaves the object to the bucket's owner", []string{statement("Allow", service, `"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}`)}, true},
		{"the account of the region", []string{statement("Allow", account, "")}, true},
		{"the account as a number", []string{statement("Allow", `{"AWS":"797873946194"}`, "")}, true},
		{"the account of another region", []string{statement("Allow", `{"AWS":"127311923021"}`, "")}, false},
		{"another service", []string{statement("Allow", `{"Service":"delivery.logs.amazonaws.com"}`, "")}, false},
		{"nobody", []string{statement("Allow", service, ""), statement("Deny", everybody, "")}, false},
	} {
		if tt.statements != nil {
			text := `{"Version":"2012-10-17","Statement":[` + strings.ReplaceAll(strings.Join(tt.statements, ","), `,"Condition":{}`, "") + `]}`
			ok(buckets.PutBucketPolicy(ctx, &sdks3.PutBucketPolicyInput{Bucket: new("logs"), Policy: &text}))(t)
		}
		if err := put(); (err == nil) != tt.may {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	out := ok(buckets.GetObject(ctx, &sdks3.GetObjectInput{Bucket: new("logs"), Key: &key}))(t)
	if text, err := io.ReadAll(out.Body); err != nil || string(text) != "tea" {
		t.Errorf("the object has %q, %v", text, err)
	}
	text := `{"Version":"2012-10-17","Statement":[` + strings.ReplaceAll(statement("Allow", service, ""), `,"Condition":{}`, "") + `]}`
	ok(buckets.PutBucketPolicy(ctx, &sdks3.PutBucketPolicyInput{Bucket: new("logs"), Policy: &text}))(t)
	ok(buckets.PutBucketEncryption(ctx, &sdks3.PutBucketEncryptionInput{Bucket: new("logs"), ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms}}},
	}}))(t)
	if err := put(); err == nil {
		t.Error("an object was written under a key of KMS")
	}
	if err := delivery.Put(ctx, balancer, "none", key, strings.NewReader("tea")); err == nil {
		t.Error("an object was written into a bucket that isn't there")
	}
}
