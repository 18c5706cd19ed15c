package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestECS(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("clusters", s.testClusters)
	t.Run("sizes", s.testSizes)
	t.Run("bad input", s.testBadInput)
	t.Run("run", s.testRun)
	t.Run("run as told", s.testRunAsTold)
	t.Run("ends", s.testEnds)
	t.Run("stop", s.testStop)
	t.Run("digest", s.testDigest)
	t.Run("service", s.testService)
	t.Run("failing service", s.testFailingService)
}

func (s *stage) testClusters(t *testing.T) {
	t.Parallel()
	out := s.aws(t, "ecs", "create-cluster", "--cluster-name", "blue", "--tags", "key=team,value=web", "--query", "cluster.[clusterArn,status]", "--output", "text")
	arn := "arn:aws:ecs:" + region + ":" + s.account + ":cluster/blue"
	if out != arn+"\tACTIVE" {
		t.Errorf("create-cluster: %s", out)
	}
	if out := s.aws(t, "ecs", "list-clusters", "--query", "clusterArns", "--output", "text"); !strings.Contains(out, arn) {
		t.Errorf("list-clusters: %s", out)
	}
	out = s.aws(t, "ecs", "describe-clusters", "--clusters", "blue", "nowhere", "--include", "TAGS", "--query", "[clusters[0].tags[0].value,failures[0].reason]", "--output", "text")
	if out != "web\tMISSING" {
		t.Errorf("describe-clusters: %s", out)
	}
	s.awsRefused(t, "ClusterNotFoundException", "Cluster not found", "ecs", "delete-cluster", "--cluster", "nowhere")
	out = s.aws(t, "ecs", "delete-cluster", "--cluster", arn, "--query", "cluster.status", "--output", "text")
	if out != "INACTIVE" {
		t.Errorf("delete-cluster: %s", out)
	}
	_, err := s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: new("blue"), TaskDefinition: new("x"), NetworkConfiguration: s.network(t)})
	if err == nil {
		t.Error("a task runs in a deleted cluster")
	}
}

func (s *stage) shop() *ecs.RegisterTaskDefinitionInput {
	return &ecs.RegisterTaskDefinitionInput{
		Family: new("shop"), NetworkMode: types.NetworkModeAwsvpc, Cpu: new("256"), Memory: new("512"), RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions: []types.ContainerDefinition{{Name: new("web"), Image: &s.image, PortMappings: []types.PortMapping{{ContainerPort: new(int32(80))}}}},
	}
}

func (s *stage) testSizes(t *testing.T) {
	t.Parallel()
	for pair, ok := range map[string]bool{
		"256 512": true, "256 2048": true, "256 3072": false, "512 1024": true, "512 512": false, "1024 2048": true, "1 vCPU 3GB": true, "1024 9216": false,
		"4096 30720": true, "8192 16384": true, "8192 17408": false, "300 512": false, "256 1": false, "0 0": false, "x y": false,
	} {
		cut := strings.LastIndex(pair, " ")
		in := s.shop()
		in.Family, in.Cpu, in.Memory = new("sizes"), new(pair[:cut]), new(pair[cut+1:])
		if _, err := s.ecs.RegisterTaskDefinition(t.Context(), in); ok != (err == nil) {
			t.Errorf("cpu and memory %s: %v", pair, err)
		} else if !ok && pair == "256 3072" {
			refused(t, err, "ClientException", "No Fargate configuration exists for given values")
		}
	}
}

