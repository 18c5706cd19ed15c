// Package login makes the passwords that docker logs in to the registry with, and checks them.
package login

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
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
// is what it says of itself, signed.
type Passwords struct {
	ns  arn.Namespace
	key []byte
}

// claims is what a password says of itself.
type claims struct {
	Expires int64          // in seconds
	Holder  *caller.Caller `json:",omitempty"` // nil: the instance, which pulls for its tasks
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

// Password makes a password that is good until expires, to the second. Its holder is
// whoever asked for it; nil is the instance itself.
func (p *Passwords) Password(expires time.Time, holder *caller.Caller) string {
	text, err := json.Marshal(claims{expires.Unix(), holder})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(append(p.sign(text), text...))
}

func (p *Passwords) sign(text []byte) []byte {
	mac := hmac.New(sha256.New, p.key)
	fmt.Fprintf(mac, "ecr/%s/%s/%s", p.ns.Account, p.ns.Region, text)
	return mac.Sum(nil)
}

// SignLink signs a link. No password has such a signature.
func (p *Passwords) SignLink(text string) []byte { return p.sign([]byte("link " + text)) }

// Expired refuses a password that was good, in ECR's words
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html).
func Expired() error {
	return registry.Denied("Your authorization token has expired. Reauthenticate and try again.")
}

// Holder checks a login of docker and returns whose it is; nil is the instance. The user
// must be AWS, and the password one that Password made and that has not expired.
func (p *Passwords) Holder(name, password string) (*caller.Caller, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(password))
	if err != nil || name != User || len(b) <= sha256.Size {
		return nil, registry.Unauthorized("Not Authorized")
	}
	text := b[sha256.Size:]
	if !hmac.Equal(b[:sha256.Size], p.sign(text)) {
		return nil, registry.Unauthorized("Not Authorized")
	}
	var c claims
	// A password of an earlier release, which said nothing of its holder, is none.
	if err := json.Unmarshal(text, &c); err != nil || !time.Now().Before(time.Unix(c.Expires, 0)) {
		return nil, Expired()
	}
	return c.Holder, nil
}

// Authenticate checks a login of docker, as Holder does.
func (p *Passwords) Authenticate(_ context.Context, name, password string) error {
	_, err := p.Holder(name, password)
	return err
}
