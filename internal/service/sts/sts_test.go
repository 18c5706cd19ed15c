package sts

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/caller"
)

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	ctx := caller.With(t.Context(), caller.Caller{Account: "123456789012", ARN: "arn:aws:iam::123456789012:root", UserID: "123456789012"})
	got, err := New(Config{}).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	want := &sts.GetCallerIdentityOutput{Account: new("123456789012"), Arn: new("arn:aws:iam::123456789012:root"), UserId: new("123456789012")}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sts.GetCallerIdentityOutput{}), cmpopts.IgnoreFields(sts.GetCallerIdentityOutput{}, "ResultMetadata")); diff != "" {
		t.Error(diff)
	}
}