func (s *stage) testBadInput(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "bad-input")
	ctx, net := t.Context(), s.network(t, s.open)
	run := func(edit func(*ecs.RunTaskInput)) error {
		in := &ecs.RunTaskInput{TaskDefinition: &def, LaunchType: types.LaunchTypeFargate, NetworkConfiguration: net}
		edit(in)
		_, err := s.ecs.RunTask(ctx, in)
		return err
	}
	create := func(edit func(*ecs.CreateServiceInput)) error {
		in := &ecs.CreateServiceInput{ServiceName: new("bad-input"), TaskDefinition: &def, DesiredCount: new(int32(1)), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: net}
		edit(in)
		_, err := s.ecs.CreateService(ctx, in)
		return err
	}
	refused(t, run(func(in *ecs.RunTaskInput) { in.Cluster = new("nowhere") }), "ClusterNotFoundException", "Cluster not found")
	refused(t, run(func(in *ecs.RunTaskInput) { in.TaskDefinition = new("nothing") }), "ClientException", "TaskDefinition not found")
	refused(t, run(func(in *ecs.RunTaskInput) { in.TaskDefinition = new("arn:aws:ecs:x") }), "InvalidParameterException", "arn:aws:ecs:x")
	refused(t, run(func(in *ecs.RunTaskInput) { in.LaunchType = types.LaunchTypeEc2 }), "InvalidParameterException", "No Container Instances were found in your cluster")
	refused(t, run(func(in *ecs.RunTaskInput) { in.NetworkConfiguration = nil }), "InvalidParameterException", "Network Configuration must be provided when networkMode 'awsvpc' is specified")
	refused(t, run(func(in *ecs.RunTaskInput) { in.Count = new(int32(11)) }), "InvalidParameterException", "ount")
	refused(t, run(func(in *ecs.RunTaskInput) { in.NetworkConfiguration = s.network(t, "sg-0123456789abcdef0") }), "InvalidParameterException", "sg-0123456789abcdef0")
	refused(t, run(func(in *ecs.RunTaskInput) {
		in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-0123456789abcdef0"}}}
	}), "InvalidParameterException", "subnet-0123456789abcdef0")
	refused(t, run(func(in *ecs.RunTaskInput) {
		in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: new("db"), Command: []string{"x"}}}}
	}), "InvalidParameterException", "db is not a container in the TaskDefinition")
	refused(t, run(func(in *ecs.RunTaskInput) { in.Overrides = &types.TaskOverride{Cpu: new("512")} }), "InvalidParameterException", "No Fargate configuration exists for given values: 512 CPU")
	refused(t, run(func(in *ecs.RunTaskInput) { in.ReferenceId = new("r") }), "InvalidParameterException", "referenceId")

	refused(t, create(func(in *ecs.CreateServiceInput) { in.Cluster = new("nowhere") }), "ClusterNotFoundException", "Cluster not found")
	refused(t, create(func(in *ecs.CreateServiceInput) { in.TaskDefinition = new("nothing") }), "ClientException", "TaskDefinition not found")
	refused(t, create(func(in *ecs.CreateServiceInput) { in.SchedulingStrategy = types.SchedulingStrategyDaemon }), "InvalidParameterException", "")
	refused(t, create(func(in *ecs.CreateServiceInput) { in.DesiredCount = new(int32(-1)) }), "InvalidParameterException", "desiredCount")
	refused(t, create(func(in *ecs.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = new(int32(-5)) }), "InvalidParameterException", "healthCheckGracePeriodSeconds must not be negative")
	balanced := func(group, container string, port int32) error {
		return create(func(in *ecs.CreateServiceInput) {
			in.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: &group, ContainerName: &container, ContainerPort: &port}}
		})
	}
	pool := s.pool(t, "bad-input")
	refused(t, balanced(pool, "web", 8080), "InvalidParameterException", "does not have an associated load balancer")
	refused(t, balanced("arn:aws:elasticloadbalancing:"+region+":"+s.account+":targetgroup/none/0123456789abcdef", "web", 8080), "InvalidParameterException", "none/0123456789abcdef")
	s.front(t, "bad-input", 8199, forward(pool))
	refused(t, balanced(pool, "db", 8080), "InvalidParameterException", "db")
	refused(t, balanced(pool, "web", 9090), "InvalidParameterException", "9090")

	_, err := s.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Service: new("none")})
	refused(t, err, "ServiceNotFoundException", "Service not found")
	_, err = s.ecs.DeleteService(ctx, &ecs.DeleteServiceInput{Service: new("none")})
	refused(t, err, "ServiceNotFoundException", "Service not found")
	_, err = s.ecs.StopTask(ctx, &ecs.StopTaskInput{Task: new(strings.Repeat("0", 32))})
	refused(t, err, "InvalidParameterException", "The referenced task was not found")
	tasks := must(s.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{strings.Repeat("0", 32)}}))(t)
	if len(tasks.Failures) != 1 || *tasks.Failures[0].Reason != "MISSING" {
		t.Errorf("failures of a missing task: %v", tasks.Failures)
	}
	services := must(s.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{"none"}}))(t)
	if len(services.Failures) != 1 || *services.Failures[0].Reason != "MISSING" {
		t.Errorf("failures of a missing service: %v", services.Failures)
	}
}

