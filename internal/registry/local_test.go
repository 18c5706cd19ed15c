package registry

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestFindDecidesWhoMayPull(t *testing.T) {
	t.Parallel()
	c := open(t, "app", "other")
	manifest, _ := c.push("app", "v1")
	want := digest.FromBytes(manifest).String()
	for _, tt := range []struct {
		user, password, repo, ref string
		status                    int
	}{
		{"AWS", "secret", "app", "v1", 0},
		{"AWS", "secret", "app", want, 0},
		{"", "", "app", "v1", http.StatusUnauthorized},
		{"AWS", "wrong", "app", "v1", http.StatusUnauthorized},
		{"AWS", "secret", "none", "v1", http.StatusNotFound},
		{"AWS", "secret", "app", "v2", http.StatusNotFound},
		{"AWS", "secret", "other", want, http.StatusNotFound},
	} {
		got, mediaType, size, err := c.reg.Find(t.Context(), tt.user, tt.password, tt.repo, tt.ref)
		if tt.status == 0 {
			if err != nil || got != want || size != int64(len(manifest)) || mediaType == "" {
				t.Errorf("find %+v: %s %s %d, %v", tt, got, mediaType, size, err)
			}
			continue
		}
		if refused, ok := errors.AsType[*Error](err); !ok || refused.HTTPStatus() != tt.status {
			t.Errorf("find %+v: %v, want status %d", tt, err, tt.status)
		}
	}
}

func TestOpenKnowsWhatARepositoryHas(t *testing.T) {
	t.Parallel()
	c := open(t, "app", "other")
	manifest, layer := c.push("app", "v1")
	for _, d := range []digest.Digest{layer, digest.FromBytes(manifest)} {
		file, err := c.reg.Open(t.Context(), "app", d.String())
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(file)
		file.Close()
		if err != nil || digest.FromBytes(text) != d {
			t.Errorf("open %s: other bytes, %v", d, err)
		}
		if _, err := c.reg.Open(t.Context(), "other", d.String()); err == nil {
			t.Errorf("a repository gives out %s, which it doesn't have", d)
		}
	}
	if _, err := c.reg.Open(t.Context(), "app", "sha256:../../x"); err == nil {
		t.Error("what is no digest is opened")
	}

	linked := filepath.Join(t.TempDir(), "blob")
	if err := os.Link(c.reg.blobFile(layer), linked); err != nil {
		t.Fatal(err)
	}
	c.want(c.do("DELETE", "/v2/app/manifests/"+digest.FromBytes(manifest).String(), nil), 202)
	if _, err := c.reg.Open(t.Context(), "app", digest.FromBytes(manifest).String()); err == nil {
		t.Error("a deleted image is opened")
	}
	c.age(2 * grace)
	c.gc()
	if exists(c.reg.blobFile(layer)) {
		t.Fatal("GC left the layer")
	}
	if text, err := os.ReadFile(linked); err != nil || digest.FromBytes(text) != layer {
		t.Errorf("GC harmed the layer's other name: %v", err)
	}
}
