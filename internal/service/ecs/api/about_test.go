package api

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestRequestsSayWhatTheyAreOn asks for the resources of requests that name them in each way.
func TestRequestsSayWhatTheyAreOn(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	t.Cleanup(func() { _ = db.Close() })
	ns := arn.Namespace{Region: "us-west-2", Account: "123456789012"}
	api := New(db, ns, nil, nil, nil, nil, nil)
	for range 3 {
		if _, err := api.RegisterTaskDefinition(t.Context(), definitionNamed("db")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := api.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: new("db:3")}); err != nil {
		t.Fatal(err)
	}
	s, err := wiretest.New("ecs", api.Operations())
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
		{&ecs.StopTaskInput{Task: new(here + "task/default/1")}, "task/default/1"},
		{&ecs.StopTaskInput{Task: new(here + "task/prod/1")}, "task/prod/1"}, // the handler refuses it
		{&ecs.DescribeTasksInput{Cluster: new("prod"), Tasks: []string{"1", here + "task/prod/2"}}, "task/prod/1 task/prod/2"},
		{&ecs.StopTaskInput{Cluster: new("prod"), Task: new(here + "task/1")}, "task/prod/1"},
		{&ecs.StopTaskInput{Cluster: new("prod"), Task: new("prod/1")}, "task/prod/1"},
		{&ecs.StopTaskInput{Cluster: new(""), Task: new("1")}, "task/default/1"},
		{&ecs.GetTaskProtectionInput{Cluster: new("prod"), Tasks: []string{here + "task/1"}}, "task/prod/1"},
		{&ecs.UpdateTaskProtectionInput{Cluster: new("prod"), Tasks: []string{"prod/1"}, ProtectionEnabled: true}, "task/prod/1"},
		{&ecs.DeleteServiceInput{Cluster: new("prod"), Service: new(here + "service/web")}, "service/prod/web"},
		{&ecs.DeleteServiceInput{Cluster: new("prod"), Service: new("prod/web")}, "service/prod/web"},
		{&ecs.UpdateServiceInput{Cluster: new("prod"), Service: new("prod/web")}, "service/prod/web"},
		{&ecs.DescribeServicesInput{Cluster: new("prod"), Services: []string{"a", "prod/b", here + "service/c"}}, "service/prod/a service/prod/b service/prod/c"},
		{&ecs.ListServiceDeploymentsInput{Service: new("prod/web")}, "service/prod/web"},
		{&ecs.ListServiceDeploymentsInput{Service: new(here + "service/prod/web")}, "service/prod/web"},
		{&ecs.ListServiceDeploymentsInput{Cluster: new("prod"), Service: new(here + "service/web")}, "service/prod/web"},
		{&ecs.DescribeClustersInput{}, "cluster/default"},
		{&ecs.StopServiceDeploymentInput{ServiceDeploymentArn: new(here + "service-deployment/prod/web/d")}, "service/prod/web service-deployment/prod/web/d"},
		{&ecs.RunTaskInput{TaskDefinition: new("web")}, "task-definition/web:*"},
		{&ecs.RunTaskInput{TaskDefinition: new("web:7")}, "task-definition/web:7"},
		{&ecs.RunTaskInput{TaskDefinition: new("db")}, "task-definition/db:2"},
		{&ecs.RunTaskInput{TaskDefinition: new(here + "task-definition/db")}, "task-definition/db:2"},
		{&ecs.StartTaskInput{TaskDefinition: new("db"), ContainerInstances: []string{"i"}}, "task-definition/db:2"},
		{&ecs.PutAttributesInput{Attributes: []types.Attribute{{Name: new("a"), TargetId: new("i")}}}, "container-instance/default/i"},
		{&ecs.TagResourceInput{ResourceArn: new(here + "service/prod/web"), Tags: []types.Tag{}}, "service/prod/web"},
		{&ecs.ListClustersInput{}, "*"},
	} {
		c, err := s.Decode(t, tc.in)
		if err != nil {
			t.Errorf("%T: %v", tc.in, err)
			continue
		}
		got := strings.ReplaceAll(strings.Join(wiretest.On(t, c, ns), " "), here, "")
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", c.Operation, got, tc.want)
		}
	}
}

func definitionNamed(family string) *ecs.RegisterTaskDefinitionInput {
	return &ecs.RegisterTaskDefinitionInput{
		Family: &family, Cpu: new("1 vCPU"), Memory: new("2048"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions:    []types.ContainerDefinition{{Name: new("main"), Image: new("example.test/web")}},
	}
}
