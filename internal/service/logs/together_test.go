package logs

import (
	"testing"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestAllFaultsAreToldAtOnce sends calls that are wrong in several places: one message names each, in order.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	ops := newAPI(t).Operations()
	for _, tt := range []struct {
		in    any
		words []string
	}{
		{&cwl.CreateLogGroupInput{LogGroupName: new("aws/a b"), KmsKeyId: new("k")}, []string{"'logGroupName'", "'kmsKeyId'", "reserved for AWS"}},
		{&cwl.PutRetentionPolicyInput{LogGroupName: new("a b"), RetentionInDays: new(int32(2))}, []string{"'logGroupName'", "'2' at 'retentionInDays'"}},
	} {
		wiretest.Told(t, "logs", ops, tt.in, "InvalidParameterException", tt.words...)
	}
}
