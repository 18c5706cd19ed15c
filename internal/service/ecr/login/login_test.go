package login_test

import (
	"errors"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/login"
	"github.com/skylift/skylift/internal/store/memstore"
)

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	p, err := login.Open(t.Context(), memstore.New(), arn.Namespace{Region: "us-west-2", Account: "111122223333"})
	if err != nil {
		t.Fatal(err)
	}
	good := p.Password(time.Now().Add(time.Hour))
	forged := []byte(good)
	forged[len(forged)-2] ^= 1
	for _, sent := range [][2]string{{"root", good}, {"AWS", ""}, {"AWS", "guess"}, {"AWS", string(forged)}, {"AWS", good[:20]}} {
		err := p.Authenticate(t.Context(), sent[0], sent[1])
		if e, ok := errors.AsType[*registry.Error](err); !ok || e.Status != 401 {
			t.Errorf("%q: got %v, want 401", sent, err)
		}
	}
	if err := p.Authenticate(t.Context(), "AWS", good); err != nil {
		t.Error(err)
	}
}
