package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// TestECSAPI drives what of ECS's API is neither task definitions nor
// deployments with the real aws CLI, group by group.
func TestECSAPI(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("clusters", s.testCLIClusters)
	t.Run("capacity providers", s.testCLIProviders)
	t.Run("run-task", s.testCLIRunTask)
	t.Run("lists and their pages", s.testCLILists)
	t.Run("container instances", s.testCLIInstances)
	t.Run("account settings", s.testCLIAccount)
	t.Run("tags", s.testCLITags)
	t.Run("waiters", s.testCLIWaiters)
}

// prints checks what a command prints as text.
func (s *stage) prints(t *testing.T, want string, args ...string) {
	t.Helper()
	if got := strings.Join(strings.Fields(s.aws(t, append(args, "--output", "text")...)), " "); got != want {
		t.Errorf("aws %s:\n%s\nwant %s", strings.Join(args, " "), got, want)
	}
}

// placement is --network-configuration.
func (s *stage) placement(t *testing.T) []string {
	t.Helper()
	return []string{"--network-configuration", fmt.Sprintf("awsvpcConfiguration={subnets=[%s],securityGroups=[%s]}", strings.Join(s.subnets(t), ","), s.open)}
}

func (s *stage) testCLIClusters(t *testing.T) {
	t.Parallel()
	s.prints(t, "cli ACTIVE", "ecs", "create-cluster", "--cluster-name", "cli", "--tags", "key=team,value=web", "--settings", "name=containerInsights,value=disabled",
		"--configuration", "executeCommandConfiguration={logging=DEFAULT}", "--query", "cluster.[clusterName,status]")
	s.prints(t, "cli", "ecs", "create-cluster", "--cluster-name", "cli", "--query", "cluster.clusterName")
	s.awsRefused(t, "InvalidParameterException", "Arguments on this idempotent request are inconsistent", "ecs", "create-cluster", "--cluster-name", "cli", "--tags", "key=team,value=db")
	s.prints(t, "disabled DEFAULT web 8", "ecs", "describe-clusters", "--clusters", "cli", "--include", "ATTACHMENTS", "CONFIGURATIONS", "SETTINGS", "STATISTICS", "TAGS",
		"--query", "clusters[0].[settings[0].value,configuration.executeCommandConfiguration.logging,tags[0].value,length(statistics)]")
	s.prints(t, "None 0", "ecs", "describe-clusters", "--clusters", "cli", "--query", "clusters[0].[configuration,length(statistics)]")
	s.prints(t, "disabled", "ecs", "update-cluster-settings", "--cluster", "cli", "--settings", "name=containerInsights,value=disabled", "--query", "cluster.settings[0].value")
	s.prints(t, "cli", "ecs", "update-cluster", "--cluster", "cli", "--configuration", "executeCommandConfiguration={logging=DEFAULT}", "--query", "cluster.clusterName")
	s.prints(t, "enhanced", "ecs", "update-cluster", "--cluster", "cli", "--settings", "name=containerInsights,value=enhanced", "--query", "cluster.settings[0].value")
	for _, c := range []struct{ words, option, value string }{
		{"Invalid setting value 'maybe'", "--settings", "name=containerInsights,value=maybe"},
		{"'configuration.managedStorageConfiguration'", "--configuration", "managedStorageConfiguration={kmsKeyId=k}"},
		{"'serviceConnectDefaults'", "--service-connect-defaults", "namespace=internal"},
	} {
		s.awsRefused(t, "InvalidParameterException", c.words, "ecs", "update-cluster", "--cluster", "cli", c.option, c.value)
	}
	s.prints(t, "INACTIVE", "ecs", "delete-cluster", "--cluster", "cli", "--query", "cluster.status")
	s.prints(t, "INACTIVE", "ecs", "describe-clusters", "--clusters", "cli", "--query", "clusters[0].status")
	s.awsRefused(t, "ClusterNotFoundException", "The referenced cluster was inactive.", "ecs", "list-tasks", "--cluster", "cli")
	s.awsRefused(t, "NamespaceNotFoundException", "The specified namespace wasn't found.", "ecs", "list-services-by-namespace", "--namespace", "internal")
}

