package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestECSRecords(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("clusters in use", s.testClusterInUse)
	t.Run("pages", s.testPages)
	t.Run("tags", s.testTags)
	t.Run("tokens", s.testTokens)
	t.Run("updates", s.testUpdates)
	t.Run("arns", s.testARNs)
	t.Run("grace period", s.testGracePeriod)
	t.Run("many", s.testMany)
}

func (s *stage) testClusterInUse(t *testing.T) {
	t.Parallel()
	cluster := "in-use"
	s.cluster(t, cluster)
	def := s.defineProbe(t, "cluster-in-use")
	must(s.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{Cluster: &cluster, ServiceName: new("idle"), TaskDefinition: &def, DesiredCount: new(int32(0)), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: s.network(t, s.open)}))(t)
	remove := func() error {
		_, err := s.ecs.DeleteCluster(t.Context(), &ecs.DeleteClusterInput{Cluster: &cluster})
		return err
	}
	refused(t, remove(), "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
	must(s.ecs.DeleteService(t.Context(), &ecs.DeleteServiceInput{Cluster: &cluster, Service: new("idle")}))(t)
	takes(t, 30*time.Second, "the service is drained", func() bool {
		out := must(s.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{"idle"}}))(t)
		return *out.Services[0].Status == "INACTIVE"
	})
	out := must(s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: &cluster, TaskDefinition: &def, NetworkConfiguration: s.network(t, s.open)}))(t)
	refused(t, remove(), "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
	must(s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: &cluster, Task: out.Tasks[0].TaskArn}))(t)
	takes(t, 30*time.Second, "the cluster can be deleted", func() bool { return remove() == nil })
	again := must(s.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: &cluster}))(t).Cluster
	if *again.Status != "ACTIVE" {
		t.Errorf("made again, the cluster is %s", *again.Status)
	}
}

func (s *stage) testPages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for range 5 {
		in := s.shop()
		in.Family = new("paged")
		must(s.ecs.RegisterTaskDefinition(ctx, in))(t)
	}
	var got []string
	pages := ecs.NewListTaskDefinitionsPaginator(s.ecs, &ecs.ListTaskDefinitionsInput{FamilyPrefix: new("paged"), MaxResults: new(int32(2))})
	for pages.HasMorePages() {
		page := must(pages.NextPage(ctx))(t).TaskDefinitionArns
		if len(page) > 2 {
			t.Errorf("a page of 2 has %d", len(page))
		}
		for _, arn := range page {
			got = append(got, arn[strings.LastIndex(arn, ":")+1:])
		}
	}
	if !slices.Equal(got, []string{"1", "2", "3", "4", "5"}) {
		t.Errorf("revisions of all pages: %v", got)
	}
	_, err := s.ecs.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{NextToken: new("nonsense")})
	refused(t, err, "InvalidParameterException", "oken")
	_, err = s.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: strings.Fields(strings.Repeat("x ", 11))})
	refused(t, err, "InvalidParameterException", "10")
	_, err = s.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{}})
	refused(t, err, "InvalidParameterException", "Services cannot be empty")
}

