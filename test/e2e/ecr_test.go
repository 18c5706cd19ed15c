package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

func TestECR(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("repositories", s.testRepositories)
	t.Run("login", s.testLogin)
	t.Run("images", s.testImages)
	t.Run("immutable", s.testImmutable)
	t.Run("layers", s.testLayers)
	t.Run("templates", s.testTemplates)
	t.Run("registry policy", s.testRegistryPolicy)
}

func (s *stage) testRepositories(t *testing.T) {
	t.Parallel()
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"ecr"}, args...), "--output", "text", "--query", query)...)
	}
	arn := "arn:aws:ecr:" + region + ":" + s.account + ":repository/team/shop"
	if got := run("repository.[repositoryArn,repositoryUri,imageTagMutability]", "create-repository", "--repository-name", "team/shop", "--tags", "Key=team,Value=web"); got != arn+"\t"+s.registry+"/team/shop\tMUTABLE" {
		t.Errorf("create-repository: %s", got)
	}
	s.awsRefused(t, "RepositoryAlreadyExistsException", "The repository with name 'team/shop' already exists in the registry with id '"+s.account+"'", "ecr", "create-repository", "--repository-name", "team/shop")
	if got := run("repositories[].repositoryName", "describe-repositories", "--repository-names", "team/shop"); got != "team/shop" {
		t.Errorf("describe-repositories: %s", got)
	}
	run("@", "tag-resource", "--resource-arn", arn, "--tags", "Key=tier,Value=front")
	run("@", "untag-resource", "--resource-arn", arn, "--tag-keys", "team")
	if got := run("tags[].[Key,Value]", "list-tags-for-resource", "--resource-arn", arn); got != "tier\tfront" {
		t.Errorf("list-tags-for-resource: %s", got)
	}
	_, err := s.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("No Good")})
	refused(t, err, "InvalidParameterException", "repositoryName")
	_, err = s.ecr.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: new("probe")})
	refused(t, err, "RepositoryNotEmptyException", "cannot be deleted because it still contains images")
	if got := run("repository.repositoryName", "delete-repository", "--repository-name", "team/shop"); got != "team/shop" {
		t.Errorf("delete-repository: %s", got)
	}
	s.awsRefused(t, "RepositoryNotFoundException", "The repository with name 'team/shop' does not exist in the registry with id '"+s.account+"'", "ecr", "describe-repositories", "--repository-names", "team/shop")
}

// docker runs the docker command as somebody who isn't logged in.
func (s *stage) dockerAs(t *testing.T, config string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+config)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Who has no good password gets nothing.
func (s *stage) testLogin(t *testing.T) {
	t.Parallel()
	config := t.TempDir()
	password := s.aws(t, "ecr", "get-login-password")
	if out, err := s.dockerAs(t, config, "login", "-u", "AWS", "-p", password, s.registry); err != nil || !strings.Contains(out, "Login Succeeded") {
		t.Errorf("docker login: %v %s", err, out)
	}
	raw, err := base64.StdEncoding.DecodeString(password)
	if err != nil {
		raw = []byte(password)
	}
	raw[len(raw)/2] ^= 1
	forged := base64.StdEncoding.EncodeToString(raw)
	stranger := filepath.Join(config, "stranger")
	for name, wrong := range map[string]string{"forged": forged, "made up": "secret", "the secret key": s.access["AWS_SECRET_ACCESS_KEY"]} {
		if out, err := s.dockerAs(t, stranger, "login", "-u", "AWS", "-p", wrong, s.registry); err == nil {
			t.Errorf("docker login with a password that is %s: %s", name, out)
		}
	}
	if out, err := s.dockerAs(t, stranger, "pull", "-q", s.image); err == nil || !strings.Contains(out, "no basic auth credentials") {
		t.Errorf("docker pull without login: %v %s", err, out)
	}
	res := must(http.Get(s.endpoint() + "/v2/"))(t)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("Www-Authenticate"), "Basic realm=") {
		t.Errorf("/v2/ without login: %s %q", res.Status, res.Header.Get("Www-Authenticate"))
	}
}

