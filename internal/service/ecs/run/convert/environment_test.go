package convert

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
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
		if diff := cmp.Diff(tt.want, Host{Region: "us-west-2"}.Environment(ecs.Task{}, "x-1", d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestEnvironmentOfARole: a task with a role is told where its credentials are, and every one where the APIs are.
func TestEnvironmentOfARole(t *testing.T) {
	t.Parallel()
	h := Host{Region: "us-west-2", Endpoint: "http://169.254.170.2:4566"}
	task := ecs.Task{Role: "arn:aws:iam::111122223333:role/app", CredentialsID: "c-1"}
	var elsewhere types.ContainerDefinition
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		elsewhere.Environment = append(elsewhere.Environment, types.KeyValuePair{Name: aws.String(name), Value: aws.String("mine")})
	}
	for _, tc := range []struct {
		task ecs.Task
		d    types.ContainerDefinition
		want map[string]bool // whether it is there
	}{
		{task, types.ContainerDefinition{}, map[string]bool{"AWS_ENDPOINT_URL=http://169.254.170.2:4566": true, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/c-1": true}},
		{task, elsewhere, map[string]bool{"AWS_ENDPOINT_URL=mine": true, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/c-1": true}},
		{ecs.Task{}, types.ContainerDefinition{}, map[string]bool{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/": false}},
	} {
		got := h.Environment(tc.task, "x-1", tc.d)
		for v, want := range tc.want {
			if slices.Contains(got, v) != want {
				t.Errorf("%s: %v, want %v, in %v", v, !want, want, got)
			}
		}
	}
}

// TestOwn: files and secrets set what the definition may set.
func TestOwn(t *testing.T) {
	t.Parallel()
	got := Own(engine.Secrets{"A=1", "ECS_AGENT_URI=x", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/x", "AWS_REGION=eu-west-1"})
	if diff := cmp.Diff(engine.Secrets{"A=1", "AWS_REGION=eu-west-1"}, got, cmp.Transformer("list", func(s engine.Secrets) []string { return s })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
