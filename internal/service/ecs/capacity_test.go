package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// item is a part of a capacity provider strategy.
func item(provider string, base, weight int32) types.CapacityProviderStrategyItem {
	return types.CapacityProviderStrategyItem{CapacityProvider: &provider, Base: base, Weight: weight}
}

type strategy = []types.CapacityProviderStrategyItem

// on counts tasks by their provider, and checks that they are FARGATE's.
func on(t *testing.T, tasks []types.Task) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, is := range tasks {
		n[aws.ToString(is.CapacityProviderName)]++
		if is.LaunchType != types.LaunchTypeFargate {
			t.Errorf("task on %s has launch type %s", aws.ToString(is.CapacityProviderName), is.LaunchType)
		}
	}
	return n
}

func TestRunTaskByStrategy(t *testing.T) {
	tests := []struct {
		name      string
		byDefault strategy
		given     strategy
		launch    types.LaunchType
		want      map[string]int
	}{
		{"none", nil, nil, "", map[string]int{"": 10}},
		{"the default", strategy{item("FARGATE_SPOT", 0, 1)}, nil, "", map[string]int{"FARGATE_SPOT": 10}},
		{"a launch type instead of the default", strategy{item("FARGATE_SPOT", 0, 1)}, nil, types.LaunchTypeFargate, map[string]int{"": 10}},
		{"one of its own", strategy{item("FARGATE_SPOT", 0, 1)}, strategy{item("FARGATE", 2, 1), item("FARGATE_SPOT", 0, 3)}, "", map[string]int{"FARGATE": 4, "FARGATE_SPOT": 6}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
				w.Define()
				w.Provide(tt.byDefault...)
				out, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{
					TaskDefinition: aws.String("web"), Count: aws.Int32(10), NetworkConfiguration: ecstest.Placed, LaunchType: tt.launch, CapacityProviderStrategy: tt.given,
				})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tt.want, on(t, out.Tasks)); d != "" {
					t.Error(d)
				}
				w.After(ecstest.Sec(5))
				if d := cmp.Diff(tt.want, on(t, w.Tasks(types.DesiredStatusRunning))); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

// TestServiceByStrategy takes a service from its launch type over a strategy to
// another one and back, and scales it in between.
func TestServiceByStrategy(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Provide()
		w.Service(4)
		w.After(ecstest.Sec(10))
		expect := func(launch types.LaunchType, s strategy, want map[string]int) {
			t.Helper()
			w.After(ecstest.Sec(60))
			is := w.Describe()
			if d := cmp.Diff(want, on(t, w.Tasks(types.DesiredStatusRunning))); d != "" || len(is.Deployments) != 1 {
				t.Errorf("%d deployments, tasks: %s", len(is.Deployments), d)
			}
			if d := cmp.Diff(s, is.CapacityProviderStrategy, alike); d != "" || is.LaunchType != launch {
				t.Errorf("launch type %q, strategy: %s", is.LaunchType, d)
			}
			if d := cmp.Diff(s, is.Deployments[0].CapacityProviderStrategy, alike); d != "" || is.Deployments[0].LaunchType != launch {
				t.Errorf("the deployment's launch type %q, strategy: %s", is.Deployments[0].LaunchType, d)
			}
		}
		update := func(in sdk.UpdateServiceInput) error {
			in.Service = aws.String("web")
			_, err := w.API.UpdateService(w.T.Context(), &in)
			return err
		}
		expect(types.LaunchTypeFargate, nil, map[string]int{"": 4})
		mixed := strategy{item("FARGATE", 1, 1), item("FARGATE_SPOT", 0, 2)}
		wantError(t, update(sdk.UpdateServiceInput{CapacityProviderStrategy: mixed}), badCode, "you must force a new deployment")
		for _, step := range []struct {
			in     sdk.UpdateServiceInput
			launch types.LaunchType
			s      strategy
			want   map[string]int
		}{
			{sdk.UpdateServiceInput{CapacityProviderStrategy: mixed, ForceNewDeployment: true}, "", mixed, map[string]int{"FARGATE": 2, "FARGATE_SPOT": 2}},
			{sdk.UpdateServiceInput{DesiredCount: aws.Int32(7)}, "", mixed, map[string]int{"FARGATE": 3, "FARGATE_SPOT": 4}},
			{sdk.UpdateServiceInput{CapacityProviderStrategy: mixed}, "", mixed, map[string]int{"FARGATE": 3, "FARGATE_SPOT": 4}},
			{sdk.UpdateServiceInput{CapacityProviderStrategy: strategy{}, ForceNewDeployment: true}, types.LaunchTypeFargate, nil, map[string]int{"": 7}},
		} {
			if err := update(step.in); err != nil {
				t.Fatal(err)
			}
			expect(step.launch, step.s, step.want)
		}
	})
}

