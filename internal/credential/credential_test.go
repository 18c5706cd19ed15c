package credential

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/caller"
)

func TestMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Load of an empty directory: %v, want ErrNotExist", err)
	}
	made, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(made.AccessKeyID) {
		t.Errorf("access key id %q", made.AccessKeyID)
	}
	if len(made.SecretAccessKey) != 40 {
		t.Errorf("secret has %d characters, want 40", len(made.SecretAccessKey))
	}
	for _, load := range []func(string) (Key, error){Load, LoadOrCreate} {
		if got, err := load(dir); err != nil || got != made {
			t.Errorf("loaded %v, %v, want what was made", got, err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, File))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.*.*")); len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"readable by others": {`{"accessKeyId":"a","secretAccessKey":"b"}`, 0o644, "chmod 600"},
		"cut off":            {`{"accessKeyId":"a`, 0o600, "unexpected end"},
		"empty pair":         {`{}`, 0o600, "holds no key pair"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, File), []byte(tc.content), tc.mode); err != nil {
			t.Fatal(err)
		}
		// LoadOrCreate must not replace a key that is in use somewhere.
		if _, err := LoadOrCreate(dir); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tc.want)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	k := Key{"AKIAEXAMPLE", "hush"}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), k.LogValue().String()} {
		if strings.Contains(s, "hush") {
			t.Errorf("printed as %s", s)
		}
	}
}

func TestRootLookup(t *testing.T) {
	t.Parallel()
	r := Root{Key{"AKIAEXAMPLE", "hush"}, "123456789012"}
	c, secret, err := r.Lookup("AKIAEXAMPLE", "")
	if err != nil || secret != "hush" || c.ARN != "arn:aws:iam::123456789012:root" || c.UserID != "123456789012" {
		t.Errorf("root key: %+v, %v", c, err)
	}
	if _, _, err := r.Lookup("AKIAOTHER", ""); !errors.Is(err, caller.ErrUnknownKey) {
		t.Error("another key is let in")
	}
	if _, _, err := r.Lookup("AKIAEXAMPLE", "token"); !errors.Is(err, caller.ErrUnknownKey) {
		t.Error("a session token is let in")
	}
}
