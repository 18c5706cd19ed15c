package gateway

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/wire"
)

// TestTheAuditLineSaysWhatIsKept makes calls whose wishes have no effect, and one that has none.
func TestTheAuditLineSaysWhatIsKept(t *testing.T) {
	t.Parallel()
	g, done := open(t, func(c *Config) {
		c.Services[1] = service(t, "ecs", wire.Op("UpdateService", func(ctx context.Context, in *awsecs.UpdateServiceInput) (*awsecs.UpdateServiceOutput, error) {
			if *in.Service == "both" {
				wire.Keep(ctx, "a.key")
			}
			return &awsecs.UpdateServiceOutput{}, nil
		}).On("service: cluster=default service").Lacks("*", "it is for a test").Takes("service").Keeps("enableExecuteCommand", "no command can be run"))
	})
	client := awsecs.NewFromConfig(awsConfig(g, rootKey, region))
	for _, in := range []*awsecs.UpdateServiceInput{
		{Service: aws.String("none"), EnableExecuteCommand: aws.Bool(false)},
		{Service: aws.String("one"), EnableExecuteCommand: aws.Bool(true)},
		{Service: aws.String("both"), EnableExecuteCommand: aws.Bool(true)},
	} {
		if _, err := client.UpdateService(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	done()
	want := []any{nil, "enableExecuteCommand", "a.key enableExecuteCommand"}
	for i, line := range g.log.lines(t, "call") {
		if line["kept"] != want[i] {
			t.Errorf("line %d: kept is %v, want %v", i, line["kept"], want[i])
		}
	}
}