// The tasks of run-task and of a service are split over FARGATE and FARGATE_SPOT.
func (s *stage) testCLIProviders(t *testing.T) {
	t.Parallel()
	const cluster = "providers"
	s.prints(t, "FARGATE FARGATE_SPOT", "ecs", "describe-capacity-providers", "--query", "capacityProviders[].type")
	s.aws(t, "ecs", "create-cluster", "--cluster-name", cluster, "--capacity-providers", "FARGATE")
	s.awsRefused(t, "InvalidParameterException", "not associated with the cluster", "ecs", "put-cluster-capacity-providers", "--cluster", cluster,
		"--capacity-providers", "FARGATE", "--default-capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=1")
	s.prints(t, "FARGATE FARGATE_SPOT 3", "ecs", "put-cluster-capacity-providers", "--cluster", cluster, "--capacity-providers", "FARGATE", "FARGATE_SPOT",
		"--default-capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=3", "capacityProvider=FARGATE,weight=1,base=1",
		"--query", "cluster.[capacityProviders[0],capacityProviders[1],defaultCapacityProviderStrategy[0].weight]")
	def := s.defineProbe(t, "providers")
	run := append([]string{"ecs", "run-task", "--cluster", cluster, "--task-definition", def, "--query", "sort(tasks[].capacityProviderName)"}, s.placement(t)...)
	s.prints(t, "FARGATE FARGATE FARGATE_SPOT FARGATE_SPOT FARGATE_SPOT", append(run, "--count", "5")...)
	s.prints(t, "FARGATE_SPOT", append(run, "--capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=1")...)
	s.awsRefused(t, "InvalidParameterException", "Specifying both a launch type and capacity provider strategy is not supported.",
		append(run, "--launch-type", "FARGATE", "--capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=1")...)
	s.aws(t, append([]string{
		"ecs", "create-service", "--cluster", cluster, "--service-name", "mixed", "--task-definition", def, "--desired-count", "2",
		"--capacity-provider-strategy", "capacityProvider=FARGATE,weight=1", "capacityProvider=FARGATE_SPOT,weight=1",
	}, s.placement(t)...)...)
	s.aws(t, "ecs", "wait", "services-stable", "--cluster", cluster, "--services", "mixed")
	s.prints(t, "None FARGATE FARGATE_SPOT", "ecs", "describe-services", "--cluster", cluster, "--services", "mixed",
		"--query", "services[0].[launchType,deployments[0].capacityProviderStrategy[0].capacityProvider,capacityProviderStrategy[1].capacityProvider]")
	tasks := s.ids(t, "ecs", "list-tasks", "--cluster", cluster, "--service-name", "mixed", "--query", "taskArns")
	s.prints(t, "FARGATE FARGATE_SPOT", append([]string{"ecs", "describe-tasks", "--cluster", cluster, "--query", "sort(tasks[].capacityProviderName)", "--tasks"}, tasks...)...)
	s.awsRefused(t, "ResourceInUseException", "The specified capacity provider is in use and cannot be removed.", "ecs", "put-cluster-capacity-providers", "--cluster", cluster,
		"--capacity-providers", "FARGATE", "--default-capacity-provider-strategy", "capacityProvider=FARGATE,weight=1")
	s.awsRefused(t, "InvalidParameterException", "you must force a new deployment", "ecs", "update-service", "--cluster", cluster, "--service", "mixed",
		"--capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=1")
	s.awsRefused(t, "InvalidParameterException", "'autoScalingGroupProvider'", "ecs", "create-capacity-provider", "--name", "mine", "--auto-scaling-group-provider", "autoScalingGroupArn=arn:x")
	s.empty(t, cluster, "mixed")
}

// empty ends all that a cluster has, and deletes it.
func (s *stage) empty(t *testing.T, cluster string, services ...string) {
	t.Helper()
	for _, name := range services {
		s.aws(t, "ecs", "delete-service", "--cluster", cluster, "--service", name, "--force")
	}
	tasks := s.ids(t, "ecs", "list-tasks", "--cluster", cluster, "--query", "taskArns")
	for _, arn := range tasks {
		s.aws(t, "ecs", "stop-task", "--cluster", cluster, "--task", arn)
	}
	if len(tasks) > 0 {
		s.aws(t, append([]string{"ecs", "wait", "tasks-stopped", "--cluster", cluster, "--tasks"}, tasks...)...)
	}
	takes(t, time.Minute, cluster+" can be deleted", func() bool {
		_, err := s.awsRun("ecs", "delete-cluster", "--cluster", cluster)
		return err == nil
	})
}

// ids returns the strings that a command prints as a JSON list.
func (s *stage) ids(t *testing.T, args ...string) (ids []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.aws(t, append(args, "--output", "json")...)), &ids); err != nil {
		t.Fatal(err)
	}
	return ids
}