// A task's life as the CLI's waiters see it.
func (s *stage) testRun(t *testing.T) {
	t.Parallel()
	s.defineProbe(t, "lived")
	arn := s.aws(t, "ecs", "run-task", "--task-definition", "lived", "--launch-type", "FARGATE", "--started-by", "me", "--count", "1",
		"--network-configuration", "awsvpcConfiguration={subnets=["+strings.Join(s.subnets(t), ",")+"],securityGroups=["+s.open+"]}",
		"--query", "tasks[0].taskArn", "--output", "text")
	s.aws(t, "ecs", "wait", "tasks-running", "--tasks", arn)
	task := s.task(t, arn)
	listens(t, address(t, task))
	if code, body := s.ask("http://" + address(t, task) + ":8080/"); code != 200 {
		t.Errorf("the task answers %d %s", code, body)
	}
	for what, at := range map[string]*time.Time{
		"createdAt": task.CreatedAt, "pullStartedAt": task.PullStartedAt, "pullStoppedAt": task.PullStoppedAt, "startedAt": task.StartedAt, "connectivityAt": task.ConnectivityAt,
	} {
		if at == nil || time.Since(*at) > time.Minute || at.After(time.Now()) {
			t.Errorf("%s is %v", what, at)
		}
	}
	c := task.Containers[0]
	if *c.LastStatus != "RUNNING" || c.RuntimeId == nil || !strings.HasPrefix(aws.ToString(c.ImageDigest), "sha256:") || len(c.NetworkInterfaces) != 1 {
		t.Errorf("container: %+v", c)
	}
	if *task.Group != "family:lived" || *task.StartedBy != "me" || task.Connectivity != types.ConnectivityConnected || task.LaunchType != types.LaunchTypeFargate {
		t.Errorf("task: %+v", task)
	}
	list := func(in ecs.ListTasksInput) []string { return must(s.ecs.ListTasks(t.Context(), &in))(t).TaskArns }
	if got := list(ecs.ListTasksInput{StartedBy: new("me")}); !slices.Equal(got, []string{arn}) {
		t.Errorf("tasks started by me: %v", got)
	}
	if got := list(ecs.ListTasksInput{Family: new("lived")}); !slices.Equal(got, []string{arn}) {
		t.Errorf("tasks of the family: %v", got)
	}
	s.aws(t, "ecs", "stop-task", "--task", arn, "--reason", "enough")
	s.aws(t, "ecs", "wait", "tasks-stopped", "--tasks", arn)
	out := s.aws(t, "ecs", "describe-tasks", "--tasks", arn, "--query", "tasks[0].[lastStatus,desiredStatus,stopCode,stoppedReason,containers[0].exitCode]", "--output", "text")
	if out != "STOPPED\tSTOPPED\tUserInitiated\tenough\t0" {
		t.Errorf("describe-tasks: %s", out)
	}
	if got := list(ecs.ListTasksInput{Family: new("lived"), DesiredStatus: types.DesiredStatusStopped}); !slices.Equal(got, []string{arn}) {
		t.Errorf("stopped tasks of the family: %v", got)
	}
	task = s.task(t, arn)
	if task.StoppingAt == nil || task.ExecutionStoppedAt == nil || task.StoppedAt == nil || task.StoppedAt.Before(*task.ExecutionStoppedAt) {
		t.Errorf("stopping at %v, execution stopped at %v, stopped at %v", task.StoppingAt, task.ExecutionStoppedAt, task.StoppedAt)
	}
}

