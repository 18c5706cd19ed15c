package containerd

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/registry"
)

var login = engine.Auth{Username: "AWS", Password: "secret"}

// repositories are the records of a registry, in memory.
type repositories struct {
	mu        sync.Mutex
	manifests []registry.Manifest
}

func (*repositories) Authenticate(_ context.Context, user, password string) error {
	if user != login.Username || password != login.Password {
		return registry.Denied("Your authorization token has expired. Reauthenticate and try again.")
	}
	return nil
}

func (*repositories) Repository(_ context.Context, repo string) error {
	if repo != "team/app" {
		return registry.NameUnknown("there is no repository " + repo)
	}
	return nil
}

func (r *repositories) ForPush(ctx context.Context, repo string) error {
	return r.Repository(ctx, repo)
}

func (*repositories) Repositories(context.Context) ([]string, error) {
	return []string{"team/app"}, nil
}

func (r *repositories) Manifests(context.Context, string) ([]registry.Manifest, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.manifests), nil
}

func (*repositories) Tags(context.Context, string) ([]string, error) { return nil, nil }

func (r *repositories) Resolve(ctx context.Context, repo, ref string) (string, error) {
	if err := r.Repository(ctx, repo); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range slices.Backward(r.manifests) {
		if m.Digest == ref || slices.Contains(m.Tags, ref) {
			return m.Digest, nil
		}
	}
	return "", registry.ManifestUnknown("there is no image " + ref)
}

func (r *repositories) Push(_ context.Context, m registry.Manifest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifests = append(r.manifests, m)
	return nil
}

func (r *repositories) Delete(_ context.Context, _, ref string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifests = slices.DeleteFunc(r.manifests, func(m registry.Manifest) bool { return m.Digest == ref })
	return nil
}

// ownRegistry is the registry of an instance, on the file system of its containerd.
type ownRegistry struct {
	*registry.Registry
	records *repositories
	root    string
	host    string
	server  *httptest.Server

	mu     sync.Mutex
	opened map[string]int // by digest
}

func (r *ownRegistry) Open(ctx context.Context, repo, dgst string) (*os.File, error) {
	r.mu.Lock()
	r.opened[dgst]++
	r.mu.Unlock()
	return r.Registry.Open(ctx, repo, dgst)
}

// newRegistry starts a registry whose HTTP side is there for pushes.
func newRegistry(tb testing.TB, m *machine) *ownRegistry {
	tb.Helper()
	root, err := os.MkdirTemp(m.dir, "registry")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(root) }) // the machine's directory goes too
	records := &repositories{}
	r, err := registry.New(tb.Context(), registry.Config{
		Root: root, Records: records, Log: slog.New(slog.NewTextHandler(tb.Output(), nil)), Grace: time.Nanosecond,
	})
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(r)
	tb.Cleanup(server.Close)
	return &ownRegistry{Registry: r, records: records, root: root, host: strings.TrimPrefix(server.URL, "http://"), server: server, opened: map[string]int{}}
}

func (r *ownRegistry) file(d digest.Digest) string {
	return filepath.Join(r.root, "docker/registry/v2/blobs/sha256", d.Encoded()[:2], d.Encoded(), "data")
}

func (r *ownRegistry) send(tb testing.TB, method, url, mediaType string, body []byte) *http.Response {
	tb.Helper()
	if !strings.HasPrefix(url, "http") {
		url = r.server.URL + url
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.SetBasicAuth(login.Username, login.Password)
	req.Header.Set("Content-Type", mediaType)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		tb.Fatalf("%s %s: %s", method, url, answer.Status)
	}
	return answer
}

func (r *ownRegistry) blob(tb testing.TB, mediaType string, text []byte) v1.Descriptor {
	tb.Helper()
	d := digest.FromBytes(text)
	at := r.send(tb, http.MethodPost, "/v2/team/app/blobs/uploads/", "", nil).Header.Get("Location")
	r.send(tb, http.MethodPut, at+"&digest="+d.String(), "application/octet-stream", text)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(text))}
}

// push pushes an image of layers, whose first is on the bottom, and returns its
// name and its layers.
func (r *ownRegistry) push(tb testing.TB, tag string, config map[string]any, layers ...[]byte) (ref string, pushed []v1.Descriptor) {
	tb.Helper()
	var diffs []digest.Digest
	for _, l := range layers {
		diffs = append(diffs, digest.FromBytes(l))
		pushed = append(pushed, r.blob(tb, v1.MediaTypeImageLayerGzip, zipped(tb, l)))
	}
	text, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": config, "rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		tb.Fatal(err)
	}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: r.blob(tb, v1.MediaTypeImageConfig, text), Layers: pushed}
	m.SchemaVersion = 2
	if text, err = json.Marshal(m); err != nil {
		tb.Fatal(err)
	}
	r.send(tb, http.MethodPut, "/v2/team/app/manifests/"+tag, v1.MediaTypeImageManifest, text)
	return fmt.Sprintf("%s/team/app:%s", r.host, tag), pushed
}

func zipped(tb testing.TB, text []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(text)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// appLayer is the layer that has the test program, which no other image has.
func (h *host) appLayer(tb testing.TB) []byte {
	tb.Helper()
	program, err := os.ReadFile(filepath.Join(h.dir, "app"))
	if err != nil {
		tb.Fatal(err)
	}
	return tarOf(file{name: "app", mode: 0o555, text: program}, file{name: "only-of-" + unique(), mode: 0o444})
}
