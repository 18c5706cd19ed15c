package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

var appConfig = map[string]any{"Entrypoint": []string{"/app"}}

// withRegistry opens an engine with a registry of its instance.
func withRegistry(t *testing.T) (*host, *Engine, *ownRegistry) {
	t.Helper()
	h, e := containerdHost(t), openEngine(t)
	r := newRegistry(t, h.machine)
	e.UseRegistry(r.host, r)
	return h, e, r
}

// exitOf runs a container of an image and returns its exit code.
func exitOf(t *testing.T, e *Engine, ref string, command ...string) int {
	t.Helper()
	task := enginetest.AppTask(ref, command...)
	_, status := enginetest.RunTask(t, e, task)
	if err := e.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	return status.ExitCode
}

func contentFile(h *host, d digest.Digest) string {
	return filepath.Join(h.containerd.Root(), "root/io.containerd.content.v1.content/blobs/sha256", d.Encoded())
}

// Pulls from the instance's own registry need no HTTP, and no room for a second
// copy of the layers, whose files both may delete.
func TestOwnRegistry(t *testing.T) {
	t.Parallel()
	h, e, r := withRegistry(t)
	ref, layers := r.push(t, "v1", appConfig, h.appLayer(t))
	r.server.Close()

	name, err := e.Pull(t.Context(), ref, login)
	if err != nil {
		t.Fatal(err)
	}
	theirs, here := r.file(layers[0].Digest), contentFile(h, layers[0].Digest)
	if !sameBytes(t, theirs, here) {
		t.Error("the layer is there twice")
	}
	if code := exitOf(t, e, name, "exit", "7"); code != 7 {
		t.Errorf("the container exited with %d", code)
	}

	manifest := strings.Split(name, "@")[1]
	if err := r.deleteImage(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
	if err := r.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(theirs); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the registry still has the layer: %v", err)
	}
	dropSnapshots(t, e, name)
	if code := exitOf(t, e, name, "exit", "8"); code != 8 {
		t.Errorf("the container exited with %d after the registry deleted its image", code)
	}
}

