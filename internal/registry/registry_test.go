package registry

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/registry/durable"
	"github.com/skylift/skylift/internal/registry/garbage"
)

func TestParseRoute(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path string
		want route
		ok   bool
	}{
		{"/v2/app/manifests/v1", route{"app", "manifests", "v1"}, true},
		{"/v2/a/manifests/manifests/v1", route{"a/manifests", "manifests", "v1"}, true},
		{"/v2/a/blobs/uploads/", route{"a", "uploads", ""}, true},
		{"/v2/a/blobs/uploads", route{"a", "uploads", ""}, true},
		{"/v2/a/blobs/uploads/some-id", route{"a", "uploads", "some-id"}, true},
		{"/v2/a/b/blobs/sha256:12", route{"a/b", "blobs", "sha256:12"}, true},
		{"/v2/tags/list/tags/list", route{"tags/list", "tags", ""}, true},
		{"/v2/a/referrers/sha256:12", route{"a", "referrers", "sha256:12"}, true},
		{"/v2/a/manifests/", route{}, false},
		{"/v2/manifests/v1", route{}, false},
		{"/v2/a/manifests/x/y", route{}, false},
	}
	for _, tt := range tests {
		if got, ok := parseRoute(tt.path); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %+v %v, want %+v %v", tt.path, got, ok, tt.want, tt.ok)
		}
	}
}

func TestPushIsAcknowledgedAfterTheRecord(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	manifest := c.image("app", []byte("a layer"))
	c.records.fail = errStore
	a := c.want(c.put("app", "v1", manifest), 500)
	if strings.Contains(string(a.body), errStore.Error()) {
		t.Errorf("an inner error left the building: %s", a.body)
	}
	c.want(c.do("GET", "/v2/app/manifests/"+digest.FromBytes(manifest).String(), nil), 404)
	c.records.fail = TagInvalid("The image tag 'v1' already exists")
	if a := c.want(c.put("app", "v1", manifest), 400); a.code() != "TAG_INVALID" {
		t.Errorf("got %s", a.body)
	}
	c.records.fail = nil
	c.want(c.put("app", "v1", manifest), 201)
}

func TestPushRecordsWhatItIs(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	before := time.Now()
	manifest, _ := c.push("app", "v1")
	got := c.records.repos["app"][0]
	config := len(`{"architecture":"amd64","os":"linux"}`)
	if got.Repo != "app" || got.MediaType != v1.MediaTypeImageManifest || got.Size != int64(4000+config) ||
		got.ManifestSize != int64(len(manifest)) || got.ArtifactType != v1.MediaTypeImageConfig || got.PushedAt.Before(before) {
		t.Errorf("got %+v", got)
	}
}

// age makes all files old enough for GC, and forgets who asked for what.
func (c *client) age(by time.Duration) {
	c.t.Helper()
	then := time.Now().Add(-by)
	err := filepath.WalkDir(c.root, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, then, then))
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.reg.used.Forget(time.Now())
}

