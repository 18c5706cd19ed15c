package daemon

import (
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// TestFrees: what users do to get out of a full disk is done on one.
func TestFrees(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]bool{
		"StopTask": true, "DeleteService": true, "DeleteFileSystem": true, "DeleteMountTarget": true, "DeregisterTaskDefinition": true,
		"DeregisterTargets": true, "BatchDeleteImage": true, "DeleteLogGroup": true, "RevokeSecurityGroupIngress": true, "UntagResource": true,
		"RemoveTags": true, "StopServiceDeployment": true,
		"RunTask": false, "CreateService": false, "UpdateService": false, "PutImage": false, "TagResource": false, "RegisterTargets": false, "": false,
	} {
		if got := frees(action); got != want {
			t.Errorf("%q frees: %v, want %v", action, got, want)
		}
		if got := store.IsFreeing(operationContext(t.Context(), "any", action)); got != want {
			t.Errorf("the ctx of %q is Freeing: %v, want %v", action, got, want)
		}
	}
}

func TestSameDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for other, want := range map[string]bool{dir: true, "/proc": false} {
		if got, err := sameDisk(dir, other); err != nil || got != want {
			t.Errorf("%s and %s: %v, %v; want %v", dir, other, got, err, want)
		}
	}
	if _, err := sameDisk(dir, dir+"/none"); err == nil {
		t.Error("a directory that isn't there is on a disk")
	}
}

// TestPlain: who was promised encryption hears when nobody stands for it any more.
func TestPlain(t *testing.T) {
	t.Parallel()
	m := &machine{Config: Config{DataDir: "/data"}, db: memstore.New()}
	defer m.db.Close()
	err := m.db.Update(t.Context(), func(tx store.Tx) error {
		for id, encrypted := range map[string]bool{"fs-1": true, "fs-2": false} {
			if err := efs.FileSystems.Put(tx, id, efs.FileSystem{ID: id, Encrypted: encrypted}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := m.plain(t.Context()); err != nil || len(out) != 1 || !strings.Contains(out[0], "fs-1") || !strings.Contains(out[0], "/data") {
		t.Errorf("on a plain disk: %q, %v", out, err)
	}
	m.encrypted = true
	if out, err := m.plain(t.Context()); err != nil || len(out) > 0 {
		t.Errorf("on an encrypted one: %q, %v", out, err)
	}
}
