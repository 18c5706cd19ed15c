package e2e

import (
	"strings"
	"testing"
)

// testTemplates has a push make its repository.
func (s *stage) testTemplates(t *testing.T) {
	t.Parallel()
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"ecr"}, args...), "--output", "text", "--query", query)...)
	}
	image := s.registry + "/made/app:1"
	s.dockerRun(t, "tag", s.image, image)
	if out, err := s.dockerAs(t, s.docker, "push", image); err == nil || !strings.Contains(out, "The repository with name 'made/app' does not exist") {
		t.Errorf("push without a template: %v %s", err, out)
	}
	if got := run("repositoryCreationTemplate.[prefix,imageTagMutability]", "create-repository-creation-template", "--prefix", "made", "--applied-for", "CREATE_ON_PUSH", "--image-tag-mutability", "IMMUTABLE",
		"--resource-tags", "Key=team,Value=web"); got != "made\tIMMUTABLE" {
		t.Errorf("create-repository-creation-template: %s", got)
	}
	s.dockerRun(t, "push", "-q", image)
	if got := run("repositories[].imageTagMutability", "describe-repositories", "--repository-names", "made/app"); got != "IMMUTABLE" {
		t.Errorf("describe-repositories: %s", got)
	}
	if got := run("repositoryCreationTemplates[].appliedFor[]", "describe-repository-creation-templates", "--prefixes", "made"); got != "CREATE_ON_PUSH" {
		t.Errorf("describe-repository-creation-templates: %s", got)
	}
	run("@", "update-repository-creation-template", "--prefix", "made", "--applied-for", "PULL_THROUGH_CACHE")
	other := s.registry + "/made/other:1"
	s.dockerRun(t, "tag", s.image, other)
	if out, err := s.dockerAs(t, s.docker, "push", other); err == nil {
		t.Errorf("push with a template that isn't for it: %s", out)
	}
	run("@", "delete-repository-creation-template", "--prefix", "made")
	s.awsRefused(t, "TemplateNotFoundException", "'made'", "ecr", "delete-repository-creation-template", "--prefix", "made")
	if out, err := s.dockerAs(t, s.docker, "rmi", image, other); err != nil {
		t.Errorf("docker rmi: %v %s", err, out)
	}
}

// testRegistryPolicy puts the policy of the registry and has a user judged by it.
func (s *stage) testRegistryPolicy(t *testing.T) {
	t.Parallel()
	s.awsRefused(t, "RegistryPolicyNotFoundException", "does not exist in the registry", "ecr", "get-registry-policy")
	policy := `{"Version":"2012-10-17","Statement":[{"Sid":"cache","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + s.account + `:root"},"Action":["ecr:BatchImportUpstreamImage","ecr:CreateRepository"],"Resource":"arn:aws:ecr:` + region + `:` + s.account + `:repository/cache/*"}]}`
	s.aws(t, "ecr", "put-registry-policy", "--policy-text", policy)
	if got := s.aws(t, "ecr", "get-registry-policy", "--query", "policyText", "--output", "text"); got != policy {
		t.Errorf("get-registry-policy: %s", got)
	}
	s.awsRefused(t, "InvalidParameterException", "Invalid registry policy provided", "ecr", "put-registry-policy", "--policy-text", "{}")
	if got := s.aws(t, "ecr", "get-account-setting", "--name", "REGISTRY_POLICY_SCOPE", "--query", "value", "--output", "text"); got != "V2" {
		t.Errorf("get-account-setting: %s", got)
	}
	s.aws(t, "ecr", "delete-registry-policy")
}
