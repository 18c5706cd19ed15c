package ecstest

import (
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Traffic tells the weights of the production and the test rule, the tasks of
// each revision, the oldest first, and the stage.
func (w *World) Traffic() string {
	w.T.Helper()
	pb, pg := w.Balancing.Serves(ProductionRule)
	tb, tg := w.Balancing.Serves(TestRule)
	d := w.Current()
	var tasks strings.Builder
	for _, r := range d.SourceServiceRevisions {
		fmt.Fprintf(&tasks, "%d/%d ", r.RunningTaskCount, r.RequestedTaskCount)
	}
	return fmt.Sprintf("%d:%d %d:%d tasks %s%d/%d %s %s", pb, pg, tb, tg, tasks.String(),
		d.TargetServiceRevision.RunningTaskCount, d.TargetServiceRevision.RequestedTaskCount, d.LifecycleStage, d.Status)
}

// At ends the test unless the traffic is as Traffic tells it.
func (w *World) At(when, traffic string) {
	w.T.Helper()
	if got := w.Traffic(); got != traffic {
		w.T.Errorf("%s: %s\nwant %s", when, got, traffic)
		for _, e := range w.Describe().Events {
			w.T.Log(e.CreatedAt.Format("15:04:05.000"), *e.Message)
		}
		w.T.FailNow()
	}
}

// StopDeployment stops the current service deployment.
func (w *World) StopDeployment() {
	w.T.Helper()
	if _, err := w.API.StopServiceDeployment(w.T.Context(), &sdk.StopServiceDeploymentInput{
		ServiceDeploymentArn: w.Current().ServiceDeploymentArn, StopType: types.StopServiceDeploymentStopTypeRollback,
	}); err != nil {
		w.T.Fatal(err)
	}
}

// Answer answers the hook that the current service deployment waits at.
func (w *World) Answer(action types.DeploymentLifecycleHookAction) error {
	w.T.Helper()
	d := w.Current()
	if len(d.LifecycleHookDetails) == 0 {
		w.T.Fatalf("no hook in %s", *d.ServiceDeploymentArn)
	}
	_, err := w.API.ContinueServiceDeployment(w.T.Context(), &sdk.ContinueServiceDeploymentInput{
		ServiceDeploymentArn: d.ServiceDeploymentArn, HookId: d.LifecycleHookDetails[0].HookId, Action: action,
	})
	return err
}

// Update updates the service web.
func (w *World) Update(in *sdk.UpdateServiceInput) types.Service {
	w.T.Helper()
	in.Service = aws.String("web")
	out, err := w.API.UpdateService(w.T.Context(), in)
	if err != nil {
		w.T.Fatal(err)
	}
	return *out.Service
}

// Current describes the service's current service deployment.
func (w *World) Current() types.ServiceDeployment {
	w.T.Helper()
	return w.Deployment(*w.Describe().CurrentServiceDeployment)
}

// Deployment describes a service deployment.
func (w *World) Deployment(arn string) types.ServiceDeployment {
	w.T.Helper()
	out, err := w.API.DescribeServiceDeployments(w.T.Context(), &sdk.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn}})
	if err != nil || len(out.ServiceDeployments) != 1 {
		w.T.Fatalf("describe %s: %v %+v", arn, err, out)
	}
	return out.ServiceDeployments[0]
}

// Heard says how often the service has told an event that ends so.
func (w *World) Heard(end string) (n int) {
	w.T.Helper()
	for _, e := range w.Describe().Events {
		if strings.HasSuffix(*e.Message, end) {
			n++
		}
	}
	return n
}

// Provide gives the default cluster both providers and a default strategy.
func (w *World) Provide(s ...types.CapacityProviderStrategyItem) {
	w.T.Helper()
	_, err := w.API.PutClusterCapacityProviders(w.T.Context(), &sdk.PutClusterCapacityProvidersInput{
		Cluster: aws.String("default"), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"}, DefaultCapacityProviderStrategy: s,
	})
	if err != nil {
		w.T.Fatal(err)
	}
}

// Cluster describes a cluster with all that there is of it.
func (w *World) Cluster(name string) types.Cluster {
	w.T.Helper()
	out, err := w.API.DescribeClusters(w.T.Context(), &sdk.DescribeClustersInput{Clusters: []string{name}, Include: types.ClusterField("").Values()})
	if err != nil || len(out.Clusters) != 1 {
		w.T.Fatalf("describe %s: %v %+v", name, err, out)
	}
	return out.Clusters[0]
}

