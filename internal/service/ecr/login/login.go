// Package login makes the passwords that docker logs in to the registry with, and checks them.
package login

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/store"
)

// User is the name of everybody who logs in.
const User = "AWS"

// signingKey signs passwords. It is in the store, so that every process of an
// instance knows it and logins survive a restart.
type signingKey struct{ Secret []byte }

var keys = store.NewTable[signingKey]("ecr-key")

// Tables are all that the package keeps records in.
func Tables() []store.Schema { return []store.Schema{keys} }

// Passwords makes and checks the passwords of one registry. None is stored: a password
// is its own time of expiry, signed.
type Passwords struct {
	ns  arn.Namespace
	key []byte
}

// Open reads the signing key from db, or makes it.
func Open(ctx context.Context, db store.DB, ns arn.Namespace) (*Passwords, error) {
	fresh := signingKey{make([]byte, 32)}
	rand.Read(fresh.Secret) // never fails, by its contract
	key, err := handler.Update(ctx, db, func(tx store.Tx) (signingKey, error) {
		key, ok, err := handler.Find(tx, keys, "login")
		if err != nil || ok {
			return key, err
		}
		return fresh, keys.Put(tx, "login", fresh)
	})
	if err != nil {
		return nil, fmt.Errorf("load signing key: %w", err)
	}
	return &Passwords{ns: ns, key: key.Secret}, nil
}

// Password makes a password that is good until expires, to the second.
func (p *Passwords) Password(expires time.Time) string {
	text := strconv.FormatInt(expires.Unix(), 10)
	return base64.RawURLEncoding.EncodeToString(append(p.sign(text), text...))
}

func (p *Passwords) sign(text string) []byte {
	mac := hmac.New(sha256.New, p.key)
	fmt.Fprintf(mac, "ecr/%s/%s/%s", p.ns.Account, p.ns.Region, text)
	return mac.Sum(nil)
}

// Authenticate checks a login of docker: the user must be AWS, and the password one
// that Password made and that has not expired.
func (p *Passwords) Authenticate(_ context.Context, name, password string) error {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(password))
	if err != nil || name != User || len(b) <= sha256.Size {
		return registry.Unauthorized("Not Authorized")
	}
	text := string(b[sha256.Size:])
	if !hmac.Equal(b[:sha256.Size], p.sign(text)) {
		return registry.Unauthorized("Not Authorized")
	}
	expires, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !time.Now().Before(time.Unix(expires, 0)) {
		return registry.Denied("Your authorization token has expired. Reauthenticate and try again.")
	}
	return nil
}