func TestOwnRegistryOutlivesContainerd(t *testing.T) {
	t.Parallel()
	h, e, r := withRegistry(t)
	ref, layers := r.push(t, "v1", appConfig, h.appLayer(t))
	if _, err := e.Pull(t.Context(), ref, login); err != nil {
		t.Fatal(err)
	}
	if err := e.images.Purge(e.in(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(contentFile(h, layers[0].Digest)); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("containerd still has the layer: %v", err)
	}
	if got := digestOf(t, r.file(layers[0].Digest)); got != layers[0].Digest {
		t.Errorf("the registry's layer is %s, want %s", got, layers[0].Digest)
	}
}

func TestOwnRegistryRefuses(t *testing.T) {
	t.Parallel()
	h, e, r := withRegistry(t)
	ref, _ := r.push(t, "v1", appConfig, h.appLayer(t))
	for _, tt := range []struct {
		ref              string
		auth             engine.Auth
		denied, notFound bool
	}{
		{ref, engine.Auth{}, true, false},
		{ref, engine.Auth{Username: "AWS", Password: "old"}, true, false},
		{r.host + "/team/app:none", login, false, true},
		{r.host + "/team/none:v1", login, false, true},
		{r.host + "/team/app@" + digest.FromString("none").String(), login, false, true},
	} {
		_, err := e.Pull(t.Context(), tt.ref, tt.auth)
		refused, ok := errors.AsType[*engine.PullError](err)
		if !ok || refused.Denied != tt.denied || refused.NotFound != tt.notFound {
			t.Errorf("pull %s as %q: %#v, want denied %v, not found %v", tt.ref, tt.auth.Username, err, tt.denied, tt.notFound)
		}
	}
}

// Images that are pulled at once and share a layer fetch it once.
func TestPullsShareLayers(t *testing.T) {
	t.Parallel()
	h, e, r := withRegistry(t)
	base := h.appLayer(t)
	var refs []string
	var layers []v1.Descriptor
	for i := range 6 {
		ref, l := r.push(t, fmt.Sprintf("v%d", i), appConfig, base, tarOf(file{name: fmt.Sprintf("top%d", i), mode: 0o444}))
		refs, layers = append(refs, ref), l
	}
	errs := make([]error, len(refs))
	var wg sync.WaitGroup
	for i, ref := range refs {
		wg.Go(func() { _, errs[i] = e.Pull(t.Context(), ref, login) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := r.opened[layers[0].Digest.String()]; n != 1 {
		t.Errorf("the layer that all have was fetched %d times", n)
	}
}

func TestCorruptInRegistry(t *testing.T) {
	t.Parallel()
	h, e, r := withRegistry(t)
	ref, layers := r.push(t, "v1", appConfig, h.appLayer(t))
	theirs := r.file(layers[0].Digest)
	whole, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	spoil(t, theirs)
	_, err = e.Pull(t.Context(), ref, login)
	refused, ok := errors.AsType[*engine.PullError](err)
	if !ok || !strings.Contains(refused.Reason, "corrupt") || !strings.Contains(refused.Reason, layers[0].Digest.String()) {
		t.Fatalf("pull: %v, want a PullError that says what is corrupt", err)
	}
	if err := os.WriteFile(theirs, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Pull(t.Context(), ref, login); err != nil {
		t.Errorf("pull of what was mended: %v", err)
	}
}

// What is corrupt in containerd's store is pulled again: when its image is to be
// unpacked again, and when another image has the same layer.
func TestCorruptContent(t *testing.T) {
	t.Parallel()
	h, e, r := withRegistry(t)
	base := h.appLayer(t)
	ref, layers := r.push(t, "v1", appConfig, base)
	name, err := e.Pull(t.Context(), ref, login)
	if err != nil {
		t.Fatal(err)
	}
	for what, spoiled := range map[string]digest.Digest{"layer": layers[0].Digest, "configuration": configOfImage(t, e, name)} {
		// The registry's copy must stay whole, so the file gets bytes of its own.
		here := contentFile(h, spoiled)
		if err := copyOver(here); err != nil {
			t.Fatal(err)
		}
		spoil(t, here)
		dropSnapshots(t, e, name)
		fresh, err := image.New(t.Context(), e.client, e.log) // which remembers nothing of the image
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fresh.Close)
		fresh.Use(r.host, r)
		if again, err := fresh.Pull(e.in(t.Context()), name, login); err != nil || again != name {
			t.Fatalf("pull with a corrupt %s: %s, %v", what, again, err)
		}
		if got := digestOf(t, here); got != spoiled {
			t.Errorf("the %s is %s, want %s", what, got, spoiled)
		}
		if code := exitOf(t, e, name, "exit", "7"); code != 7 {
			t.Errorf("the container exited with %d", code)
		}
	}
}

func sameBytes(t *testing.T, a, b string) bool {
	t.Helper()
	var of [2]syscall.Stat_t
	for i, name := range []string{a, b} {
		if err := syscall.Stat(name, &of[i]); err != nil {
			t.Fatal(err)
		}
	}
	return of[0].Ino == of[1].Ino || of[1].Blocks == 0
}

func digestOf(t *testing.T, name string) digest.Digest {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return digest.FromBytes(text)
}

// spoil changes a byte in the middle of a file.
func spoil(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	at := info.Size() / 2
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{b[0] ^ 0xff}, at); err != nil {
		t.Fatal(err)
	}
}

// copyOver puts a copy of a file in its place.
func copyOver(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".copy", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".copy", name)
}

func (r *ownRegistry) deleteImage(ctx context.Context, manifest string) error {
	return r.records.Delete(ctx, "team/app", manifest)
}

func configOfImage(t *testing.T, e *Engine, name string) digest.Digest {
	t.Helper()
	i, err := e.images.Get(e.in(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := i.Record.Config(e.in(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return desc.Digest
}

// dropSnapshots removes what is unpacked of an image of one layer.
func dropSnapshots(t *testing.T, e *Engine, name string) {
	t.Helper()
	i, err := e.images.Get(e.in(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.client.SnapshotService(image.Snapshotter).Remove(e.in(t.Context()), i.Chain); err != nil {
		t.Fatal(err)
	}
}

// Tidy gives the room of an image back: its layers as they were pulled, and as
// they were unpacked. Those of an image that has some in common stay.
func TestTidyGivesRoomBack(t *testing.T) {
	t.Parallel()
	h, e, r := withRegistry(t)
	base, top := h.appLayer(t), tarOf(file{name: "top", mode: 0o444})
	one, layers := r.push(t, "v1", appConfig, base, top)
	two, _ := r.push(t, "v2", appConfig, base)
	var names []string
	for _, ref := range []string{one, two} {
		name, err := e.Pull(t.Context(), ref, login)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	i, err := e.images.Get(e.in(t.Context()), names[0])
	if err != nil {
		t.Fatal(err)
	}
	removed, err := e.Tidy(t.Context(), names[1:], 0)
	if err != nil || len(removed) != 1 || removed[0] != names[0] {
		t.Fatalf("removed %q, %v", removed, err)
	}
	if _, err := os.Stat(contentFile(h, layers[1].Digest)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the layer of the removed image is there: %v", err)
	}
	if _, err := e.client.SnapshotService(image.Snapshotter).Stat(e.in(t.Context()), i.Chain); !cerrdefs.IsNotFound(err) {
		t.Errorf("the layer of the removed image is unpacked: %v", err)
	}
	if code := exitOf(t, e, names[1], "exit", "7"); code != 7 {
		t.Errorf("a container of the image that stays exited with %d", code)
	}
}