// TestRollbackOfStrategy rolls a service back that was to run a version that
// fails by a strategy: it is back at its launch type.
func TestRollbackOfStrategy(t *testing.T) {
	script := fake.Config{Behave: func(c engine.Container) fake.Behaviour {
		return fake.Behaviour{Exits: strings.Contains(c.Image, "bad"), ExitCode: 1}
	}}
	ecstest.Play(t, script, func(w *ecstest.World) {
		w.Define()
		w.Provide()
		w.Service(2, func(in *sdk.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true}}
		})
		w.After(ecstest.Sec(30))
		bad := w.Define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Image = aws.String("example.test/bad:latest")
		})
		spot := strategy{item("FARGATE_SPOT", 0, 1)}
		if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{
			Service: aws.String("web"), TaskDefinition: &bad, CapacityProviderStrategy: spot, ForceNewDeployment: true,
		}); err != nil {
			t.Fatal(err)
		}
		if is := w.Describe(); is.LaunchType != "" || len(is.CapacityProviderStrategy) != 1 {
			t.Errorf("while it is deployed: launch type %q, strategy %v", is.LaunchType, is.CapacityProviderStrategy)
		}
		w.After(30 * time.Minute)
		is := w.Describe()
		if is.LaunchType != types.LaunchTypeFargate || len(is.CapacityProviderStrategy) != 0 || *is.TaskDefinition == bad {
			t.Errorf("rolled back: launch type %q, strategy %v, %s", is.LaunchType, is.CapacityProviderStrategy, *is.TaskDefinition)
		}
		if d := cmp.Diff(map[string]int{"": 2}, on(t, w.Tasks(types.DesiredStatusRunning))); d != "" {
			t.Errorf("rolled back: %s", d)
		}
	})
}

// TestProviderInUse removes capacity providers from a cluster that uses them.
func TestProviderInUse(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Provide(item("FARGATE", 0, 1))
		put := func(names ...string) error {
			_, err := w.API.PutClusterCapacityProviders(w.T.Context(), &sdk.PutClusterCapacityProvidersInput{
				Cluster: aws.String("default"), CapacityProviders: names, DefaultCapacityProviderStrategy: strategy{},
			})
			return err
		}
		const inUse, why = "ResourceInUseException", "The specified capacity provider is in use and cannot be removed."
		w.Service(0)
		wantError(t, put("FARGATE_SPOT"), inUse, why)
		if _, err := w.API.DeleteService(w.T.Context(), &sdk.DeleteServiceInput{Service: aws.String("web")}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(5))
		out, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{
			TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, CapacityProviderStrategy: strategy{item("FARGATE_SPOT", 0, 1)},
		})
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, put("FARGATE"), inUse, why)
		if _, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: out.Tasks[0].TaskArn}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(60))
		if err := put(); err != nil {
			t.Errorf("once nothing uses them: %v", err)
		}
	})
}

