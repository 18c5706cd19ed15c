package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/test/definitions"
)

func TestTaskDefinitions(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("life", s.testDefinitions)
	t.Run("everything", s.testEveryParameter)
	t.Run("lists", s.testDefinitionLists)
	t.Run("refused", s.testDefinitionsRefused)
}

func (s *stage) testDefinitions(t *testing.T) {
	t.Parallel()
	out := s.aws(t, "ecs", "register-task-definition", "--family", "shop", "--network-mode", "awsvpc", "--requires-compatibilities", "FARGATE", "--cpu", ".25 vCPU", "--memory", "0.5GB",
		"--container-definitions", `[{"name":"web","image":"`+s.image+`","portMappings":[{"containerPort":80}]}]`,
		"--query", "taskDefinition.[taskDefinitionArn,revision,status,cpu,memory,containerDefinitions[0].essential,containerDefinitions[0].portMappings[0].[hostPort,protocol]]", "--output", "json")
	arn := "arn:aws:ecs:" + region + ":" + s.account + ":task-definition/shop"
	if got, want := strings.Join(strings.Fields(out), ""), `["`+arn+`:1",1,"ACTIVE","256","512",true,[80,"tcp"]]`; got != want {
		t.Errorf("register-task-definition: %s\nwant %s", got, want)
	}
	for want := int32(2); want <= 3; want++ {
		if d := must(s.ecs.RegisterTaskDefinition(t.Context(), s.shop()))(t).TaskDefinition; d.Revision != want {
			t.Errorf("revision %d, want %d", d.Revision, want)
		}
	}
	if out := s.aws(t, "ecs", "describe-task-definition", "--task-definition", "shop", "--query", "taskDefinition.revision"); out != "3" {
		t.Errorf("describe-task-definition shop: revision %s", out)
	}
	if out := s.aws(t, "ecs", "list-task-definitions", "--family-prefix", "shop", "--sort", "DESC", "--query", "taskDefinitionArns", "--output", "text"); out != arn+":3\t"+arn+":2\t"+arn+":1" {
		t.Errorf("list-task-definitions: %s", out)
	}
	if out := s.aws(t, "ecs", "list-task-definition-families", "--family-prefix", "sho", "--query", "families", "--output", "text"); out != "shop" {
		t.Errorf("list-task-definition-families: %s", out)
	}
	if out := s.aws(t, "ecs", "deregister-task-definition", "--task-definition", "shop:3", "--query", "taskDefinition.status", "--output", "text"); out != "INACTIVE" {
		t.Errorf("deregister-task-definition: %s", out)
	}
	if d := must(s.ecs.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: new("shop")}))(t); d.TaskDefinition.Revision != 2 {
		t.Errorf("the newest active one is %d, want 2", d.TaskDefinition.Revision)
	}
	s.awsRefused(t, "ClientException", "TaskDefinition is inactive", "ecs", "run-task", "--task-definition", "shop:3", "--launch-type", "FARGATE",
		"--network-configuration", "awsvpcConfiguration={subnets=["+s.subnets(t)[0]+"]}")
	if out := s.aws(t, "ecs", "delete-task-definitions", "--task-definitions", "shop:3", "shop:2", "--query", "[taskDefinitions[0].status,failures[0].arn]", "--output", "text"); out != "DELETE_IN_PROGRESS\t"+arn+":2" {
		t.Errorf("delete-task-definitions: %s", out)
	}
	takes(t, 10*time.Second, "shop:3 is gone", func() bool {
		_, err := s.ecs.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: new("shop:3")})
		return err != nil
	})
	if d := must(s.ecs.RegisterTaskDefinition(t.Context(), s.shop()))(t).TaskDefinition; d.Revision != 4 {
		t.Errorf("revision %d after 3 was deleted, want 4", d.Revision)
	}
	s.awsRefused(t, "ClientException", "Unable to describe task definition", "ecs", "describe-task-definition", "--task-definition", "nothing")
}

// object is a JSON object.
type object = map[string]any

// decoded is what a command printed, or what a file holds.
func decoded(t *testing.T, text string) (o object) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return o
}

// everything is a definition with all parameters that FARGATE has.
func everything(t *testing.T) object {
	t.Helper()
	return decoded(t, string(must(os.ReadFile("testdata/taskdef.json"))(t)))
}

