package ecs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/store"
)

const (
	ours    = "arn:aws:ecs:us-west-2:111122223333:"
	theirs  = "arn:aws:ecs:us-west-2:999999999999:"
	abroad  = "arn:aws:ecs:eu-west-1:111122223333:"
	someID  = "0123456789abcdef0123456789abcdef"
	badCode = "InvalidParameterException"
)

// TestExplicitDefaults sends what clients send although it says nothing.
func TestExplicitDefaults(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.Volumes, in.PlacementConstraints, in.EnableFaultInjection = []types.Volume{}, []types.TaskDefinitionPlacementConstraint{}, aws.Bool(false)
			in.RuntimePlatform = &types.RuntimePlatform{OperatingSystemFamily: types.OSFamilyLinux}
			c := &in.ContainerDefinitions[0]
			c.MountPoints, c.VolumesFrom, c.SystemControls = []types.MountPoint{}, []types.VolumeFrom{}, []types.SystemControl{}
			c.Privileged, c.ReadonlyRootFilesystem, c.VersionConsistency = aws.Bool(false), aws.Bool(false), types.VersionConsistencyEnabled
			c.RestartPolicy, c.LinuxParameters = &types.ContainerRestartPolicy{Enabled: aws.Bool(false)}, &types.LinuxParameters{}
			c.PortMappings[0].HostPort = aws.Int32(8080)
		})
		w.Service(0, func(in *sdk.CreateServiceInput) {
			in.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingDisabled
			in.DeploymentController = &types.DeploymentController{Type: types.DeploymentControllerTypeEcs}
			in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{}
			in.DeploymentConfiguration = &types.DeploymentConfiguration{
				Strategy: types.DeploymentStrategyRolling, DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{},
				Alarms: &types.DeploymentAlarms{AlarmNames: []string{}},
			}
		})
		_, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{
			Service: aws.String("web"), NetworkConfiguration: &types.NetworkConfiguration{}, EnableExecuteCommand: aws.Bool(false),
			ServiceRegistries: []types.ServiceRegistry{}, DeploymentConfiguration: &types.DeploymentConfiguration{},
		})
		if err != nil {
			t.Error(err)
		}
		if n := len(w.Describe().Deployments); n != 1 {
			t.Errorf("%d deployments, want no new one", n)
		}
	})
}

