package ecr

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/store"
)

const (
	user      = "AWS"
	loginLife = 12 * time.Hour
	pullLife  = 15 * time.Minute
)

// signingKey signs passwords. It is in the store, so that every process of an
// instance knows it and logins survive a restart.
type signingKey struct{ Secret []byte }

func loadKey(ctx context.Context, db store.DB) ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails, by its contract
	var key signingKey
	err := db.Update(ctx, func(tx store.Tx) (err error) {
		if key, err = keys.Get(tx, "login"); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		key = signingKey{fresh}
		return keys.Put(tx, "login", key)
	})
	if err != nil {
		return nil, fmt.Errorf("load signing key: %w", err)
	}
	return key.Secret, nil
}

// password makes one that is good until expires: the time and its signature.
func (r *Records) password(expires time.Time) string {
	text := strconv.FormatInt(expires.Unix(), 10)
	return base64.RawURLEncoding.EncodeToString(append(r.sign(text), text...))
}

func (r *Records) sign(text string) []byte {
	mac := hmac.New(sha256.New, r.key)
	fmt.Fprintf(mac, "ecr/%s/%s/%s", r.ns.Account, r.ns.Region, text)
	return mac.Sum(nil)
}

// Authenticate checks a login of docker: the user AWS, and a password that
// GetAuthorizationToken gave out and that has not expired.
func (r *Records) Authenticate(_ context.Context, name, password string) error {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(password))
	if err != nil || name != user || len(b) <= sha256.Size {
		return registry.Unauthorized("Not Authorized")
	}
	text := string(b[sha256.Size:])
	if !hmac.Equal(b[:sha256.Size], r.sign(text)) {
		return registry.Unauthorized("Not Authorized")
	}
	expires, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !time.Now().Before(time.Unix(expires, 0)) {
		return registry.Denied("Your authorization token has expired. Reauthenticate and try again.")
	}
	return nil
}

// PullAuth returns a login, good for 15 minutes, for an image of this
// registry; ok is false when ref is an image of another one.
func (a *API) PullAuth(_ context.Context, ref string) (name, password string, ok bool) {
	if _, ok := a.records.own(ref); !ok {
		return "", "", false
	}
	return user, a.records.password(time.Now().Add(pullLife)), true
}