// A task runs with what its overrides say, is stopped with a reason, and a
// request with the same token is the same task.
func (s *stage) testCLIRunTask(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "cli-run", environment("VERSION=1"))
	overrides := `{"cpu":"512","memory":"1024","containerOverrides":[{"name":"web","environment":[{"name":"VERSION","value":"7"}],"cpu":256,"memory":512,"memoryReservation":64}]}`
	run := append([]string{
		"ecs", "run-task", "--task-definition", def, "--overrides", overrides, "--started-by", "cli/e2e", "--group", "batch", "--client-token", "cli-run-1",
		"--tags", "key=job,value=nightly", "--query", "tasks[0].taskArn", "--output", "text",
	}, s.placement(t)...)
	arn := s.aws(t, run...)
	s.stopAtEnd(t, arn)
	if again := s.aws(t, run...); again != arn {
		t.Errorf("with the same token: %s, before %s", again, arn)
	}
	s.awsRefused(t, "ConflictException", "clientToken is already in use", append(slices.Clone(run), "--count", "2")...)
	s.aws(t, "ecs", "wait", "tasks-running", "--tasks", arn)
	s.prints(t, "512 1024 256 512 64 batch cli/e2e FARGATE nightly", "ecs", "describe-tasks", "--tasks", arn, "--include", "TAGS",
		"--query", "tasks[0].[cpu,memory,containers[0].cpu,containers[0].memory,containers[0].memoryReservation,group,startedBy,launchType,tags[0].value]")
	addr := s.aws(t, "ecs", "describe-tasks", "--tasks", arn, "--query", "tasks[0].containers[0].networkInterfaces[0].privateIpv4Address", "--output", "text")
	listens(t, addr)
	if _, body := s.ask("http://" + addr + ":8080/"); !strings.Contains(body, "version=7") {
		t.Errorf("the task says %q", body)
	}
	s.prints(t, arn, "ecs", "list-tasks", "--started-by", "cli/e2e", "--query", "taskArns")
	s.aws(t, "ecs", "stop-task", "--task", arn, "--reason", "enough")
	s.aws(t, "ecs", "wait", "tasks-stopped", "--tasks", arn)
	s.prints(t, "UserInitiated enough", "ecs", "describe-tasks", "--tasks", arn, "--query", "tasks[0].[stopCode,stoppedReason]")
	refuse := append([]string{"ecs", "run-task", "--task-definition", def}, s.placement(t)...)
	for _, c := range []struct {
		words   string
		options []string
	}{
		{"No Fargate configuration exists for given values", []string{"--overrides", `{"cpu":"300"}`}},
		{"No Container Instances were found in your cluster.", []string{"--launch-type", "EC2"}},
		{"Placement constraints are not supported with FARGATE launch type", []string{"--placement-constraints", "type=distinctInstance"}},
		{"Placement strategies are not supported with FARGATE launch type", []string{"--placement-strategy", "type=random"}},
	} {
		s.awsRefused(t, "InvalidParameterException", c.words, append(slices.Clone(refuse), c.options...)...)
	}
	s.awsRefused(t, "ClientException", "Role is not valid", append(refuse, "--overrides", `{"taskRoleArn":"arn:aws:iam::1:role/x"}`)...)
}