func (s *stage) testTags(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	in := s.shop()
	in.Family, in.Tags = new("tagged"), []types.Tag{{Key: new("a"), Value: new("1")}}
	arn := *must(s.ecs.RegisterTaskDefinition(ctx, in))(t).TaskDefinition.TaskDefinitionArn
	s.aws(t, "ecs", "tag-resource", "--resource-arn", arn, "--tags", "key=b,value=2")
	s.aws(t, "ecs", "untag-resource", "--resource-arn", arn, "--tag-keys", "a")
	if got := s.aws(t, "ecs", "list-tags-for-resource", "--resource-arn", arn, "--query", "tags[].[key,value]", "--output", "text"); got != "b\t2" {
		t.Errorf("list-tags-for-resource: %s", got)
	}
	_, err := s.ecs.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: new("aws:x"), Value: new("y")}}})
	refused(t, err, "InvalidParameterException", "aws:")
	_, err = s.ecs.ListTagsForResource(ctx, &ecs.ListTagsForResourceInput{ResourceArn: new("arn:aws:ecs:" + region + ":" + s.account + ":cluster/nowhere")})
	if err == nil {
		t.Error("tags of a cluster that isn't there")
	}
	out := must(s.ecs.RunTask(ctx, &ecs.RunTaskInput{
		TaskDefinition: &arn, NetworkConfiguration: s.network(t, s.open), PropagateTags: types.PropagateTagsTaskDefinition, EnableECSManagedTags: true, Tags: []types.Tag{{Key: new("c"), Value: new("3")}},
	}))(t).Tasks[0]
	s.stopAtEnd(t, *out.TaskArn)
	var tags []string
	for _, tag := range must(s.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{*out.TaskArn}, Include: []types.TaskField{types.TaskFieldTags}}))(t).Tasks[0].Tags {
		tags = append(tags, *tag.Key+"="+*tag.Value)
	}
	slices.Sort(tags)
	if !slices.Equal(tags, []string{"aws:ecs:clusterName=default", "b=2", "c=3"}) {
		t.Errorf("tags of the task: %v", tags)
	}
}

// The same request with the same token is the same task.
func (s *stage) testTokens(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "tokens")
	in := &ecs.RunTaskInput{TaskDefinition: &def, NetworkConfiguration: s.network(t, s.open), ClientToken: new("once")}
	first, again := must(s.ecs.RunTask(t.Context(), in))(t), must(s.ecs.RunTask(t.Context(), in))(t)
	s.stopAtEnd(t, *first.Tasks[0].TaskArn)
	if *first.Tasks[0].TaskArn != *again.Tasks[0].TaskArn || len(again.Tasks) != 1 {
		t.Errorf("tasks %v and %v", first.Tasks, again.Tasks)
	}
	in.Count = new(int32(2))
	_, err := s.ecs.RunTask(t.Context(), in)
	refused(t, err, "ConflictException", "clientToken")
}

func (s *stage) testUpdates(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "updates")
	s.deploy(t, "updates", def, "", 0)
	update := func(edit func(*ecs.UpdateServiceInput)) error {
		in := &ecs.UpdateServiceInput{Service: new("updates")}
		edit(in)
		_, err := s.ecs.UpdateService(t.Context(), in)
		return err
	}
	percents := func(low, high int32) func(*ecs.UpdateServiceInput) {
		return func(in *ecs.UpdateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: &low, MaximumPercent: &high}
		}
	}
	refused(t, update(percents(100, 100)), "InvalidParameterException", "")
	refused(t, update(percents(-1, 100)), "InvalidParameterException", "inimumHealthyPercent")
	refused(t, update(percents(100, 90)), "InvalidParameterException", "aximumPercent")
	refused(t, update(func(in *ecs.UpdateServiceInput) { in.TaskDefinition = new("updates:99") }), "ClientException", "TaskDefinition not found")
	refused(t, update(func(in *ecs.UpdateServiceInput) {
		in.ServiceRegistries = []types.ServiceRegistry{{RegistryArn: new("r")}}
	}), "InvalidParameterException", "is not that of an AWS Cloud Map service")
	refused(t, update(percents(0, 100)), "InvalidParameterException", "Availability Zone Rebalancing does not support maximumPercent <= 100 %")
	err := update(func(in *ecs.UpdateServiceInput) {
		percents(0, 100)(in)
		in.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingDisabled
	})
	if err != nil {
		t.Error(err)
	}
	is := s.described(t, "updates")
	if c := is.DeploymentConfiguration; *c.MinimumHealthyPercent != 0 || *c.MaximumPercent != 100 {
		t.Errorf("percents: %d, %d", *c.MinimumHealthyPercent, *c.MaximumPercent)
	}
	if len(is.Deployments) != 1 {
		t.Errorf("%d deployments after an update of percents", len(is.Deployments))
	}
	must(s.ecs.DeleteService(t.Context(), &ecs.DeleteServiceInput{Service: new("updates")}))(t)
	takes(t, 20*time.Second, "the service is inactive", func() bool { return *s.described(t, "updates").Status == "INACTIVE" })
	refused(t, update(func(in *ecs.UpdateServiceInput) { in.DesiredCount = new(int32(1)) }), "ServiceNotActiveException", "Service was not ACTIVE.")
	s.deploy(t, "updates", def, "", 0)
	if is := s.described(t, "updates"); *is.Status != "ACTIVE" {
		t.Errorf("made again, the service is %s", *is.Status)
	}
}

