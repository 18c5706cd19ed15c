package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

const (
	secret = "canary-7f3a"
	name   = "thing"
)

func load(t *testing.T, db store.DB, root seal.Root) *seal.Sealer {
	t.Helper()
	r, err := seal.Load(t.Context(), db, root)
	if err != nil {
		t.Fatal(err)
	}
	return r.For("test")
}

func open(t *testing.T) store.DB {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	return db
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	r := load(t, open(t), seal.Root{DataDir: t.TempDir()})
	sealed := r.Seal(name, []byte(secret))
	if bytes.Contains(sealed, []byte(secret)) {
		t.Error("what is sealed shows its text")
	}
	if bytes.Equal(sealed, r.Seal(name, []byte(secret))) {
		t.Error("the same text is sealed to the same bytes twice")
	}
	if got, err := r.Open(name, sealed); string(got) != secret || err != nil {
		t.Errorf("got %q, %v, want the text", got, err)
	}
	if _, err := r.Open("other", sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("got %v with another name, want ErrOpen", err)
	}
	k := seal.NewKey()
	if _, err := k.For("other").Open(name, k.For("test").Seal(name, nil)); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("got %v for another purpose, want ErrOpen", err)
	}
	if a, b := k.For("test").Key(name), k.For("test").Key("other"); bytes.Equal(a, b) || bytes.Equal(a, k.For("other").Key(name)) || !bytes.Equal(a, k.For("test").Key(name)) {
		t.Error("keys of a purpose and a name are not that purpose's and name's")
	}
	if text := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(text, "map") {
		t.Errorf("printing tells the keys: %s", text)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := r.Open(name, changed); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("got %v with byte %d changed, want ErrOpen", err, i)
		}
		if _, err := r.Open(name, sealed[:i]); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("got %v of the first %d bytes, want ErrOpen", err, i)
		}
	}
	if _, err := load(t, open(t), seal.Root{DataDir: t.TempDir()}).Open(name, sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("got %v from another instance, want ErrOpen", err)
	}
}

// keyFile writes a key file as an operator would.
func keyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(t.Name())[:1], 32))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRekey moves a ring between every two kinds of root key.
func TestRekey(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(t *testing.T, dir string) seal.Root{
		"data directory":   func(_ *testing.T, dir string) seal.Root { return seal.Root{DataDir: dir} },
		"key file":         func(t *testing.T, _ string) seal.Root { t.Helper(); return seal.Root{KeyFile: keyFile(t)} },
		"passphrase":       func(*testing.T, string) seal.Root { return seal.Root{Passphrase: "correct horse battery"} },
		"other passphrase": func(*testing.T, string) seal.Root { return seal.Root{Passphrase: "staple in the haystack"} },
	}
	for _, pair := range [][2]string{
		{"data directory", "data directory"},
		{"data directory", "key file"},
		{"key file", "data directory"},
		{"data directory", "passphrase"},
		{"passphrase", "other passphrase"},
		{"passphrase", "key file"},
	} {
		from, to := pair[0], pair[1]
		old, next := kinds[from], kinds[to]
		t.Run(from+" to "+to, func(t *testing.T) {
			t.Parallel()
			db, dir := open(t), t.TempDir()
			a, b := old(t, dir), next(t, dir)
			sealed := load(t, db, a).Seal(name, []byte(secret))
			if got, err := load(t, db, a).Open(name, sealed); string(got) != secret || err != nil {
				t.Fatalf("got %q, %v after a restart", got, err)
			}
			before, _ := os.ReadFile(filepath.Join(dir, seal.File))
			if err := seal.Rekey(t.Context(), db, a, b); err != nil {
				t.Fatal(err)
			}
			if got, err := load(t, db, b).Open(name, sealed); string(got) != secret || err != nil {
				t.Errorf("got %q, %v with the new root key", got, err)
			}
			if after, _ := os.ReadFile(filepath.Join(dir, seal.File)); len(before) > 0 && bytes.Equal(before, after) {
				t.Error("the old root key is in the data directory still")
			}
			if from == to {
				return
			}
			if a.DataDir != "" {
				a = seal.Root{DataDir: dir}
			}
			if r, err := seal.Load(t.Context(), db, a); err == nil {
				t.Errorf("the old root key opens %v", r != nil)
			}
		})
	}
}

// TestInterruptedRekey stops a Rekey before and after it wrote the record.
func TestInterruptedRekey(t *testing.T) {
	t.Parallel()
	db, dir := open(t), t.TempDir()
	root := seal.Root{DataDir: dir}
	path := filepath.Join(dir, seal.File)
	sealed := load(t, db, root).Seal(name, []byte(secret))
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.Rekey(t.Context(), db, root, root); err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, old) // as though it had ended before the rename
	write(path+".next", now)
	if got, err := load(t, db, root).Open(name, sealed); string(got) != secret || err != nil {
		t.Errorf("got %q, %v after the record was written and the file not", got, err)
	}
	if got, err := os.ReadFile(path); !bytes.Equal(got, now) || err != nil {
		t.Errorf("the new key isn't in place: %v", err)
	}
	write(path+".next", old) // as though it had ended before the record
	if got, err := load(t, db, root).Open(name, sealed); string(got) != secret || err != nil {
		t.Errorf("got %q, %v with a key that was never used", got, err)
	}
}

func TestBadRoot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		root func(t *testing.T, dir string) seal.Root
		want string
	}{
		{"key file gone", func(t *testing.T, dir string) seal.Root {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, seal.File)); err != nil {
				t.Fatal(err)
			}
			return seal.Root{DataDir: dir}
		}, "is missing"},
		{"key file for all to read", func(t *testing.T, dir string) seal.Root {
			t.Helper()
			if err := os.Chmod(filepath.Join(dir, seal.File), 0o644); err != nil {
				t.Fatal(err)
			}
			return seal.Root{DataDir: dir}
		}, "chmod 600"},
		{"other key", func(t *testing.T, _ string) seal.Root { t.Helper(); return seal.Root{KeyFile: keyFile(t)} }, "another root key"},
		{"no key", func(t *testing.T, _ string) seal.Root {
			t.Helper()
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte("c2hvcnQ="), 0o600); err != nil {
				t.Fatal(err)
			}
			return seal.Root{KeyFile: path}
		}, "32 bytes"},
		{"passphrase", func(*testing.T, string) seal.Root { return seal.Root{Passphrase: "correct horse battery"} }, "it is in a file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db, dir := open(t), t.TempDir()
			load(t, db, seal.Root{DataDir: dir})
			if _, err := seal.Load(t.Context(), db, tt.root(t, dir)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := seal.Load(t.Context(), open(t), seal.Root{Passphrase: "short"}); err == nil || !strings.Contains(err.Error(), "at least") {
		t.Errorf("got %v of a short passphrase", err)
	}
	db := open(t)
	load(t, db, seal.Root{Passphrase: "correct horse battery"})
	if _, err := seal.Load(t.Context(), db, seal.Root{Passphrase: "correct horse batteries"}); err == nil || !strings.Contains(err.Error(), "not that") {
		t.Errorf("got %v of a wrong passphrase", err)
	}
	if _, err := seal.Load(t.Context(), db, seal.Root{DataDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("got %v without the passphrase", err)
	}
}