// Every list is the same at once and page by page.
func (s *stage) testCLILists(t *testing.T) {
	t.Parallel()
	const cluster = "lists"
	s.aws(t, "ecs", "create-cluster", "--cluster-name", cluster)
	def := s.defineProbe(t, "lists")
	create := append([]string{"ecs", "create-service", "--cluster", cluster, "--task-definition", def, "--desired-count", "0"}, s.placement(t)...)
	names := strings.Fields("a b c d")
	for _, name := range names {
		s.aws(t, append(slices.Clone(create), "--service-name", name)...)
	}
	s.aws(t, append([]string{"ecs", "run-task", "--cluster", cluster, "--task-definition", def, "--count", "4", "--started-by", "me"}, s.placement(t)...)...)
	for _, c := range []struct {
		want int
		list []string
	}{
		{len(names), []string{"list-services", "--cluster", cluster, "--query", "serviceArns"}},
		{4, []string{"list-tasks", "--cluster", cluster, "--query", "taskArns"}},
		{4, []string{"list-tasks", "--cluster", cluster, "--family", "lists", "--desired-status", "RUNNING", "--launch-type", "FARGATE", "--query", "taskArns"}},
		{4, []string{"list-tasks", "--cluster", cluster, "--started-by", "me", "--query", "taskArns"}},
		{0, []string{"list-tasks", "--cluster", cluster, "--desired-status", "PENDING", "--query", "taskArns"}},
		{0, []string{"list-tasks", "--cluster", cluster, "--service-name", "a", "--query", "taskArns"}},
		{0, []string{"list-tasks", "--cluster", cluster, "--launch-type", "EC2", "--query", "taskArns"}},
		{0, []string{"list-container-instances", "--cluster", cluster, "--status", "ACTIVE", "--query", "containerInstanceArns"}},
		{0, []string{"list-attributes", "--cluster", cluster, "--target-type", "container-instance", "--query", "attributes"}},
		{1, []string{"list-task-definitions", "--family-prefix", "lists", "--query", "taskDefinitionArns"}},
		{1, []string{"list-task-definition-families", "--family-prefix", "lists", "--query", "families"}},
	} {
		list := append([]string{"ecs"}, c.list...)
		whole, paged := s.ids(t, list...), s.ids(t, append(slices.Clone(list), "--page-size", "3")...)
		if len(whole) != c.want || !slices.Equal(whole, paged) {
			t.Errorf("%v: %v at once, %v by three, want %d", c.list, whole, paged, c.want)
		}
	}
	s.awsRefused(t, "InvalidParameterException", "it must be the only filter", "ecs", "list-tasks", "--cluster", cluster, "--started-by", "me", "--family", "lists")
	s.empty(t, cluster, names...)
}

func (s *stage) testCLIInstances(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0a", 16)
	arn := "arn:aws:ecs:" + region + ":" + s.account + ":container-instance/default/" + id
	s.prints(t, "MISSING "+arn, "ecs", "describe-container-instances", "--container-instances", id, "--query", "failures[0].[reason,arn]")
	s.prints(t, "MISSING "+arn, "ecs", "update-container-instances-state", "--container-instances", arn, "--status", "DRAINING", "--query", "failures[0].[reason,arn]")
	s.prints(t, "MISSING 0", "ecs", "start-task", "--container-instances", id, "--task-definition", s.defineProbe(t, "on-instance"), "--query", "[failures[0].reason,length(tasks)]")
	s.awsRefused(t, "InvalidParameterException", "The referenced container instance was not found.", "ecs", "deregister-container-instance", "--container-instance", id)
	s.awsRefused(t, "InvalidParameterException", "The referenced container instance was not found.", "ecs", "update-container-agent", "--container-instance", id)
	for _, op := range []string{"put-attributes", "delete-attributes"} {
		s.awsRefused(t, "TargetNotFoundException", "", "ecs", op, "--attributes", "name=stack,value=a,targetType=container-instance,targetId="+id)
	}
}

func (s *stage) testCLIAccount(t *testing.T) {
	t.Parallel()
	if got := s.ids(t, "ecs", "list-account-settings", "--effective-settings", "--query", "settings[].name"); len(got) != 11 {
		t.Errorf("%d effective settings: %v", len(got), got)
	}
	const wait = "fargateTaskRetirementWaitPeriod"
	list := []string{"ecs", "list-account-settings", "--name", wait, "--query", "settings[].[value,principalArn]"}
	s.prints(t, "", list...)
	root := "arn:aws:iam::" + s.account + ":root"
	s.prints(t, "14", "ecs", "put-account-setting-default", "--name", wait, "--value", "14", "--query", "setting.value")
	s.prints(t, "14 "+root, list...)
	s.prints(t, "0", "ecs", "put-account-setting", "--name", wait, "--value", "0", "--principal-arn", root, "--query", "setting.value")
	s.prints(t, "0 "+root, append(list, "--effective-settings")...)
	s.prints(t, "7", "ecs", "delete-account-setting", "--name", wait, "--query", "setting.value")
	s.prints(t, "", list...)
	s.awsRefused(t, "InvalidParameterException", "fargateFIPSMode is not supported by Skylift", "ecs", "put-account-setting", "--name", "fargateFIPSMode", "--value", "enabled")
}