func TestBadServices(t *testing.T) {
	tests := []struct {
		name       string
		change     func(*sdk.CreateServiceInput)
		code, want string
	}{
		{"cluster", func(in *sdk.CreateServiceInput) { in.Cluster = aws.String("gone") }, "ClusterNotFoundException", "Cluster not found."},
		{"name of cluster", func(in *sdk.CreateServiceInput) { in.Cluster = aws.String("a b") }, badCode, "Cluster must match"},
		{"other account", func(in *sdk.CreateServiceInput) { in.Cluster = aws.String(theirs + "cluster/default") }, badCode, "Identifier is for 999999999999. Your accountId is 111122223333"},
		{"other region", func(in *sdk.CreateServiceInput) { in.Cluster = aws.String(abroad + "cluster/default") }, badCode, "Identifier is for region eu-west-1"},
		{"name", func(in *sdk.CreateServiceInput) { in.ServiceName = aws.String("a/b") }, badCode, "service name"},
		{"no definition", func(in *sdk.CreateServiceInput) { in.TaskDefinition = nil }, badCode, "TaskDefinition"},
		{"definition", func(in *sdk.CreateServiceInput) { in.TaskDefinition = aws.String("gone") }, "ClientException", "TaskDefinition not found."},
		{"revision", func(in *sdk.CreateServiceInput) { in.TaskDefinition = aws.String("web:9") }, "ClientException", "TaskDefinition not found."},
		{"inactive", func(in *sdk.CreateServiceInput) { in.TaskDefinition = aws.String("web:1") }, "ClientException", "TaskDefinition is inactive"},
		{"bad revision", func(in *sdk.CreateServiceInput) { in.TaskDefinition = aws.String("web:x") }, badCode, "Invalid revision number. Number: x"},
		{"bad ARN", func(in *sdk.CreateServiceInput) { in.TaskDefinition = aws.String("arn:aws:ecs:web") }, badCode, "is not the ARN of a task-definition"},
		{"no count", func(in *sdk.CreateServiceInput) { in.DesiredCount = nil }, badCode, "desiredCount"},
		{"count", func(in *sdk.CreateServiceInput) { in.DesiredCount = aws.Int32(5001) }, badCode, "desiredCount"},
		{"percents", func(in *sdk.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(100)}
		}, badCode, "maximumPercent and minimumHealthyPercent"},
		{"alarms", func(in *sdk.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{Alarms: &types.DeploymentAlarms{AlarmNames: []string{"high"}, Enable: true}}
		}, badCode, "'deploymentConfiguration.alarms'"},
		{"controller", func(in *sdk.CreateServiceInput) {
			in.DeploymentController = &types.DeploymentController{Type: types.DeploymentControllerTypeExternal}
		}, "UnsupportedFeatureException", "EXTERNAL"},
		{"no network", func(in *sdk.CreateServiceInput) { in.NetworkConfiguration = nil }, badCode, "Network Configuration must be provided"},
		{"subnet", func(in *sdk.CreateServiceInput) {
			in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-gone"}}}
		}, badCode, "subnet-gone"},
		{"groups", func(in *sdk.CreateServiceInput) {
			in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-a"}, SecurityGroups: make([]string, 6)}}
		}, badCode, "securityGroups"},
		{"target group", func(in *sdk.CreateServiceInput) {
			ecstest.Balanced(in)
			in.LoadBalancers[0].TargetGroupArn = aws.String("gone")
		}, badCode, "gone"},
		{"no balancer", func(in *sdk.CreateServiceInput) {
			ecstest.Balanced(in)
			in.LoadBalancers[0].TargetGroupArn = aws.String("tg-loose")
		}, badCode, "does not have an associated load balancer"},
		{"container", func(in *sdk.CreateServiceInput) {
			ecstest.Balanced(in)
			in.LoadBalancers[0].ContainerName = aws.String("db")
		}, badCode, "The container db does not exist"},
		{"port", func(in *sdk.CreateServiceInput) {
			ecstest.Balanced(in)
			in.LoadBalancers[0].ContainerPort = aws.Int32(1)
		}, badCode, "did not have a container port 1 defined"},
		{"twice", func(in *sdk.CreateServiceInput) {
			ecstest.Balanced(in)
			in.LoadBalancers = append(in.LoadBalancers, in.LoadBalancers[0])
		}, badCode, "twice"},
		{"grace", func(in *sdk.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = aws.Int32(-1) }, badCode, "healthCheckGracePeriodSeconds must not be negative"},
		{"launch type", func(in *sdk.CreateServiceInput) { in.LaunchType = types.LaunchTypeEc2 }, badCode, "No Container Instances"},
		{"platform", func(in *sdk.CreateServiceInput) { in.PlatformVersion = aws.String("0.1") }, "PlatformUnknownException", "0.1"},
		{"registries", func(in *sdk.CreateServiceInput) { in.ServiceRegistries = []types.ServiceRegistry{{}} }, badCode, "registryArn"},
		{"daemon", func(in *sdk.CreateServiceInput) { in.SchedulingStrategy = types.SchedulingStrategyDaemon }, badCode, "daemon"},
		{"tag", func(in *sdk.CreateServiceInput) { in.Tags = []types.Tag{{Key: aws.String("aws:x")}} }, badCode, "aws:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Define()
				w.Define()
				if _, err := w.API.DeregisterTaskDefinition(w.T.Context(), &sdk.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web:1")}); err != nil {
					t.Fatal(err)
				}
				in := &sdk.CreateServiceInput{ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(1), NetworkConfiguration: ecstest.Placed}
				tt.change(in)
				err := ecstest.Unsupported(w, in)
				if err == nil {
					_, err = w.API.CreateService(w.T.Context(), in)
				}
				wantError(t, err, tt.code, tt.want)
				if out, err := w.API.ListServices(w.T.Context(), &sdk.ListServicesInput{}); err != nil || len(out.ServiceArns) != 0 {
					t.Errorf("created all the same: %v, %v", out, err)
				}
			})
		})
	}
}

