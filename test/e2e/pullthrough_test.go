package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// A task runs an image that another registry has: the shared instance's, which stands for ghcr.io.
func TestPullThrough(t *testing.T) {
	t.Parallel()
	far := onStage(t)
	s := start(t, "--upstream", "ghcr.io=http://"+far.registry)
	run := func(query string, args ...string) string {
		t.Helper()
		return s.aws(t, append(args, "--output", "text", "--query", query)...)
	}
	login := func(password string) string {
		b := must(json.Marshal(map[string]string{"username": "AWS", "accessToken": password}))(t)
		return string(b)
	}
	refused := func(code, words string, args ...string) {
		t.Helper()
		if c, m := s.awsErr(t, args...); c != code || !strings.Contains(m, words) {
			t.Errorf("aws %s: %s: %s\nwant %s: …%s…", strings.Join(args, " "), c, m, code, words)
		}
	}
	secret := run("ARN", "secretsmanager", "create-secret", "--name", "ecr-pullthroughcache/ghcr", "--secret-string", login("wrong"))
	refused("UnsupportedUpstreamRegistryException", "isn't supported", "ecr", "create-pull-through-cache-rule", "--ecr-repository-prefix", "hub", "--upstream-registry-url", far.registry)
	refused("SecretNotFoundException", "was not found", "ecr", "create-pull-through-cache-rule", "--ecr-repository-prefix", "hub", "--upstream-registry-url", "ghcr.io",
		"--credential-arn", strings.Replace(secret, "/ghcr", "/none", 1))
	if got := run("[upstreamRegistry,upstreamRepositoryPrefix]", "ecr", "create-pull-through-cache-rule", "--ecr-repository-prefix", "hub", "--upstream-registry-url", "ghcr.io", "--credential-arn", secret); got != "github-container-registry\tNone" {
		t.Errorf("create-pull-through-cache-rule: %s", got)
	}
	if got := run("[isValid,failure]", "ecr", "validate-pull-through-cache-rule", "--ecr-repository-prefix", "hub"); !strings.HasPrefix(got, "False\tThe authentication to the upstream registry failed.") {
		t.Errorf("validate-pull-through-cache-rule with a wrong password: %s", got)
	}
	run("@", "secretsmanager", "put-secret-value", "--secret-id", secret, "--secret-string", login(far.password(t)))
	if got := run("isValid", "ecr", "validate-pull-through-cache-rule", "--ecr-repository-prefix", "hub"); got != "True" {
		t.Errorf("validate-pull-through-cache-rule: %s", got)
	}
	run("@", "ecr", "create-repository-creation-template", "--prefix", "hub", "--applied-for", "PULL_THROUGH_CACHE", "--resource-tags", "Key=from,Value=ghcr")

	far1 := far.aws(t, "ecr", "describe-images", "--repository-name", "probe", "--image-ids", "imageTag=latest", "--query", "imageDetails[0].imageDigest", "--output", "text")
	if got := run("[images[0].imageId.imageDigest,failures[0].failureCode]", "ecr", "batch-get-image", "--repository-name", "hub/probe", "--image-ids", "imageTag=latest", "imageTag=none"); got != far1+"\tImageNotFound" {
		t.Errorf("batch-get-image of what is elsewhere: %s, want %s", got, far1)
	}
	image := s.listen + "/hub/probe:latest"
	run("@", "ecs", "create-cluster")
	run("@", "ecs", "register-task-definition", "--family", "far", "--network-mode", "awsvpc", "--requires-compatibilities", "FARGATE", "--cpu", "256", "--memory", "512",
		"--container-definitions", `[{"name":"a","image":"`+image+`"}]`)
	subnet := run("Subnets[0].SubnetId", "ec2", "describe-subnets")
	task := run("tasks[0].taskArn", "ecs", "run-task", "--task-definition", "far", "--launch-type", "FARGATE", "--network-configuration", "awsvpcConfiguration={subnets=["+subnet+"]}")
	takes(t, 2*time.Minute, "the task runs", func() bool {
		return run("tasks[0].lastStatus", "ecs", "describe-tasks", "--tasks", task) == "RUNNING"
	})
	takes(t, time.Minute, "the image is kept", func() bool {
		_, err := s.awsRun("ecr", "describe-images", "--repository-name", "hub/probe", "--image-ids", "imageTag=latest")
		return err == nil
	})
	arn := run("repositories[0].repositoryArn", "ecr", "describe-repositories", "--repository-names", "hub/probe")
	if got := run("tags[].[Key,Value]", "ecr", "list-tags-for-resource", "--resource-arn", arn); got != "from\tghcr" {
		t.Errorf("the repository has the tags %s", got)
	}
	far2 := far.aws(t, "ecr", "describe-images", "--repository-name", "probe", "--image-ids", "imageTag=latest", "--query", "imageDetails[0].imageDigest", "--output", "text")
	if got := run("imageDetails[0].imageDigest", "ecr", "describe-images", "--repository-name", "hub/probe", "--image-ids", "imageTag=latest"); got != far2 {
		t.Errorf("the image is %s here, and %s there", got, far2)
	}

	// What is kept is served without the rule, and nothing else is.
	run("@", "ecr", "delete-pull-through-cache-rule", "--ecr-repository-prefix", "hub")
	config := t.TempDir()
	if out, err := far.dockerAs(t, config, "login", "-u", "AWS", "-p", s.aws(t, "ecr", "get-login-password"), s.listen); err != nil {
		t.Fatalf("docker login: %v %s", err, out)
	}
	if out, err := far.dockerAs(t, config, "pull", "-q", image); err != nil {
		t.Errorf("docker pull %s: %v %s", image, err, out)
	}
	if out, err := far.dockerAs(t, config, "pull", "-q", s.listen+"/hub/other:1"); err == nil {
		t.Errorf("docker pull of what nobody has: %s", out)
	}
	_, _ = far.dockerAs(t, config, "rmi", image)
}
