package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/acm/bundle"
)

// CAPath is where `skylift ca` gets the root certificate from.
const CAPath = "/skylift/v1/ca"

// CA is the instance's own certificate authority.
type CA struct {
	Instance    string `json:"instance"`
	Certificate string `json:"certificate"` // the root's, in PEM
}

// tellCA answers with the root certificate, which is made now where there is none.
func (m *machine) tellCA(services []part) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		root, err := apiOf[*acm.API](services).Root(r.Context())
		m.answer(w, "ca", CA{Instance: m.is.ID, Certificate: bundle.PEM(root)}, err)
	}
}

// storeDirCA is where Debian's update-ca-certificates finds roots.
const storeDirCA = "/usr/local/share/ca-certificates"

func caFile(dir, instance string) string { return filepath.Join(dir, "skylift-"+instance+".crt") }

// InstallCA makes this machine trust the root. It is Debian's way.
func InstallCA(ctx context.Context, ca CA) (file string, err error) {
	file = caFile(storeDirCA, ca.Instance)
	if _, err := os.Stat(storeDirCA); err != nil {
		return file, fmt.Errorf("install the root: %w: only the store of Debian's ca-certificates is known; print the root with skylift ca, and install it as your system does", err)
	}
	if err := atomicfile.Write(file, []byte(ca.Certificate)); err != nil {
		return file, fmt.Errorf("install the root: %w", err)
	}
	if err := os.Chmod(file, 0o644); err != nil { // everybody may read it
		return file, fmt.Errorf("install the root: %w", err)
	}
	return file, updateStore(ctx)
}

// RemoveCA makes this machine trust the root no more, and tells whether it did.
func RemoveCA(ctx context.Context, dir string) (removed bool, err error) {
	is, err := instance.Load(dir)
	if err != nil {
		return false, err
	}
	return removeCA(ctx, is.ID)
}

func removeCA(ctx context.Context, instance string) (removed bool, err error) {
	switch err := os.Remove(caFile(storeDirCA, instance)); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("remove the root from the system's store: %w", err)
	}
	return true, updateStore(ctx)
}

func updateStore(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "update-ca-certificates").CombinedOutput()
	if err != nil {
		return fmt.Errorf("update the system's store: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