// What a container is told arrives there.
func (s *stage) testRunAsTold(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "told", environment("A=1", "B=2"), func(in *ecs.RegisterTaskDefinitionInput) {
		c := &in.ContainerDefinitions[0]
		c.EntryPoint, c.Command, c.WorkingDirectory, c.User = []string{"/probe"}, []string{"serve", "as defined"}, new("/tmp/deep"), new("1234:5678")
		c.MemoryReservation, c.Cpu = new(int32(64)), 128
		in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{
			Name: new("beside"), Image: &s.image, Essential: new(false),
			Environment: []types.KeyValuePair{{Name: new("PORT"), Value: new("8081")}}, PortMappings: []types.PortMapping{{ContainerPort: new(int32(8081))}},
		})
	})
	out := must(s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{
		TaskDefinition: &def, NetworkConfiguration: s.network(t, s.open),
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
			Name: new("web"), Command: []string{"serve", "as overridden"}, Environment: []types.KeyValuePair{{Name: new("B"), Value: new("3")}},
		}}},
	}))(t)
	arn := *out.Tasks[0].TaskArn
	addr := address(t, s.reaches(t, arn, "RUNNING"))
	var body string
	takes(t, 10*time.Second, "the containers answer", func() bool {
		var a, b int
		a, body = s.ask("http://" + addr + ":8080/env")
		b, _ = s.ask("http://" + addr + ":8081/")
		return a == 200 && b == 200
	})
	for _, want := range []string{`args=["/probe" "serve" "as overridden"]`, "dir=/tmp/deep", "uid=1234 gid=5678", "\nA=1\n", "\nB=3\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
	if code, body := s.ask("http://" + addr + ":8080/dial?to=127.0.0.1:8081"); code != 200 {
		t.Errorf("the other container of the task on localhost: %d %s", code, body)
	}
	if code, body := s.ask("http://" + addr + ":8081/exit?code=0"); code != 0 {
		t.Errorf("exit: %d %s", code, body)
	}
	takes(t, 10*time.Second, "the container beside is stopped", func() bool {
		for _, c := range s.task(t, arn).Containers {
			if *c.Name == "beside" && *c.LastStatus == "STOPPED" && aws.ToInt32(c.ExitCode) == 0 {
				return true
			}
		}
		return false
	})
	if task := s.task(t, arn); *task.LastStatus != "RUNNING" {
		t.Errorf("the task is %s after a container that isn't essential ended", *task.LastStatus)
	}
	must(s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn}))(t)
}

// How a task ended is said as ECS says it.
func (s *stage) testEnds(t *testing.T) {
	t.Parallel()
	image := func(ref string) func(*ecs.RegisterTaskDefinitionInput) {
		return func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].Image = &ref }
	}
	for name, c := range map[string]struct {
		edit             []func(*ecs.RegisterTaskDefinitionInput)
		code             types.TaskStopCode
		reason, ofTheOne string // parts of the task's reason and the container's
		exit             int32  // -1: none
	}{
		"exits":    {[]func(*ecs.RegisterTaskDefinitionInput){command("exit", "7")}, types.TaskStopCodeEssentialContainerExited, "Essential container in task exited", "", 7},
		"ends":     {[]func(*ecs.RegisterTaskDefinitionInput){command("exit", "0")}, types.TaskStopCodeEssentialContainerExited, "Essential container in task exited", "", 0},
		"no-image": {[]func(*ecs.RegisterTaskDefinitionInput){image(s.registry + "/probe:none")}, types.TaskStopCodeTaskFailedToStart, "CannotPullContainerError", "CannotPullContainerError", -1},
		"no-repo":  {[]func(*ecs.RegisterTaskDefinitionInput){image(s.registry + "/none:latest")}, types.TaskStopCodeTaskFailedToStart, "CannotPullContainerError", "CannotPullContainerError", -1},
		"no-command": {[]func(*ecs.RegisterTaskDefinitionInput){func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].EntryPoint = []string{"/nothing"}
		}}, types.TaskStopCodeTaskFailedToStart, "CannotStartContainerError", "/nothing", -1},
		"no-logs": {[]func(*ecs.RegisterTaskDefinitionInput){s.toLogs("/none")}, types.TaskStopCodeTaskFailedToStart, "ResourceInitializationError: failed to validate logger args", "", -1},
		"oom":     {[]func(*ecs.RegisterTaskDefinitionInput){command("eat")}, types.TaskStopCodeEssentialContainerExited, "", "OutOfMemoryError: Container killed due to memory usage", 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := s.reaches(t, s.started(t, s.defineProbe(t, name, c.edit...)), "STOPPED")
			is := task.Containers[0]
			exit := int32(-1)
			if is.ExitCode != nil {
				exit = *is.ExitCode
			}
			if task.StopCode != c.code || !strings.Contains(*task.StoppedReason, c.reason) || !strings.Contains(aws.ToString(is.Reason), c.ofTheOne) || exit != c.exit {
				t.Errorf("%s, %q, container %q, exit code %d\nwant %s, %q, container %q, exit code %d", task.StopCode, *task.StoppedReason, aws.ToString(is.Reason), exit, c.code, c.reason, c.ofTheOne, c.exit)
			}
			t.Logf("%s: %s; container: %s", task.StopCode, *task.StoppedReason, aws.ToString(is.Reason))
		})
	}
}

