package ecr

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store/memstore"
)

// cloud is the service with a real registry, as docker sees it.
type cloud struct {
	*API
	t      *testing.T
	reg    *registry.Registry
	host   string
	config string // DOCKER_CONFIG
}

func serve(t *testing.T) *cloud {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, host: listener.Addr().String(), config: t.TempDir()}
	records, err := record.Open(t.Context(), memstore.New(), ns, c.host)
	if err != nil {
		t.Fatal(err)
	}
	c.reg, err = registry.New(t.Context(), registry.Config{Root: t.TempDir(), Records: records, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: c.reg, ReadHeaderTimeout: time.Minute}}
	server.Start()
	t.Cleanup(server.Close)
	c.API = New(records, c.reg)
	return c
}

func needDocker(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "version").CombinedOutput()
	if err == nil {
		return
	}
	if strings.Contains(os.Getenv("REQUIRE"), "docker") {
		t.Fatalf("docker: %v\n%s", err, out)
	}
	t.Skip("needs a Docker engine")
}

func (c *cloud) docker(args ...string) (string, error) {
	return c.run(c.t.Context(), args...)
}

func (c *cloud) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+c.config, "DOCKER_BUILDKIT=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *cloud) must(args ...string) string {
	c.t.Helper()
	out, err := c.docker(args...)
	if err != nil {
		c.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// refused runs docker and wants it to fail with those words.
func (c *cloud) refused(words string, args ...string) {
	c.t.Helper()
	if out, err := c.docker(args...); err == nil || !strings.Contains(out, words) {
		c.t.Errorf("docker %s: got %v\n%s\nwant %q", strings.Join(args, " "), err, out, words)
	}
}

// build makes an image that holds content, called by ref; it is removed at the
// end, under all its names.
func (c *cloud) build(ref, content string) {
	c.t.Helper()
	dir := c.t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "FROM scratch\nCOPY content /\nCMD [\"/content\"]\n", "content": content} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	c.must("build", "-q", "-t", ref, dir)
	c.forget(strings.TrimSpace(c.must("image", "inspect", "-f", "{{.Id}}", ref)))
}

func (c *cloud) forget(id string) {
	c.t.Cleanup(func() {
		if out, err := c.run(context.Background(), "rmi", "-f", id); err != nil {
			c.t.Errorf("remove image %s: %v\n%s", id, err, out)
		}
	})
}

func (c *cloud) login() {
	c.t.Helper()
	out, err := c.GetAuthorizationToken(c.t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		c.t.Fatal(err)
	}
	data := out.AuthorizationData[0]
	login, err := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
	if err != nil {
		c.t.Fatal(err)
	}
	name, password, _ := strings.Cut(string(login), ":")
	c.must("login", "-u", name, "-p", password, *data.ProxyEndpoint)
}

func TestDocker(t *testing.T) {
	t.Parallel()
	needDocker(t)
	c := serve(t)
	c.create(t, "team/app")
	c.create(t, "copy")
	ref := c.host + "/team/app:v1"
	c.build(ref, fmt.Sprintf("%s %d", t.Name(), time.Now().UnixNano()))

	c.refused("no basic auth credentials", "push", ref)
	c.refused("401 Unauthorized", "login", "-u", "AWS", "-p", "guess", c.host)
	c.refused("403 Forbidden", "login", "-u", "AWS", "-p", c.records.Password(time.Now().Add(-time.Second), nil), c.host)
	c.login()

	out := c.must("push", ref)
	list, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("team/app")})
	if err != nil || len(list.ImageDetails) != 1 {
		t.Fatalf("got %+v: %v", list, err)
	}
	digest := *list.ImageDetails[0].ImageDigest
	if !strings.Contains(out, digest) {
		t.Errorf("docker pushed\n%s\nand the record says %s", out, digest)
	}
	c.must("rmi", ref)
	if out := c.must("pull", ref); !strings.Contains(out, digest) {
		t.Errorf("got\n%s\nwant %s", out, digest)
	}
	resolved, ok, err := c.ResolveImage(t.Context(), ref)
	if err != nil || !ok {
		t.Fatalf("resolve: %v %v", ok, err)
	}
	c.must("pull", resolved)

	c.must("tag", ref, c.host+"/copy:v1")
	if out := c.must("push", c.host+"/copy:v1"); !strings.Contains(out, "Mounted from team/app") {
		t.Errorf("the layer was uploaded again:\n%s", out)
	}

	c.must("tag", ref, c.host+"/absent:v1")
	c.refused("The repository with name 'absent' does not exist in the registry with id '111122223333'", "push", c.host+"/absent:v1")
	c.refused("Requested image not found", "pull", c.host+"/team/app:v2")
}

func TestDockerImmutableTag(t *testing.T) {
	t.Parallel()
	needDocker(t)
	c := serve(t)
	_, err := c.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("app"), ImageTagMutability: types.ImageTagMutabilityImmutable})
	if err != nil {
		t.Fatal(err)
	}
	ref := c.host + "/app:v1"
	c.login()
	c.build(ref, fmt.Sprintf("%s %d", t.Name(), time.Now().UnixNano()))
	const refusal = "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable."
	c.must("push", ref)
	c.refused(refusal, "push", ref) // the same image, too
	c.build(ref, fmt.Sprintf("%s again %d", t.Name(), time.Now().UnixNano()))
	c.refused(refusal, "push", ref)

	got, err := c.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}}})
	if err != nil || len(got.Images) != 1 || !strings.Contains(*got.Images[0].ImageManifest, `"schemaVersion"`) {
		t.Fatalf("got %+v: %v", got, err)
	}
	_, err = c.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: new("app"), Force: true})
	if err != nil {
		t.Fatal(err)
	}
	c.refused("does not exist", "pull", ref)
}
