package daemon

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store/memstore"
)

// TestCA: the root is made when it is asked for, and stays the same.
func TestCA(t *testing.T) {
	t.Parallel()
	m := &machine{
		Config: Config{DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, is: instance.Instance{ID: "0123456789ab"},
		ns: arn.Namespace{Region: "us-west-2", Account: "123456789012"}, db: memstore.New(), ring: seal.NewKey(),
	}
	b := &builder{m: m}
	p, err := b.acm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (ca CA) {
		w := httptest.NewRecorder()
		m.inside([]part{p}).ServeHTTP(w, httptest.NewRequest("GET", CAPath, nil))
		if err := json.NewDecoder(w.Body).Decode(&ca); err != nil || w.Code != http.StatusOK {
			t.Fatalf("got %d, %v", w.Code, err)
		}
		return ca
	}
	first := ask()
	block, _ := pem.Decode([]byte(first.Certificate))
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !root.IsCA || root.Subject.CommonName != "Skylift root 0123456789ab" || first.Instance != "0123456789ab" {
		t.Errorf("got %+v, %v", root, err)
	}
	if again := ask(); again != first {
		t.Error("another root was made")
	}
}