// A container gets SIGTERM, and SIGKILL after its stopTimeout.
func (s *stage) testStop(t *testing.T) {
	t.Parallel()
	arn := s.started(t, s.defineProbe(t, "stubborn", command("stubborn"), func(in *ecs.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].StopTimeout = new(int32(2))
	}))
	listens(t, address(t, s.reaches(t, arn, "RUNNING")))
	must(s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn}))(t)
	task := s.reaches(t, arn, "STOPPED")
	took := task.ExecutionStoppedAt.Sub(*task.StoppingAt)
	if *task.StoppedReason != "Task stopped by user" || aws.ToInt32(task.Containers[0].ExitCode) != 137 || took < 2*time.Second || took > 6*time.Second {
		t.Errorf("%q, exit code %v, %s after it was to stop", *task.StoppedReason, aws.ToInt32(task.Containers[0].ExitCode), took)
	}
	if again := must(s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &arn}))(t).Task; *again.LastStatus != "STOPPED" {
		t.Errorf("stopped again, the task is %s", *again.LastStatus)
	}
}

// An image may be named by its digest, and a group be made for its logs.
func (s *stage) testDigest(t *testing.T) {
	t.Parallel()
	digest := s.aws(t, "ecr", "describe-images", "--repository-name", "probe", "--image-ids", "imageTag=latest", "--query", "imageDetails[0].imageDigest", "--output", "text")
	def := s.define(t, "by-digest", s.registry+"/probe@"+digest, s.toLogs("/made"), func(in *ecs.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].LogConfiguration.Options["awslogs-create-group"] = "true"
	})
	arn := s.started(t, def)
	if task := s.reaches(t, arn, "RUNNING"); *task.Containers[0].ImageDigest != digest {
		t.Errorf("image digest %s, want %s", *task.Containers[0].ImageDigest, digest)
	}
	groups := must(s.clients.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: new("/made")}))(t)
	if len(groups.LogGroups) != 1 {
		t.Errorf("log groups: %v", groups.LogGroups)
	}
}