// Define registers a task definition of one container called web.
func (w *World) Define(change ...func(*sdk.RegisterTaskDefinitionInput)) string {
	w.T.Helper()
	in := WebDefinition()
	for _, c := range change {
		c(in)
	}
	out, err := w.API.RegisterTaskDefinition(w.T.Context(), in)
	if err != nil {
		w.T.Fatal(err)
	}
	return *out.TaskDefinition.TaskDefinitionArn
}

// WebDefinition is a task definition of one container called web.
func WebDefinition() *sdk.RegisterTaskDefinitionInput {
	return &sdk.RegisterTaskDefinitionInput{
		Family: aws.String("web"), Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("web"), Image: aws.String("example.test/web:latest"),
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080)}},
		}},
	}
}

// Placed is a network configuration of two subnets in two zones.
var Placed = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-a", "subnet-b"}}}

// Service creates a service of n tasks of web.
func (w *World) Service(n int32, change ...func(*sdk.CreateServiceInput)) {
	w.T.Helper()
	in := &sdk.CreateServiceInput{ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: &n, NetworkConfiguration: Placed}
	for _, c := range change {
		c(in)
	}
	if _, err := w.API.CreateService(w.T.Context(), in); err != nil {
		w.T.Fatal(err)
	}
}

// Balanced puts a service behind the target group tg.
func Balanced(in *sdk.CreateServiceInput) {
	in.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: aws.String("tg"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}}
}

// Describe describes the service web.
func (w *World) Describe() types.Service {
	w.T.Helper()
	out, err := w.API.DescribeServices(w.T.Context(), &sdk.DescribeServicesInput{Services: []string{"web"}})
	if err != nil || len(out.Services) != 1 {
		w.T.Fatalf("describe: %v %+v", err, out)
	}
	return out.Services[0]
}

// InsightsOf returns what the API says of a cluster's Container Insights.
func (w *World) InsightsOf(name string) string {
	w.T.Helper()
	out, err := w.API.DescribeClusters(w.T.Context(), &sdk.DescribeClustersInput{Clusters: []string{name}, Include: []types.ClusterField{types.ClusterFieldSettings}})
	if err != nil || len(out.Clusters) != 1 || len(out.Clusters[0].Settings) != 1 {
		w.T.Fatalf("describe %s: %+v, %v", name, out, err)
	}
	return *out.Clusters[0].Settings[0].Value
}

// Zones counts tasks by their availability zones.
func Zones(tasks []types.Task) map[string]int {
	out := map[string]int{}
	for _, t := range tasks {
		out[*t.AvailabilityZone]++
	}
	return out
}

// TryUpdate changes the service web, or is refused.
func (w *World) TryUpdate(in *sdk.UpdateServiceInput) (types.Service, error) {
	in.Service = aws.String("web")
	out, err := w.API.UpdateService(w.T.Context(), in)
	if err != nil {
		return types.Service{}, err
	}
	return *out.Service, nil
}

// Uneven brings web to two tasks in zone a and none in b: those in a were
// protected when it was scaled in from four.
func (w *World) Uneven(minutes int32) {
	w.T.Helper()
	w.Define()
	w.Service(4, Balanced)
	w.After(Sec(20))
	w.Protect(minutes, w.InZone("a")...)
	w.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(2)})
	w.After(Sec(20))
	w.WantZones("scaled in", map[string]int{"a": 2})
}

// InZone returns the tasks of a zone that are to run.
func (w *World) InZone(zone string) (of []string) {
	for _, task := range w.Tasks(types.DesiredStatusRunning) {
		if *task.AvailabilityZone == zone {
			of = append(of, *task.TaskArn)
		}
	}
	return of
}

// WantZones holds the tasks of each zone against want.
func (w *World) WantZones(what string, want map[string]int) {
	w.T.Helper()
	if got := Zones(w.Tasks(types.DesiredStatusRunning)); !maps.Equal(got, want) {
		w.T.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Events are the service's newest, the oldest of them first, without the names
// of tasks.
func (w *World) Events(n int) (out []string) {
	for _, e := range w.Describe().Events[:n] {
		words := strings.TrimPrefix(*e.Message, "(service web) ")
		words, _, _ = strings.Cut(words, " (task")
		out = append([]string{words}, out...)
	}
	return out
}

// Told counts the events of the service that have words in them.
func (w *World) Told(words string) (n int) {
	w.T.Helper()
	for _, e := range w.Describe().Events {
		if strings.Contains(*e.Message, words) {
			n++
		}
	}
	return n
}
