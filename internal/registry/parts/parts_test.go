package parts

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry/durable"
)

// open returns the uploads below a directory, as after a start.
func open(t *testing.T, root string) *Uploads {
	t.Helper()
	store, err := storage.NewRegistry(t.Context(), durable.New(root, func() bool { return false }))
	if err != nil {
		t.Fatal(err)
	}
	return New(store, filepath.Join(root, "docker/registry/v2"))
}

// TestAKilledAppend kills between the steps of an append: after its note was written, and after half of its bytes.
func TestAKilledAppend(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	u, ctx := open(t, root), t.Context()
	first, last := bytes.Repeat([]byte("a"), MinPart), []byte("last")
	id, err := u.Start(ctx, "app")
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Append(ctx, "app", id, 0, first); err != nil {
		t.Fatal(err)
	}
	for _, came := range []int{0, 2} {
		n := u.note("app", id).at(MinPart)
		if err := u.keep("app", id, n.with(len(last), MinPart+int64(len(last)))); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(u.dir("app", id), "data"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Write(last[:came])
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		u = open(t, root)
	}
	if err := u.Append(ctx, "app", id, MinPart, last); err != nil {
		t.Fatalf("the part comes again: %v", err)
	}
	if n := u.note("app", id); n.Parts != 2 || n.Small {
		t.Errorf("got %+v", n)
	}
	finishes(t, u, id, digest.FromBytes(append(first, last...)))
}

// finishes makes the layer, and asks for it again, as who lost the answer does.
func finishes(t *testing.T, u *Uploads, id string, d digest.Digest) {
	t.Helper()
	ctx := t.Context()
	if err := u.Finish(ctx, "app", id, d); err != nil {
		t.Fatal(err)
	}
	if err := u.Finish(ctx, "app", id, d); !errors.Is(err, ErrExists) {
		t.Errorf("again: %v", err)
	}
	if err := u.Finish(ctx, "app", id, digest.FromString("other")); !errors.Is(err, ErrUnknown) {
		t.Errorf("another layer of an upload that is gone: %v", err)
	}
}