func (c *client) gc() {
	c.t.Helper()
	if err := c.reg.GC(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// TestNoMountByForm: parameters of a form are judged by nobody, however it is written that it is one.
func TestNoMountByForm(t *testing.T) {
	t.Parallel()
	c := open(t, "app", "other")
	_, layer := c.push("app", "v1")
	for _, kind := range []string{"application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded", " application/x-www-form-urlencoded"} {
		c.want(c.do("POST", "/v2/other/blobs/uploads/", []byte("from=app&mount="+layer.String()), "Content-Type", kind), 202)
		c.want(c.do("HEAD", "/v2/other/blobs/"+layer.String(), nil), 404)
	}
}

func TestGC(t *testing.T) {
	t.Parallel()
	c := open(t, "app", "other")
	kept, keptLayer := c.push("app", "kept")
	gone, goneLayer := c.push("app", "gone")
	shared, sharedLayer := c.push("app", "shared")
	c.want(c.do("POST", "/v2/other/blobs/uploads/?from=app&mount="+sharedLayer.String(), nil), 201)
	c.image("other", []byte("so that its configuration is there too"))
	c.want(c.put("other", "shared", shared), 201)
	for _, m := range [][]byte{gone, shared} {
		c.want(c.do("DELETE", "/v2/app/manifests/"+digest.FromBytes(m).String(), nil), 202)
	}

	c.gc()
	if !exists(c.reg.blobFile(goneLayer)) {
		t.Error("GC removed what is younger than the grace")
	}
	c.age(2 * grace)
	c.gc()
	for _, d := range []digest.Digest{goneLayer, digest.FromBytes(gone)} {
		if exists(c.reg.blobFile(d)) {
			t.Errorf("GC left blob %s", d)
		}
	}
	c.want(c.do("HEAD", "/v2/app/blobs/"+sharedLayer.String(), nil), 404)
	c.want(c.do("GET", "/v2/other/blobs/"+sharedLayer.String(), nil), 200)
	c.want(c.do("GET", "/v2/other/manifests/shared", nil), 200)
	c.want(c.do("GET", "/v2/app/blobs/"+keptLayer.String(), nil), 200)
	c.want(c.do("GET", "/v2/app/manifests/"+digest.FromBytes(kept).String(), nil), 200)
	c.want(c.put("app", "gone", gone), 400) // its layer must be pushed again
}

func TestGCSparesAPushUnderWay(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	manifest, layer := c.push("app", "v1")
	c.want(c.do("DELETE", "/v2/app/manifests/"+digest.FromBytes(manifest).String(), nil), 202)
	c.age(2 * grace)
	for _, d := range []digest.Digest{layer, digest.FromString(`{"architecture":"amd64","os":"linux"}`)} {
		c.want(c.do("HEAD", "/v2/app/blobs/"+d.String(), nil), 200) // docker: "Layer already exists"
	}
	c.gc()
	c.want(c.put("app", "v2", manifest), 201)
}

func TestGCOfADeletedRepository(t *testing.T) {
	t.Parallel()
	c := open(t, "team/app")
	manifest, layer := c.push("team/app", "v1")
	c.records.mu.Lock()
	delete(c.records.repos, "team/app")
	c.records.mu.Unlock()
	c.age(2 * grace)
	c.gc()
	c.gc()
	if exists(c.reg.blobFile(layer)) || exists(c.reg.blobFile(digest.FromBytes(manifest))) {
		t.Error("GC left blobs of a repository that is gone")
	}
}

func TestGCPurgesUploads(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	old := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
	c.want(c.do("PATCH", c.location(old), []byte("half")), 202)
	c.age(garbage.UploadAge + time.Minute)
	fresh := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
	c.gc()
	c.want(c.do("GET", c.location(old), nil), 404)
	c.want(c.do("GET", c.location(fresh), nil), 204)
}

// Pushes and garbage collections at once: what was acknowledged stays whole.
func TestGCWhilePushing(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := c.reg.GC(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for range 5 {
		manifest, layer := c.push("app", "latest")
		c.want(c.do("GET", "/v2/app/manifests/latest", nil), 200)
		c.want(c.do("GET", "/v2/app/blobs/"+layer.String(), nil), 200)
		c.want(c.do("DELETE", "/v2/app/manifests/"+digest.FromBytes(manifest).String(), nil), 202)
	}
	stop()
	wg.Wait()
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	dir := fullDisk(t)
	c.root = dir
	c.start()
	big := random(2 << 20)
	a := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
	a = c.want(c.do("PUT", c.location(a, "digest", digest.FromBytes(big).String()), big), http.StatusInsufficientStorage)
	if !strings.Contains(string(a.body), "no space left") {
		t.Errorf("got %s", a.body)
	}
	c.want(c.do("HEAD", "/v2/app/blobs/"+digest.FromBytes(big).String(), nil), 404)

	// With room again, the registry goes on with nothing corrupt.
	c.push("app", "v1")
	c.want(c.do("GET", "/v2/app/manifests/v1", nil), 200)
}

// TestPushesAreRefusedBeforeTheDiskIsFull: no push begins, and none goes on, while
// others need the room more. What is there is pulled.
func TestPushesAreRefusedBeforeTheDiskIsFull(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	manifest, _ := c.push("app", "v1")
	layer := random(1 << 10)
	begun := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
	c.full.Store(true)
	for _, a := range []answer{
		c.do("POST", "/v2/app/blobs/uploads/", nil),
		c.do("PATCH", c.location(begun), layer),
		c.do("PUT", c.location(begun, "digest", digest.FromBytes(layer).String()), layer),
		c.do("PUT", "/v2/app/manifests/v2", manifest),
	} {
		if c.want(a, http.StatusInsufficientStorage); !strings.Contains(string(a.body), "no space left") {
			t.Errorf("got %s", a.body)
		}
	}
	c.want(c.do("GET", "/v2/app/manifests/v1", nil), 200)
	under, err := durable.New(t.TempDir(), c.full.Load).Writer(t.Context(), "/upload", false)
	if err != nil {
		t.Fatal(err)
	}
	defer under.Close()
	if n, err := under.Write(layer); n != 0 || !durable.IsFull(err) {
		t.Errorf("an upload under way writes %d bytes, %v", n, err)
	}
	c.full.Store(false)
	c.push("app", "v2")
}

// fullDisk mounts a file system of 1 MiB.
func fullDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if strings.Contains(os.Getenv("REQUIRE"), "docker") {
			t.Fatalf("mount a small tmpfs: %v", err)
		}
		t.Skipf("needs root to mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestSecretIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	first, err := secret(file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := secret(file)
	if err != nil || first != second || len(first) != 64 {
		t.Errorf("got %q and %q: %v", first, second, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v: %v", info.Mode(), err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