// Images as docker pushes them and the API shows them.
func (s *stage) testImages(t *testing.T) {
	t.Parallel()
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"ecr"}, args...), "--output", "text", "--query", query)...)
	}
	missing := s.registry + "/missing:1"
	s.dockerRun(t, "tag", s.image, missing)
	if out, err := s.dockerAs(t, s.docker, "push", missing); err == nil || !strings.Contains(out, "The repository with name 'missing' does not exist in the registry with id '"+s.account+"'") {
		t.Errorf("push to a missing repository: %v %s", err, out)
	}
	s.push(t, "images", "1", "VERSION=1")
	one := run("imageIds[0].imageDigest", "list-images", "--repository-name", "images")
	s.push(t, "images", "2", "VERSION=2")
	s.dockerRun(t, "tag", s.registry+"/images:2", s.registry+"/images:1")
	s.dockerRun(t, "push", "-q", s.registry+"/images:1")
	if got := run("imageIds[].imageDigest", "list-images", "--repository-name", "images", "--filter", "tagStatus=UNTAGGED"); got != one {
		t.Errorf("untagged after its tag moved: %s, want %s", got, one)
	}
	details := must(s.ecr.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("images"), ImageIds: []types.ImageIdentifier{{ImageTag: new("1")}}}))(t).ImageDetails
	if len(details) != 1 || len(details[0].ImageTags) != 2 || *details[0].ImageSizeInBytes < 1<<20 || details[0].ImagePushedAt == nil {
		t.Errorf("describe-images: %+v", details)
	}
	got := must(s.ecr.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("images"), ImageIds: []types.ImageIdentifier{{ImageDigest: &one}, {ImageTag: new("9")}}}))(t)
	if len(got.Images) != 1 || !strings.Contains(*got.Images[0].ImageManifest, `"layers"`) || len(got.Failures) != 1 || got.Failures[0].FailureCode != types.ImageFailureCodeImageNotFound {
		t.Errorf("batch-get-image: %+v", got)
	}
	if out := run("[imageIds[0].imageTag,failures[0].failureCode]", "batch-delete-image", "--repository-name", "images", "--image-ids", "imageTag=1", "imageTag=9"); out != "1\tImageNotFound" {
		t.Errorf("batch-delete-image: %s", out)
	}
	_, err := s.ecr.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("images"), ImageIds: []types.ImageIdentifier{{ImageTag: new("1")}}})
	refused(t, err, "ImageNotFoundException", fmt.Sprintf("The image with imageId {imageDigest:'null', imageTag:'1'} does not exist within the repository with name 'images' in the registry with id '%s'", s.account))

	byDigest := s.registry + "/images@" + one
	s.dockerRun(t, "pull", "-q", byDigest)
	s.dockerRun(t, "rmi", byDigest)
	must(s.ecr.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: new("images"), ImageIds: []types.ImageIdentifier{{ImageDigest: &one}}}))(t)
	r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.endpoint()+"/v2/images/manifests/"+one, nil))(t)
	r.SetBasicAuth("AWS", s.password(t)) // docker itself would find what it has of it
	if code, _, body := send(t, r); code != http.StatusNotFound || !strings.Contains(body, "MANIFEST_UNKNOWN") {
		t.Errorf("a deleted image: %d %s", code, body)
	}
	if got := run("repository.repositoryName", "delete-repository", "--repository-name", "images", "--force"); got != "images" {
		t.Errorf("delete-repository --force: %s", got)
	}
}

func (s *stage) testImmutable(t *testing.T) {
	t.Parallel()
	s.push(t, "immutable", "1", "VERSION=1")
	if got := s.aws(t, "ecr", "put-image-tag-mutability", "--repository-name", "immutable", "--image-tag-mutability", "IMMUTABLE", "--query", "imageTagMutability", "--output", "text"); got != "IMMUTABLE" {
		t.Errorf("put-image-tag-mutability: %s", got)
	}
	s.dockerRun(t, "tag", s.image, s.registry+"/immutable:1")
	if out, err := s.dockerAs(t, s.docker, "push", s.registry+"/immutable:1"); err == nil || !strings.Contains(out, "immutable") {
		t.Errorf("a tag that must not move: %v %s", err, out)
	}
}