// A service's life with the CLI and its waiters.
func (s *stage) testService(t *testing.T) {
	t.Parallel()
	s.defineProbe(t, "steady")
	net := "awsvpcConfiguration={subnets=[" + strings.Join(s.subnets(t), ",") + "],securityGroups=[" + s.open + "]}"
	out := s.aws(t, "ecs", "create-service", "--service-name", "steady", "--task-definition", "steady", "--desired-count", "1", "--launch-type", "FARGATE", "--network-configuration", net,
		"--query", "service.[serviceArn,status,schedulingStrategy,deployments[0].[status,rolloutState]]", "--output", "text")
	if want := "arn:aws:ecs:" + region + ":" + s.account + ":service/default/steady\tACTIVE\tREPLICA\nPRIMARY\tIN_PROGRESS"; out != want {
		t.Errorf("create-service: %s\nwant %s", out, want)
	}
	s.awsRefused(t, "InvalidParameterException", "Creation of service was not idempotent", "ecs", "create-service", "--service-name", "steady", "--task-definition", "steady", "--desired-count", "3", "--launch-type", "FARGATE", "--network-configuration", net)
	s.aws(t, "ecs", "wait", "services-stable", "--services", "steady")
	first := s.tasksOf(t, "steady", types.DesiredStatusRunning)
	s.awsRefused(t, "InvalidParameterException", "The service cannot be stopped while it is scaled above 0", "ecs", "delete-service", "--service", "steady")

	s.aws(t, "ecs", "update-service", "--service", "steady", "--desired-count", "3")
	s.stable(t, "steady")
	if now := s.tasksOf(t, "steady", types.DesiredStatusRunning); len(now) != 3 || !slices.Contains(now, first[0]) {
		t.Errorf("scaled from %v to %v", first, now)
	}
	s.aws(t, "ecs", "update-service", "--service", "steady", "--desired-count", "1")
	s.stable(t, "steady")

	old := s.tasksOf(t, "steady", types.DesiredStatusRunning)
	out = s.aws(t, "ecs", "update-service", "--service", "steady", "--force-new-deployment", "--query", "service.deployments[].status", "--output", "text")
	if out != "PRIMARY\tACTIVE" {
		t.Errorf("update-service: %s", out)
	}
	s.stable(t, "steady")
	if now := s.tasksOf(t, "steady", types.DesiredStatusRunning); len(now) != 1 || now[0] == old[0] {
		t.Errorf("tasks of the new deployment: %v, of the old: %v", now, old)
	}
	var events []string
	for _, e := range s.described(t, "steady").Events {
		events = append(events, *e.Message)
	}
	for _, want := range []string{"(service steady) has started 1 tasks: (task ", "(service steady) has stopped 1 running tasks: (task ", "(service steady) has reached a steady state."} {
		if !slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, want) }) {
			t.Errorf("no event %q in:\n%s", want, strings.Join(events, "\n"))
		}
	}
	if events[0] != "(service steady) has reached a steady state." {
		t.Errorf("the newest event is %q", events[0])
	}
	if out := s.aws(t, "ecs", "list-services", "--query", "serviceArns", "--output", "text"); !strings.Contains(out, ":service/default/steady") {
		t.Errorf("list-services: %s", out)
	}
	if out := s.aws(t, "ecs", "delete-service", "--service", "steady", "--force", "--query", "service.status", "--output", "text"); out != "DRAINING" {
		t.Errorf("delete-service: %s", out)
	}
	s.aws(t, "ecs", "wait", "services-inactive", "--services", "steady")
	if out := s.aws(t, "ecs", "describe-services", "--services", "steady", "--query", "services[0].[status,runningCount]", "--output", "text"); out != "INACTIVE\t0" {
		t.Errorf("describe-services: %s", out)
	}
}

// A service whose tasks can't start says why, and backs off.
func (s *stage) testFailingService(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "failing", command("exit", "9"))
	s.deploy(t, "failing", def, "", 1)
	var is types.Service
	takes(t, 60*time.Second, "the service says that it can't start tasks", func() bool {
		is = s.described(t, "failing")
		return slices.ContainsFunc(is.Events, func(e types.ServiceEvent) bool {
			return strings.Contains(*e.Message, "(service failing) is unable to consistently start tasks successfully.")
		})
	})
	if n := is.Deployments[0].FailedTasks; n < 3 {
		t.Errorf("%d failed tasks", n)
	}
	if n := len(s.tasksOf(t, "failing", types.DesiredStatusStopped)); n > 6 {
		t.Errorf("%d tasks were tried in a row", n)
	}
	task := s.task(t, s.tasksOf(t, "failing", types.DesiredStatusStopped)[0])
	if aws.ToInt32(task.Containers[0].ExitCode) != 9 || *task.Group != "service:failing" || !strings.HasPrefix(*task.StartedBy, "ecs-svc/") {
		t.Errorf("task: %+v", task)
	}
	s.aws(t, "ecs", "update-service", "--service", "failing", "--task-definition", s.defineProbe(t, "failing"))
	s.stable(t, "failing")
	if is := s.described(t, "failing"); is.Deployments[0].FailedTasks != 0 || *is.Deployments[0].RolloutStateReason != fmt.Sprintf("ECS deployment %s completed.", *is.Deployments[0].Id) {
		t.Errorf("deployment after it recovered: %+v", is.Deployments[0])
	}
}
