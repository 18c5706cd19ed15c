package e2e

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// userKey adds a user with a policy, and returns the key.
func (s *skylift) userKey(t *testing.T, name, policy string) (id, secret string) {
	t.Helper()
	for line := range strings.Lines(s.run(t, "user", "add", name, "--data-dir", s.dir, "--policy", policy)) {
		_, after, _ := strings.Cut(strings.TrimSpace(line), "AWS_ACCESS_KEY_ID=")
		id += after
		_, after, _ = strings.Cut(strings.TrimSpace(line), "AWS_SECRET_ACCESS_KEY=")
		secret += after
	}
	return id, secret
}

// What docker does in the registry is judged by what the user whose password it has may
// do at that moment.
func TestRegistryJudged(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	id, secret := s.userKey(t, "puller", "AmazonEC2ContainerRegistryReadOnly")
	cfg := s.cfg
	cfg.Credentials = keys(id, secret)
	out := must(ecr.NewFromConfig(cfg).GetAuthorizationToken(t.Context(), nil))(t)
	_, password, _ := strings.Cut(string(must(base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken))(t)), ":")
	config := t.TempDir()
	does := func(words string, args ...string) {
		t.Helper()
		out, err := s.dockerAs(t, config, args...)
		if (err == nil) != (words == "") || !strings.Contains(out, words) {
			t.Errorf("docker %s: %v %s\nwant %q", strings.Join(args, " "), err, out, words)
		}
	}
	must(s.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("judged")}))(t)
	repo := s.registry + "/judged"
	for _, tag := range []string{"1", "2"} {
		dir := t.TempDir()
		for name, text := range map[string]string{"Dockerfile": "FROM scratch\nCOPY content /\n", "content": tag} {
			if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.dockerRun(t, "build", "-q", "-t", repo+":"+tag, dir)
	}
	s.dockerRun(t, "push", "-q", repo+":1")
	denied := func(action string) string {
		return "denied: User: arn:aws:iam::" + s.account + ":user/puller is not authorized to perform: ecr:" + action + " on resource: arn:aws:ecr:" + region + ":" + s.account +
			":repository/judged because no identity-based policy allows the ecr:" + action + " action"
	}

	does("", "login", "-u", "AWS", "-p", password, s.registry)
	does("", "pull", "-q", repo+":1")
	does(denied("InitiateLayerUpload"), "push", repo+":2")
	s.dockerRun(t, "tag", repo+":1", repo+":again")
	does(denied("PutImage"), "push", repo+":again")
	if images := must(s.ecr.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("judged")}))(t).ImageDetails; len(images) != 1 || len(images[0].ImageTags) != 1 {
		t.Errorf("the repository has %v", images)
	}

	s.aws(t, "iam", "attach-user-policy", "--user-name", "puller", "--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser")
	does("", "push", "-q", repo+":2") // with the same password
	s.aws(t, "iam", "detach-user-policy", "--user-name", "puller", "--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser")
	does(denied("PutImage"), "push", repo+":again")

	s.aws(t, "iam", "detach-user-policy", "--user-name", "puller", "--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly")
	does(denied("BatchGetImage"), "pull", "-q", repo+":1")
	s.aws(t, "ecr", "set-repository-policy", "--repository-name", "judged", "--policy-text", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+s.account+`:user/puller"},"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer","ecr:ListImages"]},
		{"Effect":"Deny","Principal":"*","Action":"ecr:BatchDeleteImage"}]}`)
	does("", "pull", "-q", repo+":1") // by the repository's own policy
	must(ecr.NewFromConfig(cfg).ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: new("judged")}))(t)
	_, err := ecr.NewFromConfig(cfg).DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("judged")})
	refused(t, err, "AccessDeniedException", "because no identity-based policy allows the ecr:DescribeImages action")
	s.awsRefused(t, "AccessDeniedException", "with an explicit deny in a resource-based policy", "ecr", "batch-delete-image", "--repository-name", "judged", "--image-ids", "imageTag=2") // root, too

	s.aws(t, "iam", "update-access-key", "--user-name", "puller", "--access-key-id", id, "--status", "Inactive")
	does("Your authorization token has expired. Reauthenticate and try again.", "pull", "-q", repo+":1")
	s.aws(t, "iam", "update-access-key", "--user-name", "puller", "--access-key-id", id, "--status", "Active")
	does("", "pull", "-q", repo+":1")
	s.aws(t, "iam", "delete-access-key", "--user-name", "puller", "--access-key-id", id)
	does("Your authorization token has expired. Reauthenticate and try again.", "pull", "-q", repo+":1")
}
