package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// TestTaskRole: the aws CLI, in a task's network and with the task's variables alone, acts as the task's role without any configuration.
// No other task can, and the credentials end with the task.
func TestTaskRole(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	if s.engine != "containerd" {
		t.Skip("a task's network has a name on containerd only")
	}
	roles := iam.NewFromConfig(s.cfg)
	role := func(name, trust string) {
		t.Helper()
		must(roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, Path: new("/app/"), AssumeRolePolicyDocument: &trust}))(t)
		must(roles.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("p"), PolicyDocument: new(
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecs:ListClusters","Resource":"*"}}`)}))(t)
	}
	role("worker", trustTasks)
	role("stranger", strings.ReplaceAll(trustTasks, "ecs-tasks", "ec2"))
	arn := *must(roles.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("worker")}))(t).Role.Arn
	shut := s.groupOf(t, "taskrole", toProbe())
	all := ec2types.IpPermission{IpProtocol: new("-1"), IpRanges: []ec2types.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	must(s.ec2.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: &shut, IpPermissions: []ec2types.IpPermission{all}}))(t)
	acting := s.defineProbe(t, "taskrole", func(in *ecs.RegisterTaskDefinitionInput) { in.TaskRoleArn = &arn })
	task, addr := s.serving(t, acting, shut)
	_, other := s.serving(t, s.defineProbe(t, "taskrole-none"), shut)

	vars := s.variables(addr)
	uri := vars["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
	if !strings.HasPrefix(uri, "/v2/credentials/") || vars["AWS_ENDPOINT_URL"] == "" || s.variables(other)["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] != "" {
		t.Fatalf("the variables are %v", vars)
	}
	id := task[strings.LastIndex(task, "/")+1:]
	within := func(args ...string) string {
		t.Helper()
		return s.inTask(t, id, vars, args...)
	}
	session := strings.Replace(strings.Replace(arn, ":iam:", ":sts:", 1), ":role/app/worker", ":assumed-role/worker/"+id, 1)
	for _, tc := range []struct{ want, got string }{
		{session, within("sts", "get-caller-identity", "--query", "Arn", "--output", "text")},
		{":cluster/default", within("ecs", "list-clusters", "--query", "clusterArns[0]", "--output", "text")},
		{"AccessDeniedException", within("ecs", "list-services")},
		{"User: " + session + " is not authorized to perform: ecs:ListServices", within("ecs", "list-services")},
		{"AccessDenied", within("sts", "assume-role", "--role-arn", arn, "--role-session-name", "again")},
	} {
		if !strings.Contains(tc.got, tc.want) {
			t.Errorf("in the task: %s\nwant %s", tc.got, tc.want)
		}
	}
	if code, body := s.inside(other, "GET", "http://169.254.170.2"+uri, ""); code != 400 || !strings.Contains(body, "InvalidIdInRequest") {
		t.Errorf("another task is answered %d %s", code, body)
	}
	_, body := s.inside(addr, "GET", "http://169.254.170.2"+uri, "")
	var c struct{ AccessKeyID, SecretAccessKey, Token, RoleArn string }
	if err := json.Unmarshal([]byte(body), &c); err != nil || c.RoleArn != arn {
		t.Fatalf("the task gets %v: %v", c.RoleArn, err)
	}
	outside := map[string]string{"AWS_ACCESS_KEY_ID": c.AccessKeyID, "AWS_SECRET_ACCESS_KEY": c.SecretAccessKey, "AWS_SESSION_TOKEN": c.Token}
	if got := s.awsAs(outside, "ecs", "list-clusters"); !strings.Contains(got, ":cluster/default") {
		t.Errorf("the task's credentials: %s", got)
	}
	must(s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &task}))(t)
	s.reaches(t, task, "STOPPED")
	if got := s.awsAs(outside, "ecs", "list-clusters"); !strings.Contains(got, "UnrecognizedClientException") {
		t.Errorf("the credentials of a task that has stopped: %s", got)
	}
	s.noSecret(t, c.SecretAccessKey, c.Token)

	code, message := s.awsErr(t, "ecs", "run-task", "--task-definition", acting, "--overrides", `{"taskRoleArn":"`+strings.Replace(arn, "worker", "stranger", 1)+`"}`,
		"--network-configuration", "awsvpcConfiguration={subnets=["+s.network(t, shut).AwsvpcConfiguration.Subnets[0]+"]}")
	if code != "ClientException" || !strings.HasPrefix(message, "ECS was unable to assume the role '"+strings.Replace(arn, "worker", "stranger", 1)+"' that was provided for this task.") {
		t.Errorf("a role that doesn't trust ECS: %s: %s", code, message)
	}
}

// variables are those that the probe at an address has.
func (s *stage) variables(addr string) map[string]string {
	_, env := s.ask("http://" + addr + ":8080/env")
	out := map[string]string{}
	for line := range strings.Lines(env) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		out[name] = value
	}
	return out
}

// inTask runs the aws CLI in a task's network, with the task's variables that are for clients of AWS alone, and returns all that it says.
func (s *stage) inTask(t *testing.T, id string, vars map[string]string, args ...string) string {
	t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--net=" + filepath.Join(runDir(s.id()), "netns", id), "--", "aws"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PAGER="}
	for name, value := range vars {
		if strings.HasPrefix(name, "AWS_") {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, _ := cmd.CombinedOutput() // an error says itself
	return strings.TrimSpace(string(out))
}

// awsAs runs the aws CLI with other credentials, and returns all that it says.
func (s *skylift) awsAs(credentials map[string]string, args ...string) string {
	env := s.env()
	for name, value := range credentials {
		env = append(env, name+"="+value)
	}
	out, stderr, _ := runAWS(env, args...) // an error says itself
	return strings.TrimSpace(string(out) + string(stderr))
}