// asFile writes a definition where the CLI reads it.
func asFile(t *testing.T, definition object) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "taskdef.json")
	if err := os.WriteFile(path, must(json.Marshal(definition))(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

// containers are those of a definition.
func containers(definition object) (all []object) {
	for _, c := range definition["containerDefinitions"].([]any) {
		all = append(all, c.(object))
	}
	return all
}

// testEveryParameter registers what a file says with all parameters: all of it
// comes back, and what came back can be registered again, as deploy scripts do.
func (s *stage) testEveryParameter(t *testing.T) {
	t.Parallel()
	const family = "everything"
	definition := everything(t)
	want, tags := definitions.Shown(definition), definition["tags"]
	from := "file://testdata/taskdef.json"
	for revision := 1.0; revision <= 2; revision++ {
		registered := decoded(t, s.aws(t, "ecs", "register-task-definition", "--cli-input-json", from, "--output", "json"))
		described := decoded(t, s.aws(t, "ecs", "describe-task-definition", "--task-definition", family, "--include", "TAGS", "--output", "json"))
		if diff := cmp.Diff(registered, described); diff != "" {
			t.Errorf("register and describe differ: %s", diff)
		}
		if diff := cmp.Diff(tags, described["tags"]); diff != "" {
			t.Errorf("tags: %s", diff)
		}
		got := described["taskDefinition"].(object)
		if got["revision"] != revision || got["status"] != "ACTIVE" || got["registeredAt"] == nil || got["registeredBy"] == nil {
			t.Errorf("revision %v, %v, registered at %v by %v", got["revision"], got["status"], got["registeredAt"], got["registeredBy"])
		}
		for _, name := range []string{"taskDefinitionArn", "revision", "status", "registeredAt", "registeredBy"} {
			delete(got, name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("revision %v: %s", revision, diff)
		}
		delete(got, "compatibilities") // which can't be sent
		got["tags"] = tags
		from = asFile(t, got)
	}
}

// testDefinitionLists reads lists with the CLI's paginators, an entry a page.
func (s *stage) testDefinitionLists(t *testing.T) {
	t.Parallel()
	list := func(args ...string) string {
		args = append(append([]string{"ecs"}, args...), "--page-size", "1", "--output", "json")
		var all []string
		for _, names := range decoded(t, s.aws(t, args...)) {
			for _, n := range names.([]any) {
				all = append(all, n.(string)[strings.LastIndex(n.(string), "/")+1:])
			}
		}
		return strings.Join(all, " ")
	}
	for _, family := range []string{"named", "named", "named-b", "named"} {
		in := s.shop()
		in.Family = &family
		must(s.ecs.RegisterTaskDefinition(t.Context(), in))(t)
	}
	s.aws(t, "ecs", "deregister-task-definition", "--task-definition", "named:2")
	s.aws(t, "ecs", "deregister-task-definition", "--task-definition", "named-b:1")
	for _, tt := range []struct{ want, args string }{
		{"named:1 named:3", "list-task-definitions --family-prefix named"},
		{"named:3 named:1", "list-task-definitions --family-prefix named --sort DESC"},
		{"named:2", "list-task-definitions --family-prefix named --status INACTIVE"},
		{"", "list-task-definitions --family-prefix name"},
		{"named named-b", "list-task-definition-families --family-prefix named"},
		{"named", "list-task-definition-families --family-prefix named --status ACTIVE"},
		{"named-b", "list-task-definition-families --family-prefix named --status INACTIVE"},
	} {
		if got := list(strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.args, got, tt.want)
		}
	}
}

// testDefinitionsRefused spoils the definition of everything in one place at a
// time: what FARGATE has not is refused as ECS refuses it, and what Skylift has
// not by its name.
func (s *stage) testDefinitionsRefused(t *testing.T) {
	t.Parallel()
	const web, db = 2, 1
	set := func(container int, path string, value any) func(object) {
		return func(definition object) {
			o := definition
			if container >= 0 {
				o = containers(definition)[container]
			}
			names := strings.Split(path, ".")
			for _, n := range names[:len(names)-1] {
				o = o[n].(object)
			}
			o[names[len(names)-1]] = value
		}
	}
	for _, tt := range []struct {
		spoil       func(object)
		code, words string
	}{
		{set(-1, "memory", "512"), "ClientException", "No Fargate configuration exists for given values: 1024 CPU, 512 memory."},
		{set(-1, "networkMode", "bridge"), "ClientException", "Fargate only supports network mode ‘awsvpc’."},
		{set(-1, "ipcMode", "task"), "ClientException", "Fargate compatible task definitions do not support ipcMode."},
		{set(-1, "ephemeralStorage", object{"sizeInGiB": 20}), "ClientException", "EphemeralStorage size should be at least 21."},
		{set(-1, "taskRoleArn", "arn:aws:iam::1:role/x"), "ClientException", "Role is not valid."},
		{set(-1, "volumes", []any{}), "ClientException", "Unknown volume 'data'."},
		{set(web, "privileged", true), "ClientException", "Fargate requires that the 'privileged' setting be 'false'."},
		{set(web, "links", []any{"db"}), "ClientException", "Links are not supported when networkMode=awsvpc."},
		{set(web, "secrets", []any{object{"name": "a", "valueFrom": "b"}}), "ClientException", "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."},
		{set(web, "linuxParameters.capabilities.add", []any{"SYS_ADMIN"}), "ClientException", "SYS_ADMIN is not allowed on Fargate."},
		{set(web, "healthCheck.interval", 301), "ClientException", "Invalid 'healthCheck' setting for container 'web': interval must be between 5 and 300."},
		{set(web, "stopTimeout", 121), "ClientException", "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds."},
		{set(web, "logConfiguration.logDriver", "fluentd"), "ClientException", "fluentd is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]"},
		{set(web, "logConfiguration.options.awslogs-endpoint", "x"), "ClientException", "Log driver awslogs disallows options: awslogs-endpoint."},
		{set(db, "dependsOn", []any{object{"containerName": "web", "condition": "START"}}), "ClientException", "Container dependsOn contains a cycle."},
		{set(db, "dependsOn", []any{object{"containerName": "web", "condition": "COMPLETE"}}), "ClientException", "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container."},
		{set(db, "restartPolicy.restartAttemptPeriod", 30), "ClientException", "The 'restartAttemptPeriod' setting for container 'db' must be between 60 and 1800."},
	} {
		definition := everything(t)
		definition["family"] = "refused"
		tt.spoil(definition)
		s.awsRefused(t, tt.code, tt.words, "ecs", "register-task-definition", "--cli-input-json", asFile(t, definition))
	}
	l := must(s.ecs.ListTaskDefinitionFamilies(t.Context(), &ecs.ListTaskDefinitionFamiliesInput{}))(t)
	if slices.Contains(l.Families, "refused") {
		t.Error("what was refused is registered")
	}
}