func TestBadCapacity(t *testing.T) {
	put := func(names []string, s ...types.CapacityProviderStrategyItem) func(*ecstest.World) error {
		return call((*api.API).PutClusterCapacityProviders, &sdk.PutClusterCapacityProvidersInput{Cluster: aws.String("default"), CapacityProviders: names, DefaultCapacityProviderStrategy: s})
	}
	run := func(s ...types.CapacityProviderStrategyItem) func(*ecstest.World) error {
		return call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, CapacityProviderStrategy: s})
	}
	both := []string{"FARGATE", "FARGATE_SPOT"}
	tests := []struct {
		name string
		call func(*ecstest.World) error
		want string
	}{
		{"unknown", put([]string{"mine"}), "The specified capacity provider was not found."},
		{"twice", put([]string{"FARGATE", "FARGATE"}), "more than once"},
		{"not associated", put([]string{"FARGATE"}, item("FARGATE_SPOT", 0, 1)), "not associated with the cluster"},
		{"two bases", put(both, item("FARGATE", 1, 1), item("FARGATE_SPOT", 1, 1)), "Only one capacity provider in a capacity provider strategy can have a base"},
		{"base", put(both, item("FARGATE", 100001, 1)), "between 0 and 100000"},
		{"weight", put(both, item("FARGATE", 0, 1001)), "between 0 and 1000"},
		{"negative weight", put(both, item("FARGATE", 0, -1)), "between 0 and 1000"},
		{"strategy with a provider twice", put(both, item("FARGATE", 0, 1), item("FARGATE", 0, 1)), "more than once"},
		{"no weight", run(item("FARGATE", 1, 0)), "no capacity providers with a weight value greater than zero defined in the specified"},
		{"no weight by default", run(), "no capacity providers with a weight value greater than zero defined in the default capacity provider strategy."},
		{"both", call((*api.API).RunTask, &sdk.RunTaskInput{
			TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed, CapacityProviderStrategy: strategy{item("FARGATE", 0, 1)}, LaunchType: types.LaunchTypeFargate,
		}), "Specifying both a launch type and capacity provider strategy is not supported."},
		{"service with both", call((*api.API).CreateService, &sdk.CreateServiceInput{
			ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(1), NetworkConfiguration: ecstest.Placed,
			CapacityProviderStrategy: strategy{item("FARGATE", 0, 1)}, LaunchType: types.LaunchTypeFargate,
		}), "Specifying both"},
		{"group", call((*api.API).CreateCapacityProvider, &sdk.CreateCapacityProviderInput{
			Name: aws.String("mine"), AutoScalingGroupProvider: &types.AutoScalingGroupProvider{AutoScalingGroupArn: aws.String("arn")},
		}), "'autoScalingGroupProvider' is not supported"},
		{"reserved name", call((*api.API).CreateCapacityProvider, &sdk.CreateCapacityProviderInput{Name: aws.String("FargateX")}), "cannot be prefixed"},
		{"nothing provides", call((*api.API).CreateCapacityProvider, &sdk.CreateCapacityProviderInput{Name: aws.String("mine")}), "must be specified"},
		{"update", call((*api.API).UpdateCapacityProvider, &sdk.UpdateCapacityProviderInput{Name: aws.String("FARGATE")}), "can't be updated"},
		{"delete", call((*api.API).DeleteCapacityProvider, &sdk.DeleteCapacityProviderInput{CapacityProvider: aws.String(ours + "capacity-provider/FARGATE")}), "can't be deleted"},
		{"delete another", call((*api.API).DeleteCapacityProvider, &sdk.DeleteCapacityProviderInput{CapacityProvider: aws.String("mine")}), "was not found"},
		{"pages", call((*api.API).DescribeCapacityProviders, &sdk.DescribeCapacityProvidersInput{MaxResults: aws.Int32(11)}), "between 1 and 10"},
		{"tag", call((*api.API).TagResource, &sdk.TagResourceInput{ResourceArn: aws.String(ours + "capacity-provider/FARGATE")}), "can't be tagged"},
		{"constraint", call((*api.API).RunTask, &sdk.RunTaskInput{TaskDefinition: aws.String("web"), PlacementConstraints: []types.PlacementConstraint{{}}}), "Placement constraints are not supported with FARGATE launch type"},
		{"strategy", call((*api.API).UpdateService, &sdk.UpdateServiceInput{Service: aws.String("web"), PlacementStrategy: []types.PlacementStrategy{{}}}), "Placement strategies are not supported with FARGATE launch type"},
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Provide(item("FARGATE", 0, 0))
		before := dump(w)
		for _, tt := range tests {
			t.Log(tt.name)
			wantError(t, tt.call(w), badCode, tt.want)
		}
		if diff := cmp.Diff(before, dump(w)); diff != "" {
			t.Errorf("what was refused changed the records: %s", diff)
		}
	})
}

func TestDescribeCapacityProviders(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		describe := func(in sdk.DescribeCapacityProvidersInput) (got []string, next *string) {
			t.Helper()
			out, err := w.API.DescribeCapacityProviders(w.T.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range out.CapacityProviders {
				got = append(got, fmt.Sprintf("%s %s %s %s", *p.Name, p.Type, p.Status, *p.CapacityProviderArn))
			}
			for _, f := range out.Failures {
				got = append(got, *f.Reason+" "+*f.Arn)
			}
			return got, out.NextToken
		}
		fargate := "FARGATE FARGATE ACTIVE " + ours + "capacity-provider/FARGATE"
		spot := "FARGATE_SPOT FARGATE_SPOT ACTIVE " + ours + "capacity-provider/FARGATE_SPOT"
		missing := "MISSING " + ours + "capacity-provider/mine"
		for _, tt := range []struct {
			in   sdk.DescribeCapacityProvidersInput
			want []string
		}{
			{sdk.DescribeCapacityProvidersInput{}, []string{fargate, spot}},
			{sdk.DescribeCapacityProvidersInput{CapacityProviders: []string{ours + "capacity-provider/FARGATE_SPOT", "mine"}}, []string{spot, missing}},
			{sdk.DescribeCapacityProvidersInput{Cluster: aws.String("default")}, nil},
		} {
			if got, next := describe(tt.in); cmp.Diff(tt.want, got) != "" || next != nil {
				t.Errorf("%v: %s", tt.in, cmp.Diff(tt.want, got))
			}
		}
		first, next := describe(sdk.DescribeCapacityProvidersInput{MaxResults: aws.Int32(1)})
		second, last := describe(sdk.DescribeCapacityProvidersInput{MaxResults: aws.Int32(1), NextToken: next})
		if d := cmp.Diff([]string{fargate, spot}, append(first, second...)); d != "" || last != nil {
			t.Errorf("page by page: %s", d)
		}
	})
}
