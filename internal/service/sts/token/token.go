// Package token makes temporary credentials, and tells whose they are.
//
// No store has them. The session token is the session itself with the secret access key, sealed under the instance's key and bound to
// the access key's id: nobody reads it, makes one or changes one, and it outlives a restart and another root key.
package token

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/seal"
)

// version is that of what is in a token.
const version = 1

// Mint issues credentials, and opens them again.
type Mint struct {
	account string // 12 digits
	sealer  *seal.Sealer
}

// New returns the mint of an account.
func New(account string, sealer *seal.Sealer) *Mint { return &Mint{account, sealer} }

// Credentials are a temporary key pair with its session token.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// String leaves the secrets out.
func (c Credentials) String() string { return c.AccessKeyID }

// GoString leaves the secrets out.
func (c Credentials) GoString() string {
	return fmt.Sprintf("token.Credentials{AccessKeyID: %q}", c.AccessKeyID)
}

// LogValue leaves the secrets out.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.AccessKeyID) }

// sealed is what is in a token.
type sealed struct {
	V      int
	Secret string
	caller.Session
}

// Issue makes credentials for a session.
func (m *Mint) Issue(s caller.Session) (Credentials, error) {
	c := Credentials{AccessKeyID: id.AccessKey("ASIA", m.account), SecretAccessKey: id.SecretKey(), Expires: s.Expires}
	plain, err := json.Marshal(sealed{version, c.SecretAccessKey, s})
	if err != nil {
		return Credentials{}, fmt.Errorf("write a session token: %w", err)
	}
	c.SessionToken = base64.StdEncoding.EncodeToString(m.sealer.Seal(c.AccessKeyID, plain))
	return c, nil
}

// Open returns the session of a token and its secret access key. The error is caller.ErrBadToken when the token doesn't go with the
// access key, or is none of this instance's. Whether the session has ended is not looked at.
func (m *Mint) Open(accessKeyID, token string) (caller.Session, string, error) {
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return caller.Session{}, "", caller.ErrBadToken
	}
	plain, err := m.sealer.Open(accessKeyID, b)
	if err != nil {
		return caller.Session{}, "", caller.ErrBadToken
	}
	var s sealed
	if err := json.Unmarshal(plain, &s); err != nil || s.V != version {
		return caller.Session{}, "", caller.ErrBadToken
	}
	return s.Session, s.Secret, nil
}
