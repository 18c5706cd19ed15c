package containerd

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/containerd/output"
	"github.com/skylift/skylift/internal/engine/containerd/supervise"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// host is what the tests of this package share: a containerd, a keeper of output,
// the images as archives, and a registry.
type host struct {
	*machine
	app      string
	users    string // app with accounts
	data     string // app with files of a user's
	archives []byte
	registry string
	pushed   string
}

var shared = sync.OnceValues(prepare)

// cleanups undo what prepare did, the last first.
var cleanups []func()

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == output.Command {
		os.Exit(output.Main(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == workerCommand {
		fmt.Fprintln(os.Stderr, worker(os.Args[2]))
		os.Exit(1)
	}
	logrus.SetOutput(io.Discard)
	code := m.Run()
	for _, undo := range slices.Backward(cleanups) {
		undo()
	}
	os.Exit(code)
}

// containerdHost skips the test where there is no containerd, or no root.
func containerdHost(tb testing.TB) *host {
	tb.Helper()
	_, err := supervise.Find()
	if os.Geteuid() != 0 {
		err = errors.Join(err, errors.New("not root"))
	}
	if err != nil {
		if strings.Contains(os.Getenv("REQUIRE"), "containerd") {
			tb.Fatal(err)
		}
		tb.Skipf("needs containerd: %v", err)
	}
	h, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// prepare starts a containerd, builds the test program, and pushes an image of it
// to a registry in this process.
func prepare() (*host, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "skylift-containerd")
	if err != nil {
		return nil, err
	}
	h := &host{app: "enginetest/app:v1", users: "enginetest/users:v1", data: "enginetest/data:v1"}
	cleanups = append(cleanups, func() { _ = os.RemoveAll(dir) })
	if h.machine, err = newMachine(dir); err != nil {
		return nil, err
	}
	cleanups = append(cleanups, func() {
		if err := h.end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	if err := h.start(); err != nil {
		return nil, err
	}
	if err := h.build(ctx); err != nil {
		return nil, err
	}
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": nil}}
	config.HTTP.Secret = unique()
	registry := httptest.NewServer(handlers.NewApp(ctx, config))
	cleanups = append(cleanups, registry.Close)
	h.registry = registry.Listener.Addr().String()
	h.pushed = h.registry + "/team/app:v1"
	return h, h.push(ctx)
}

// build builds the images.
func (h *host) build(ctx context.Context) error {
	path := filepath.Join(h.dir, "app")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "../enginetest/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the test program: %w: %s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	app := tarOf(file{name: "app", mode: 0o555, text: program})
	passwd := []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1001:1002::/:/bin/sh\ndb:x:999:998::/:/bin/sh\n")
	group := []byte("root:x:0:\napp:x:1002:\ndb:x:998:\n")
	users := tarOf(
		file{name: "etc/accounts", mode: 0o444, text: passwd},
		file{name: "etc/passwd", mode: 0o777, link: "accounts"},
		file{name: "etc/group", mode: 0o444, text: group},
	)
	data := tarOf(file{name: "data/", mode: 0o700, user: 1000}, file{name: "data/file", mode: 0o600, user: 1000, text: []byte("of the image")})
	h.archives = archive(
		built{h.app, map[string]any{"Entrypoint": []string{"/app"}}, [][]byte{app}},
		built{h.users, map[string]any{"Entrypoint": []string{"/app"}, "User": "app"}, [][]byte{app, users}},
		built{h.data, map[string]any{"Entrypoint": []string{"/app"}}, [][]byte{app, data}},
	)
	return nil
}

type file struct {
	name string
	mode int64
	link string
	text []byte
	user int
	more map[string]string // records of its header: "SCHILY.xattr.user.note"
}

func tarOf(files ...file) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.text)), Uid: f.user, Gid: f.user, PAXRecords: f.more}
		if f.link != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, f.link
		}
		_ = w.WriteHeader(header) // a bytes.Buffer takes all
		_, _ = w.Write(f.text)
	}
	_ = w.Close()
	return b.Bytes()
}

// built is an image that was made here.
type built struct {
	ref    string
	config map[string]any
	layers [][]byte
}

// archive packs images as `docker save` does.
func archive(images ...built) []byte {
	var files []file
	var manifest []map[string]any
	digest := func(b []byte) string {
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	for _, i := range images {
		var diffs, names []string
		for _, l := range i.layers {
			diffs = append(diffs, "sha256:"+digest(l))
			names = append(names, digest(l)+"/layer.tar")
			files = append(files, file{name: digest(l) + "/layer.tar", mode: 0o444, text: l})
		}
		config, _ := json.Marshal(map[string]any{ // it can be encoded
			"architecture": runtime.GOARCH, "os": "linux", "config": i.config,
			"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
		})
		files = append(files, file{name: digest(config) + ".json", mode: 0o444, text: config})
		manifest = append(manifest, map[string]any{"Config": digest(config) + ".json", "RepoTags": []string{i.ref}, "Layers": names})
	}
	text, _ := json.Marshal(manifest) // it can be encoded
	return tarOf(append(files, file{name: "manifest.json", mode: 0o444, text: text})...)
}

// load imports images into an instance's namespace.
func load(ctx context.Context, client *containerd.Client, archive []byte) error {
	loaded, err := client.Import(ctx, bytes.NewReader(archive))
	if err != nil {
		return err
	}
	for _, i := range loaded {
		if err := containerd.NewImage(client, i).Unpack(ctx, image.Snapshotter); err != nil {
			return err
		}
	}
	return nil
}

// push brings the test image to the registry.
func (h *host) push(ctx context.Context) error {
	client, err := connect(ctx, h.containerd.Address(), unique())
	if err != nil {
		return err
	}
	defer client.Close()
	loaded, err := client.Import(ctx, bytes.NewReader(h.archives))
	if err != nil {
		return err
	}
	resolver := docker.NewResolver(docker.ResolverOptions{})
	for _, i := range loaded {
		if strings.Contains(i.Name, "/app:") {
			return client.Push(ctx, h.pushed, i.Target, containerd.WithResolver(resolver))
		}
	}
	return errors.New("no image to push")
}

// unique returns 12 random hex digits.
func unique() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// configOf is that of a new instance.
func configOf(tb testing.TB, m *machine) Config {
	tb.Helper()
	dir, err := os.MkdirTemp("", "skylift-engine")
	if err != nil {
		tb.Fatal(err)
	}
	c := Config{
		Instance: unique(), Address: m.containerd.Address(), Root: m.containerd.Root(), State: filepath.Join(filepath.Dir(m.containerd.Address()), "state"),
		Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run"), Output: m.output,
		Log: slog.New(slog.NewTextHandler(tb.Output(), nil)),
	}
	tb.Cleanup(func() { // what a test left of its tasks goes too
		if err := errors.Join(Clear(context.Background(), c), os.RemoveAll(dir)); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// openEngine returns an engine of a new instance that is purged at the end.
func openEngine(tb testing.TB) *Engine {
	tb.Helper()
	h := containerdHost(tb)
	e, err := Open(tb.Context(), configOf(tb, h.machine))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(e.Purge(context.Background()), e.Close()); err != nil {
			tb.Error(err)
		}
	})
	if err := load(tb.Context(), e.client, h.archives); err != nil {
		tb.Fatal(err)
	}
	return e
}

func TestContract(t *testing.T) {
	t.Parallel()
	h := containerdHost(t)
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
	h := containerdHost(t)
	enginetest.RunPrograms(t, func(t *testing.T) engine.Engine { return openEngine(t) }, enginetest.Programs{
		App: h.app, Data: h.data, Init: "init", Pause: "pause",
	})
}