// TestBadReferences asks for what isn't there, or isn't said right.
func TestBadReferences(t *testing.T) {
	gone := aws.String("gone")
	tests := []struct {
		name       string
		call       func(w *ecstest.World) error
		code, want string
	}{
		{"delete cluster", call((*api.API).DeleteCluster, &sdk.DeleteClusterInput{Cluster: gone}), "ClusterNotFoundException", ""},
		{"describe another account's", call((*api.API).DescribeClusters, &sdk.DescribeClustersInput{Clusters: []string{theirs + "cluster/a"}}), badCode, "999999999999"},
		{"cluster with services", call((*api.API).DeleteCluster, &sdk.DeleteClusterInput{}), "ClusterContainsServicesException", ""},
		{"cluster name", call((*api.API).CreateCluster, &sdk.CreateClusterInput{ClusterName: aws.String(ours + "cluster/x")}), badCode, "clusterName"},
		{"insights", call((*api.API).CreateCluster, &sdk.CreateClusterInput{Settings: []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: aws.String("on")}}}), badCode, "containerInsights"},
		{"clusters' token", call((*api.API).ListClusters, &sdk.ListClustersInput{NextToken: gone}), badCode, "nextToken"},
		{"clusters' maximum", call((*api.API).ListClusters, &sdk.ListClustersInput{MaxResults: aws.Int32(101)}), badCode, "maxResults"},
		{"definitions' token", call((*api.API).ListTaskDefinitions, &sdk.ListTaskDefinitionsInput{NextToken: gone}), badCode, "nextToken"},
		{"families' token", call((*api.API).ListTaskDefinitionFamilies, &sdk.ListTaskDefinitionFamiliesInput{NextToken: gone}), badCode, "nextToken"},
		{"services' token", call((*api.API).ListServices, &sdk.ListServicesInput{NextToken: gone}), badCode, "nextToken"},
		{"tasks' token", call((*api.API).ListTasks, &sdk.ListTasksInput{NextToken: gone}), badCode, "nextToken"},
		{"tasks of an instance", call((*api.API).ListTasks, &sdk.ListTasksInput{ContainerInstance: gone}), badCode, "containerInstanceId length should be one of [32,36]"},
		{"tasks of a service", call((*api.API).ListTasks, &sdk.ListTasksInput{ServiceName: gone}), "ServiceNotFoundException", ""},
		{"describe definition", call((*api.API).DescribeTaskDefinition, &sdk.DescribeTaskDefinitionInput{TaskDefinition: gone}), "ClientException", "Unable to describe task definition."},
		{"deregister", call((*api.API).DeregisterTaskDefinition, &sdk.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web:7")}), "ClientException", "Unable to describe task definition."},
		{"deregister a family", call((*api.API).DeregisterTaskDefinition, &sdk.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web")}), badCode, "revision"},
		{"delete a bad one", call((*api.API).DeleteTaskDefinitions, &sdk.DeleteTaskDefinitionsInput{TaskDefinitions: []string{"web:1", "web"}}), badCode, "revision"},
		{"delete many", call((*api.API).DeleteTaskDefinitions, &sdk.DeleteTaskDefinitionsInput{TaskDefinitions: make([]string, 11)}), badCode, "taskDefinitions"},
		{"describe nothing", call((*api.API).DescribeTasks, &sdk.DescribeTasksInput{}), badCode, "Tasks cannot be empty."},
		{"describe many", call((*api.API).DescribeTasks, &sdk.DescribeTasksInput{Tasks: make([]string, 101)}), badCode, "at most 100"},
		{"task id", call((*api.API).DescribeTasks, &sdk.DescribeTasksInput{Tasks: []string{"short"}}), badCode, "taskId length should be one of [32,36]"},
		{"task of another cluster", call((*api.API).DescribeTasks, &sdk.DescribeTasksInput{Tasks: []string{ours + "task/other/" + someID}}), badCode, "Identifier is for cluster other. Your cluster is default"},
		{"stop", call((*api.API).StopTask, &sdk.StopTaskInput{Task: aws.String(someID)}), badCode, "The referenced task was not found."},
		{"stop a service", call((*api.API).StopTask, &sdk.StopTaskInput{Task: aws.String(ours + "service/default/web")}), badCode, "is not the ARN of a task"},
		{"run many", call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), Count: aws.Int32(11)}), badCode, "Count"},
		{"run elsewhere", call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), LaunchType: types.LaunchTypeExternal}), badCode, "FARGATE"},
		{"run in a service's group", call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), Group: aws.String("service:x")}), badCode, "Group"},
		{"override", call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: gone}}}}), badCode, "container named gone"},
		{"override of cpu", call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, Overrides: &types.TaskOverride{Cpu: aws.String("1")}}), badCode, "No Fargate configuration exists"},
		{"strategy", call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, CapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: gone}}}), badCode, "is not associated with the cluster"},
		{"describe no service", call((*api.API).DescribeServices, &sdk.DescribeServicesInput{}), badCode, "Services cannot be empty."},
		{"service of another cluster", call((*api.API).DescribeServices, &sdk.DescribeServicesInput{Services: []string{ours + "service/other/web"}}), badCode, "Identifier is for cluster other. Your cluster is default"},
		{"update", call((*api.API).UpdateService, &sdk.UpdateServiceInput{Service: gone}), "ServiceNotFoundException", "Service not found."},
		{"update to none", call((*api.API).UpdateService, &sdk.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: gone}), "ClientException", "TaskDefinition not found."},
		{"update to many", call((*api.API).UpdateService, &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(-1)}), badCode, "desiredCount"},
		{"update the impossible", call((*api.API).UpdateService, &sdk.UpdateServiceInput{Service: aws.String("web"), CapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: gone}}}), badCode, "is not associated with the cluster"},
		{"delete service", call((*api.API).DeleteService, &sdk.DeleteServiceInput{Service: gone}), "ServiceNotFoundException", ""},
		{"tag nothing", call((*api.API).TagResource, &sdk.TagResourceInput{ResourceArn: gone}), badCode, "ARN"},
		{"tag a short ARN", call((*api.API).TagResource, &sdk.TagResourceInput{ResourceArn: aws.String(ours + "service/web")}), badCode, "Long arn format must be used"},
		{"tag what is gone", call((*api.API).TagResource, &sdk.TagResourceInput{ResourceArn: aws.String(ours + "service/default/gone")}), "ResourceNotFoundException", ""},
		{"untag a managed one", call((*api.API).UntagResource, &sdk.UntagResourceInput{ResourceArn: aws.String(ours + "cluster/default"), TagKeys: []string{"aws:x"}}), badCode, "aws:"},
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		before := dump(w)
		for _, tt := range tests {
			t.Log(tt.name)
			wantError(t, tt.call(w), tt.code, tt.want)
		}
		if diff := cmp.Diff(before, dump(w)); diff != "" {
			t.Errorf("what was refused changed the records: %s", diff)
		}
	})
}

