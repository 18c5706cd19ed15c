package login_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
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
	good := p.Password(time.Now().Add(time.Hour), nil)
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

// A password says whose it is: whoever asked for it, or the instance itself.
func TestHolder(t *testing.T) {
	t.Parallel()
	p, err := login.Open(t.Context(), memstore.New(), arn.Namespace{Region: "us-west-2", Account: "111122223333"})
	if err != nil {
		t.Fatal(err)
	}
	in := time.Now().Add(time.Hour)
	ada := caller.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ada", UserID: "AIDA", AccessKeyID: "AKIA"}
	for _, want := range []*caller.Caller{&ada, {}, nil} {
		if got, err := p.Holder("AWS", p.Password(in, want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}