func (s *stage) testCLITags(t *testing.T) {
	t.Parallel()
	s.aws(t, "ecs", "create-cluster", "--cluster-name", "tagged")
	arn := func(resource string) string { return "arn:aws:ecs:" + region + ":" + s.account + ":" + resource }
	def := s.defineProbe(t, "tagged-cli")
	run := append([]string{"ecs", "run-task", "--cluster", "tagged", "--task-definition", def, "--enable-ecs-managed-tags", "--query", "tasks[0].taskArn", "--output", "text"}, s.placement(t)...)
	task := s.aws(t, run...)
	s.aws(t, append([]string{"ecs", "create-service", "--cluster", "tagged", "--service-name", "web", "--task-definition", def, "--desired-count", "0"}, s.placement(t)...)...)
	for _, resource := range []string{arn("cluster/tagged"), arn("service/tagged/web"), task, def} {
		s.aws(t, "ecs", "tag-resource", "--resource-arn", resource, "--tags", "key=a,value=1", "key=b,value=2")
		s.aws(t, "ecs", "untag-resource", "--resource-arn", resource, "--tag-keys", "a")
		s.prints(t, "2", "ecs", "list-tags-for-resource", "--resource-arn", resource, "--query", "tags[?key=='b'].value")
		s.awsRefused(t, "InvalidParameterException", "aws: prefixed tag key names are not allowed for external use.", "ecs", "tag-resource", "--resource-arn", resource, "--tags", "key=aws:x,value=1")
	}
	s.prints(t, "tagged", "ecs", "describe-tasks", "--cluster", "tagged", "--tasks", task, "--include", "TAGS", "--query", "tasks[0].tags[?key=='aws:ecs:clusterName'].value")
	s.prints(t, "None", "ecs", "describe-tasks", "--cluster", "tagged", "--tasks", task, "--query", "tasks[0].tags")
	s.awsRefused(t, "ResourceNotFoundException", "", "ecs", "tag-resource", "--resource-arn", arn("container-instance/tagged/"+strings.Repeat("0a", 16)), "--tags", "key=a,value=1")
	s.empty(t, "tagged", "web")
}

// All waiters of the CLI end as what they wait for does.
func (s *stage) testCLIWaiters(t *testing.T) {
	t.Parallel()
	const cluster = "waiters"
	s.aws(t, "ecs", "create-cluster", "--cluster-name", cluster)
	def := s.defineProbe(t, "waiters")
	s.aws(t, append([]string{"ecs", "create-service", "--cluster", cluster, "--service-name", "web", "--task-definition", def, "--desired-count", "1"}, s.placement(t)...)...)
	task := s.aws(t, append([]string{"ecs", "run-task", "--cluster", cluster, "--task-definition", def, "--query", "tasks[0].taskArn", "--output", "text"}, s.placement(t)...)...)
	s.aws(t, "ecs", "wait", "tasks-running", "--cluster", cluster, "--tasks", task)
	s.aws(t, "ecs", "wait", "services-stable", "--cluster", cluster, "--services", "web")
	s.prints(t, "1 1", "ecs", "describe-services", "--cluster", cluster, "--services", "web", "--query", "services[0].[runningCount,length(deployments)]")
	s.aws(t, "ecs", "delete-service", "--cluster", cluster, "--service", "web", "--force")
	s.aws(t, "ecs", "wait", "services-inactive", "--cluster", cluster, "--services", "web")
	s.aws(t, "ecs", "stop-task", "--cluster", cluster, "--task", task)
	s.aws(t, "ecs", "wait", "tasks-stopped", "--cluster", cluster, "--tasks", task)
	if _, err := s.awsRun("ecs", "wait", "tasks-running", "--cluster", cluster, "--tasks", task); err == nil {
		t.Error("a stopped task is waited for until it runs, and does")
	}
	s.aws(t, "ecs", "delete-cluster", "--cluster", cluster)
}

// TestStoppedTaskRetention has stopped tasks described for a minute.
func TestStoppedTaskRetention(t *testing.T) {
	t.Parallel()
	s := start(t, "--stopped-task-retention=1m")
	s.site(t, "shop", 1)
	old := s.tasks(t)[0]
	s.aws(t, "ecs", "stop-task", "--task", old)
	s.aws(t, "ecs", "wait", "tasks-stopped", "--tasks", old)
	describe := func() *ecs.DescribeTasksOutput {
		return must(s.clients().ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{old}}))(t)
	}
	stopped := *describe().Tasks[0].StoppedAt
	waitFor(t, 2*time.Minute, "the stopped task isn't described any more", func() error {
		if out := describe(); len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
			return fmt.Errorf("it is: %v", out.Tasks)
		}
		return nil
	})
	if after := time.Since(stopped); after < time.Minute {
		t.Errorf("it was described for only %s", after)
	}
}
