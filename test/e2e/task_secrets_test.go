package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// variable asks a task for one of its variables.
func (s *skylift) variable(t *testing.T, arn, name string) (value string) {
	t.Helper()
	addr := address(t, s.reaches(t, arn, "RUNNING"))
	waitFor(t, 20*time.Second, "the task to answer", func() error {
		r, err := http.Get("http://" + net.JoinHostPort(addr, "8080") + "/env?name=" + name)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		value = string(b)
		return err
	})
	return value
}

// grants are the statements that a task's execution role needs, by what they are for.
type grants map[string]map[string]any

func (g grants) policy(t *testing.T, without string) string {
	t.Helper()
	var list []any
	for name, s := range g {
		if name != without {
			list = append(list, s)
		}
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": list})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func grant(resource string, actions ...string) map[string]any {
	return map[string]any{"Effect": "Allow", "Action": actions, "Resource": resource}
}

// TestSecretsOfTasks starts tasks with a secret, a parameter and a SecureString under a customer's key, as an execution role with exactly the
// permissions that it needs. Without one of them the reason names it. Another value is the next task's, and no value is in a file.
func TestSecretsOfTasks(t *testing.T) {
	t.Parallel()
	s := start(t)
	if s.engine == "docker" {
		t.Skip("Docker writes the environment of containers to its disk in the clear")
	}
	const password, token, host, fresh = "canary-a1-password", "canary-b2-token", "canary-c3-host", "canary-d4-password"
	text := func(args ...string) string { t.Helper(); return s.aws(t, append(args, "--output", "text")...) }
	image, open := s.push(t, "app", "latest"), s.group(t, "open", 8080)
	s.cluster(t, "default")
	key := text("kms", "create-key", "--query", "KeyMetadata.Arn")
	secret := text("secretsmanager", "create-secret", "--name", "shop/db", "--secret-string", `{"user":"ada","password":"`+password+`"}`, "--query", "ARN")
	text("ssm", "put-parameter", "--name", "/shop/host", "--type", "String", "--value", host)
	text("ssm", "put-parameter", "--name", "/shop/token", "--type", "SecureString", "--value", token, "--key-id", key)
	account := strings.Split(secret, ":")[4]
	parameter := func(name string) string { return "arn:aws:ssm:" + region + ":" + account + ":parameter" + name }
	text("s3api", "create-bucket", "--bucket", "shop-"+account, "--create-bucket-configuration", "LocationConstraint="+region)
	file := filepath.Join(t.TempDir(), "web.env")
	if err := os.WriteFile(file, []byte("# where it is\nPLACE=canary-e5-place\nHOST=another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text("s3api", "put-object", "--bucket", "shop-"+account, "--key", "web.env", "--body", file)
	role := text("iam", "create-role", "--role-name", "exec", "--assume-role-policy-document", trustTasks, "--query", "Role.Arn")
	needs := grants{
		"login": grant("*", "ecr:GetAuthorizationToken"), "image": grant("arn:aws:ecr:"+region+":"+account+":repository/app", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
		"stream": grant("arn:aws:logs:"+region+":"+account+":log-group:/shop:*", "logs:CreateLogStream"), "events": grant("*", "logs:PutLogEvents"),
		"secret": grant(secret, "secretsmanager:GetSecretValue"), "host": grant(parameter("/shop/host"), "ssm:GetParameters"),
		"token": grant(parameter("/shop/token"), "ssm:GetParameters"), "key": grant(key, "kms:Decrypt"),
		"file": grant("arn:aws:s3:::shop-"+account+"/web.env", "s3:GetObject"), "bucket": grant("arn:aws:s3:::shop-"+account, "s3:GetBucketLocation"),
	}
	may := func(without string) {
		t.Helper()
		text("iam", "put-role-policy", "--role-name", "exec", "--policy-name", "needs", "--policy-document", needs.policy(t, without))
	}
	secrets := func(in *ecs.RegisterTaskDefinitionInput) {
		in.ExecutionRoleArn = &role
		in.ContainerDefinitions[0].EnvironmentFiles = []ecstypes.EnvironmentFile{{Type: ecstypes.EnvironmentFileTypeS3, Value: aws.String("arn:aws:s3:::shop-" + account + "/web.env")}}
		for name, from := range map[string]string{"PASSWORD": secret + ":password::", "TOKEN": "/shop/token", "HOST": parameter("/shop/host")} {
			in.ContainerDefinitions[0].Secrets = append(in.ContainerDefinitions[0].Secrets, ecstypes.Secret{Name: &name, ValueFrom: &from})
		}
	}
	definition := s.define(t, "shop", image, s.logged(t, "/shop"), secrets)

	for without, want := range map[string]string{
		"login":  "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: | ecr:GetAuthorizationToken on resource: *",
		"image":  "CannotPullContainerError: The task can’t pull the image. | ecr:BatchGetImage on resource: arn:aws:ecr:",
		"stream": "ResourceInitializationError: failed to validate logger args: | logs:CreateLogStream on resource: arn:aws:logs:",
		"secret": "unable to retrieve secret from asm: | " + secret + " | secretsmanager:GetSecretValue on resource: " + secret + " because no identity-based policy allows | variable PASSWORD of container web",
		"host":   "unable to retrieve secrets from ssm: | ssm:GetParameters on resource: " + parameter("/shop/host"),
		"file":   "ResourceInitializationError: failed to download env files: | s3:GetObject on resource: | arn:aws:s3:::shop-" + account + "/web.env",
		"key":    "unable to retrieve secrets from ssm: | kms:Decrypt on resource: " + key,
	} {
		may(without)
		task := s.reaches(t, s.runTask(t, definition, open), "STOPPED")
		for words := range strings.SplitSeq(want, " | ") {
			if !strings.Contains(aws.ToString(task.StoppedReason), words) {
				t.Errorf("without %s: %q, want %q", without, aws.ToString(task.StoppedReason), words)
			}
		}
		if task.StopCode != ecstypes.TaskStopCodeTaskFailedToStart {
			t.Errorf("without %s: %s", without, task.StopCode)
		}
	}

	may("")
	s.service(t, "shop", definition, 1, "", open)
	task := s.onlyTask(t, "shop", "")
	for name, want := range map[string]string{"PASSWORD": password, "TOKEN": token, "HOST": host, "PLACE": "canary-e5-place"} {
		if got := s.variable(t, task, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	text("secretsmanager", "put-secret-value", "--secret-id", "shop/db", "--secret-string", `{"user":"ada","password":"`+fresh+`"}`)
	if got := s.variable(t, task, "PASSWORD"); got != password {
		t.Errorf("the task that runs has %q, want what it began with", got)
	}
	if said := s.run(t, "status", "--data-dir", s.dir); !strings.Contains(said, "shop: 1 of its tasks run with an older version of "+secret+":password::") {
		t.Errorf("skylift status doesn't say that the value is old:\n%s", said)
	}
	text("ecs", "update-service", "--service", "shop", "--force-new-deployment", "--query", "service.serviceName")
	if got := s.variable(t, s.onlyTask(t, "shop", task), "PASSWORD"); got != fresh {
		t.Errorf("the next task has %q, want %q", got, fresh)
	}
	s.kill9(t)
	s.noSecret(t, password, token, host, fresh, "canary-e5-place")
	s.serve(t)
	if said := s.run(t, "status", "--data-dir", s.dir); strings.Contains(said, "older version") {
		t.Errorf("skylift status says that the value is old:\n%s", said)
	}
}

// onlyTask waits until a service has one task that runs, and which is another one.
func (s *skylift) onlyTask(t *testing.T, service, other string) (arn string) {
	t.Helper()
	waitFor(t, 2*time.Minute, "one task of "+service, func() error {
		out, err := s.clients().ecs.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: &service, DesiredStatus: ecstypes.DesiredStatusRunning})
		if err != nil {
			return err
		}
		if len(out.TaskArns) != 1 || out.TaskArns[0] == other {
			return fmt.Errorf("there are %v", out.TaskArns)
		}
		if arn = out.TaskArns[0]; aws.ToString(s.task(t, arn).LastStatus) != "RUNNING" {
			return errors.New("it isn't running yet")
		}
		return nil
	})
	return arn
}
