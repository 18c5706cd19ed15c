package ecs

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestRequestsSayWhatTheyAreOn asks for the resources of requests that name them in each way.
func TestRequestsSayWhatTheyAreOn(t *testing.T) {
	t.Parallel()
	s, err := wiretest.New("ecs", new(API).Operations())
	if err != nil {
		t.Fatal(err)
	}
	const here = "arn:aws:ecs:us-west-2:123456789012:"
	for _, tc := range []struct {
		in   any
		want string
	}{
		{&ecs.StopTaskInput{Task: new("1")}, "task/default/1"},
		{&ecs.StopTaskInput{Cluster: new(here + "cluster/prod"), Task: new("1")}, "task/prod/1"},
		{&ecs.StopTaskInput{Task: new(here + "task/prod/1")}, "task/prod/1"},
		{&ecs.DescribeTasksInput{Cluster: new("prod"), Tasks: []string{"1", here + "task/prod/2"}}, "task/prod/1 task/prod/2"},
		{&ecs.DescribeClustersInput{}, "cluster/default"},
		{&ecs.StopServiceDeploymentInput{ServiceDeploymentArn: new(here + "service-deployment/prod/web/d")}, "service/prod/web service-deployment/prod/web/d"},
		{&ecs.RunTaskInput{TaskDefinition: new("web")}, "task-definition/web:*"},
		{&ecs.RunTaskInput{TaskDefinition: new("web:7")}, "task-definition/web:7"},
		{&ecs.PutAttributesInput{Attributes: []types.Attribute{{Name: new("a"), TargetId: new("i")}}}, "container-instance/default/i"},
		{&ecs.TagResourceInput{ResourceArn: new(here + "service/prod/web"), Tags: []types.Tag{}}, "service/prod/web"},
		{&ecs.ListClustersInput{}, "*"},
	} {
		c, err := s.Decode(t, tc.in)
		if err != nil {
			t.Errorf("%T: %v", tc.in, err)
			continue
		}
		got := strings.ReplaceAll(strings.Join(c.Resources(t.Context(), arn.Namespace{Region: "us-west-2", Account: "123456789012"}), " "), here, "")
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", c.Operation, got, tc.want)
		}
	}
}