// Things are named by name or by ARN; those of others are refused.
func (s *stage) testARNs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	arn := func(account, resource string) string { return "arn:aws:ecs:" + region + ":" + account + ":" + resource }
	for _, ref := range []string{"default", arn(s.account, "cluster/default")} {
		if out := must(s.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{ref}}))(t); len(out.Clusters) != 1 {
			t.Errorf("cluster %s: %v", ref, out.Failures)
		}
	}
	for _, ref := range []string{arn("000000000000", "cluster/default"), arn(s.account, "service/default/x"), "a/b", "arn:aws:s3:::default"} {
		out, err := s.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{ref}})
		if err == nil && len(out.Clusters) > 0 {
			t.Errorf("cluster %s was found", ref)
		}
		_, err = s.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &ref})
		if err == nil {
			t.Errorf("tasks of cluster %s were listed", ref)
		}
	}
	s.deploy(t, "arns", s.defineProbe(t, "arns"), "", 0)
	for _, ref := range []string{"arns", arn(s.account, "service/default/arns")} {
		if is := s.described(t, ref); *is.ServiceName != "arns" {
			t.Errorf("service %s: %s", ref, *is.ServiceName)
		}
	}
	out, err := s.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{arn(s.account, "service/other/arns")}})
	if err == nil && len(out.Services) > 0 {
		t.Error("a service of another cluster was found")
	}
}

// Within its grace period a task isn't stopped for what its checks say.
func (s *stage) testGracePeriod(t *testing.T) {
	t.Parallel()
	pool := s.pool(t, "grace")
	s.front(t, "grace", 8341, forward(pool))
	s.deploy(t, "grace", s.defineProbe(t, "grace", environment("HEALTH=500")), pool, 1, func(in *ecs.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = new(int32(20)) },
		bounds(0, 100)) // it may not wait for a replacement to be healthy
	var started, stopped time.Time
	takes(t, 90*time.Second, "the task is stopped", func() bool {
		for _, arn := range s.tasksOf(t, "grace", types.DesiredStatusStopped) {
			if task := s.task(t, arn); task.StoppingAt != nil {
				started, stopped = *task.StartedAt, *task.StoppingAt
			}
		}
		return !stopped.IsZero()
	})
	if d := stopped.Sub(started); d < 19*time.Second || d > 40*time.Second {
		t.Errorf("the task was stopped %s after it started", d)
	}
}

// Ten tasks at once all run, each with an address of its own.
func (s *stage) testMany(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "many")
	out := must(s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: &def, NetworkConfiguration: s.network(t, s.open), Count: new(int32(10))}))(t)
	seen := map[string]bool{}
	for _, task := range out.Tasks {
		is := s.reaches(t, *task.TaskArn, "RUNNING")
		addr := address(t, is)
		seen[addr] = true
		listens(t, addr)
		if code, body := s.ask(fmt.Sprintf("http://%s:8080/", addr)); code != 200 {
			t.Errorf("%s: %d %s", addr, code, body)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d addresses", len(seen))
	}
	for _, task := range out.Tasks {
		must(s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn, Reason: aws.String("done")}))(t)
	}
	for _, task := range out.Tasks {
		s.reaches(t, *task.TaskArn, "STOPPED")
	}
}
