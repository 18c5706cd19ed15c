package expiry

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry"
)

// What refers to an image goes after it, within a day, and so does what refers to that. What came before its subject has a day.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		refer := func(name, subject string) {
			t.Helper()
			m := registry.Manifest{Repo: "app", Digest: digest.FromString(name).String(), Subject: subject, PushedAt: time.Now()}
			if err := w.records.Push(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		image, kept := w.push("v1", nil, "v1"), w.push("v2", nil, "v2")
		refer("signature", image)
		refer("signature of the signature", digest.FromString("signature").String())
		refer("signature of another one", kept)
		if err := w.put(t.Context(), `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPrefixList":["none"],"countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}`); err != nil {
			t.Fatal(err)
		}
		apply := func(want int) {
			t.Helper()
			time.Sleep(time.Hour)
			if _, err := w.Reconcile(t.Context(), "app"); err != nil {
				t.Fatal(err)
			}
			if tags, n := w.left(); n != want {
				t.Errorf("%d images are left (%s), want %d", n, tags, want)
			}
		}
		apply(5)
		if err := w.records.Delete(t.Context(), "app", image); err != nil {
			t.Fatal(err)
		}
		apply(4)
		time.Sleep(22 * time.Hour)
		refer("what has no subject yet", digest.FromString("later").String())
		apply(3)
		time.Sleep(24 * time.Hour)
		apply(2)
	})
}
