package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/moby/moby/client"
	"github.com/sirupsen/logrus"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/docker/pause"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// host is what the tests of this package share: the images, and a registry.
type host struct {
	cli      *client.Client
	app      string
	users    string // app with accounts
	registry string
	pushed   string
}

var shared = sync.OnceValues(prepare)

// cleanups undo what prepare did.
var cleanups []func()

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard)
	code := m.Run()
	for _, undo := range cleanups {
		undo()
	}
	os.Exit(code)
}

// dockerHost skips the test where there is no Docker daemon.
func dockerHost(tb testing.TB) *host {
	tb.Helper()
	cli, err := daemon.Connect(tb.Context(), "")
	if err != nil {
		if strings.Contains(os.Getenv("REQUIRE"), "docker") {
			tb.Fatal(err)
		}
		tb.Skipf("needs Docker: %v", err)
	}
	_ = cli.Close()
	h, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// prepare builds the test program, makes an image of it and pushes that to a
// registry in this process.
func prepare() (*host, error) {
	ctx := context.Background()
	cli, err := daemon.Connect(ctx, "")
	if err != nil {
		return nil, err
	}
	h := &host{cli: cli, app: "skylift-enginetest/app:" + unique(), users: "skylift-enginetest/users:" + unique()}
	if err := h.buildApp(ctx); err != nil {
		return nil, err
	}
	if err := h.buildUsers(ctx); err != nil {
		return nil, err
	}
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": nil}}
	config.HTTP.Secret = unique()
	registry := httptest.NewServer(handlers.NewApp(ctx, config))
	h.registry = registry.Listener.Addr().String()
	h.pushed = h.registry + "/team/app:v1"
	cleanups = append(cleanups, func() {
		h.removeImages()
		registry.Close()
	})
	if _, err := cli.ImageTag(ctx, client.ImageTagOptions{Source: h.app, Target: h.pushed}); err != nil {
		return nil, err
	}
	answer, err := cli.ImagePush(ctx, h.pushed, client.ImagePushOptions{RegistryAuth: "e30="})
	if err != nil {
		return nil, err
	}
	return h, answer.Wait(ctx)
}

func (h *host) buildApp(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "enginetest")
	if err != nil {
		return err
	}
	cleanups = append(cleanups, func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "app")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "../enginetest/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the test program: %w: %s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	layer, err := pause.TarOf(tar.Header{Name: "app", Mode: 0o555, Size: int64(len(program))}, program)
	if err != nil {
		return err
	}
	archive, err := pause.Archive(h.app, runtime.GOARCH, "/app", layer)
	if err != nil {
		return err
	}
	answer, err := h.cli.ImageLoad(ctx, bytes.NewReader(archive))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer)
	return errors.Join(err, answer.Close())
}

// buildUsers makes an image that has accounts, and one of them as its user.
func (h *host) buildUsers(ctx context.Context) error {
	passwd := []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1001:1002::/:/bin/sh\ndb:x:999:998::/:/bin/sh\n")
	group := []byte("root:x:0:\napp:x:1002:\ndb:x:998:\n")
	files, err := pause.TarOf(
		tar.Header{Name: "etc/accounts", Mode: 0o444, Size: int64(len(passwd))}, passwd,
		tar.Header{Name: "etc/passwd", Typeflag: tar.TypeSymlink, Linkname: "accounts", Mode: 0o777}, []byte{},
		tar.Header{Name: "etc/group", Mode: 0o444, Size: int64(len(group))}, group,
	)
	if err != nil {
		return err
	}
	made, err := h.cli.ContainerCreate(ctx, client.ContainerCreateOptions{Image: h.app})
	if err != nil {
		return err
	}
	_, copied := h.cli.CopyToContainer(ctx, made.ID, client.CopyToContainerOptions{DestinationPath: "/", Content: bytes.NewReader(files)})
	_, committed := h.cli.ContainerCommit(ctx, made.ID, client.ContainerCommitOptions{Reference: h.users, Changes: []string{"USER app"}})
	_, removed := h.cli.ContainerRemove(ctx, made.ID, client.ContainerRemoveOptions{})
	return errors.Join(copied, committed, removed)
}

// removeImages removes what the tests pulled and made.
func (h *host) removeImages() {
	ctx := context.Background()
	for _, ref := range []string{h.app, h.users, h.pushed} {
		_, _ = h.cli.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: true}) // it may be gone
	}
	images, err := h.cli.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", h.registry+"/*/*")})
	if err != nil {
		return
	}
	for _, i := range images.Items {
		_, _ = h.cli.ImageRemove(ctx, i.ID, client.ImageRemoveOptions{Force: true}) // it may be gone
	}
}

// unique returns 12 random hex digits.
func unique() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// openEngine returns an engine of a new instance that is purged at the end.
func openEngine(tb testing.TB) *Engine {
	tb.Helper()
	dockerHost(tb)
	e, err := Open(tb.Context(), Config{Instance: unique(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(e.Close(), Purge(context.Background(), "", e.instance)); err != nil {
			tb.Error(err)
		}
	})
	return e
}

func TestContract(t *testing.T) {
	t.Parallel()
	h := dockerHost(t)
	enginetest.Run(t, func(t *testing.T) engine.Engine { return openEngine(t) }, enginetest.Images{
		App:     h.app,
		Program: "/app",
		Pull:    h.pushed,
		Missing: h.registry + "/team/app:none",
		Users:   h.users,
	})
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	h := dockerHost(t)
	enginetest.RunPrograms(t, func(t *testing.T) engine.Engine { return openEngine(t) }, enginetest.Programs{
		App: h.app, Data: imageWithData(t, h), Init: "docker-init", Pause: "pause",
	})
}

func TestOpenSaysThatDockerIsAway(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Config{Instance: unique(), Host: "unix:///no/such/docker.sock"})
	if err == nil || !strings.Contains(err.Error(), "docker can't be reached at unix:///no/such/docker.sock") || strings.Contains(err.Error(), "\n") {
		t.Errorf("open: %v, want one line that names the address", err)
	}
}

// run starts a task of one container and returns its lines and status at the
// end.
func run(t *testing.T, e *Engine, task engine.Task) ([]string, engine.ContainerStatus) {
	t.Helper()
	return enginetest.RunTask(t, e, task)
}