// call names a handler and what it is asked.
func call[In, Out any](f func(*api.API, context.Context, *In) (*Out, error), in *In) func(*ecstest.World) error {
	return func(w *ecstest.World) error {
		if err := ecstest.Unsupported(w, in); err != nil {
			return err
		}
		_, err := f(w.API, w.T.Context(), in)
		return err
	}
}

// dump returns what the API is the writer of.
func dump(w *ecstest.World) (all []any) {
	err := w.DB.View(w.T.Context(), func(tx store.Tx) error {
		for c, err := range ecs.Clusters.Scan(tx, "", "") {
			all = append(all, c, err)
		}
		for s, err := range ecs.Services.Scan(tx, "", "") {
			all = append(all, s, err)
		}
		for d, err := range ecs.Definitions.Scan(tx, "", "") {
			all = append(all, *d.Definition.TaskDefinitionArn, d.Definition.Status, err)
		}
		return nil
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return all
}

func TestRunTaskTwiceWithOneToken(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		in := &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, Count: aws.Int32(2), ClientToken: aws.String("once")}
		first, err := w.API.RunTask(w.T.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.API.RunTask(w.T.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
		if diff := cmp.Diff(taskARNs(first.Tasks), taskARNs(again.Tasks), sorted); diff != "" {
			t.Errorf("again: %s", diff)
		}
		in.Count = nil
		_, err = w.API.RunTask(w.T.Context(), in)
		wantError(t, err, "ConflictException", "clientToken is already in use")
		in.ClientToken = aws.String("twice")
		if out, err := w.API.RunTask(w.T.Context(), in); err != nil || len(out.Tasks) != 1 {
			t.Errorf("with another token: %v, %v", out, err)
		}
	})
}

func taskARNs(tasks []types.Task) (arns []string) {
	for _, t := range tasks {
		arns = append(arns, *t.TaskArn)
	}
	return arns
}

// TestPages reads lists in pages of two while entries go.
func TestPages(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		for range 12 {
			w.Define()
		}
		for _, sort := range []types.SortOrder{types.SortOrderAsc, types.SortOrderDesc} {
			var got []string
			in := &sdk.ListTaskDefinitionsInput{MaxResults: aws.Int32(5), Sort: sort}
			for {
				out, err := w.API.ListTaskDefinitions(w.T.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range out.TaskDefinitionArns {
					got = append(got, a[strings.LastIndex(a, ":")+1:])
				}
				if in.NextToken = out.NextToken; out.NextToken == nil {
					break
				}
			}
			want := "1 2 3 4 5 6 7 8 9 10 11 12"
			if sort == types.SortOrderDesc {
				want = "12 11 10 9 8 7 6 5 4 3 2 1"
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %v", sort, got)
			}
		}
	})
}

