package run

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
)

// TestEnvironment: the user's wins over what Fargate sets, and nothing over the
// agent's addresses.
func TestEnvironment(t *testing.T) {
	agent := []string{
		"ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/x-1",
		"ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/x-1",
		"ECS_AGENT_URI=http://169.254.170.2/api/x-1",
	}
	for name, tt := range map[string]struct{ user, want []string }{
		"nothing": {nil, append([]string{"AWS_EXECUTION_ENV=AWS_ECS_FARGATE", "AWS_DEFAULT_REGION=us-west-2", "AWS_REGION=us-west-2"}, agent...)},
		"the user's": {
			[]string{"A", "1", "AWS_REGION", "eu-west-1", "B", "", "A", "2"},
			append([]string{"AWS_EXECUTION_ENV=AWS_ECS_FARGATE", "AWS_DEFAULT_REGION=us-west-2", "AWS_REGION=eu-west-1", "A=2", "B="}, agent...),
		},
		"an address": {
			[]string{"ECS_AGENT_URI", "http://elsewhere"},
			[]string{"AWS_EXECUTION_ENV=AWS_ECS_FARGATE", "AWS_DEFAULT_REGION=us-west-2", "AWS_REGION=us-west-2", agent[2], agent[0], agent[1]},
		},
	} {
		var d types.ContainerDefinition
		for i := 0; i < len(tt.user); i += 2 {
			d.Environment = append(d.Environment, types.KeyValuePair{Name: aws.String(tt.user[i]), Value: aws.String(tt.user[i+1])})
		}
		if diff := cmp.Diff(tt.want, New(Config{Region: "us-west-2"}).environment("x-1", d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