func TestDeletedTaskDefinition(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		w.After(ecstest.Sec(5))
		if _, err := w.API.DeregisterTaskDefinition(w.T.Context(), &sdk.DeregisterTaskDefinitionInput{TaskDefinition: aws.String(ours + "task-definition/web:1")}); err != nil {
			t.Fatal(err)
		}
		out, err := w.API.DeleteTaskDefinitions(w.T.Context(), &sdk.DeleteTaskDefinitionsInput{TaskDefinitions: []string{"web:1", "web:2"}})
		if err != nil || len(out.TaskDefinitions) != 1 || len(out.Failures) != 1 || out.TaskDefinitions[0].Status != types.TaskDefinitionStatusDeleteInProgress {
			t.Fatalf("delete: %v %+v", err, out)
		}
		if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(2)}); err != nil {
			t.Errorf("scale what is being deleted: %v", err)
		}
		w.After(ecstest.Sec(60))
		if s := w.Describe(); s.RunningCount != 2 {
			t.Errorf("%d run, want 2", s.RunningCount)
		}
		if _, err := w.API.DescribeTaskDefinition(w.T.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web:1")}); err != nil {
			t.Errorf("while it is used: %v", err)
		}
		if _, err := w.API.DeleteService(w.T.Context(), &sdk.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(60))
		_, err = w.API.DescribeTaskDefinition(w.T.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web:1")})
		wantError(t, err, "ClientException", "Unable to describe task definition.")
		w.After(ecstest.Sec(25 * 3600)) // what stopped expires without it
		if left := w.Tasks(types.DesiredStatusStopped); len(left) != 0 {
			t.Errorf("after a day %d tasks are left", len(left))
		}
		if arn := w.Define(); !strings.HasSuffix(arn, "web:2") {
			t.Errorf("registered anew as %s, want revision 2", arn)
		}
	})
}
