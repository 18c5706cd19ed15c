package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store/memstore"
)

const account = "123456789012"

func TestToken(t *testing.T) {
	t.Parallel()
	ring := seal.NewKey()
	m := New(account, ring.For("sts"))
	want := caller.Session{
		Kind: caller.OfRole, Entity: "worker", EntityID: "AROAX", Name: "s1", Policies: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
		Tags: map[string]string{"a": "b"}, Task: "c/1", Issued: time.Unix(1e9, 0).UTC(), Expires: time.Unix(1e9+3600, 0).UTC(),
	}
	c, err := m.Issue(want)
	if err != nil {
		t.Fatal(err)
	}
	got, secret, err := New(account, ring.For("sts")).Open(c.AccessKeyID, c.SessionToken) // of another process
	if diff := cmp.Diff(want, got); diff != "" || err != nil || secret != c.SecretAccessKey {
		t.Errorf("%v, secret %v (-want +got):\n%s", err, secret == c.SecretAccessKey, diff)
	}
	if who, ok := id.AccountOf(c.AccessKeyID); !strings.HasPrefix(c.AccessKeyID, "ASIA") || !ok || who != account {
		t.Errorf("the access key is %s", c.AccessKeyID)
	}
	for _, text := range []string{c.SessionToken, fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c)} {
		plain, _ := base64.StdEncoding.DecodeString(text)
		if strings.Contains(text+string(plain), c.SecretAccessKey) || strings.Contains(string(plain), "worker") {
			t.Errorf("it can be read: %s", text)
		}
	}
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	ring := seal.NewKey()
	m := New(account, ring.For("sts"))
	issue := func(m *Mint) Credentials {
		c, err := m.Issue(caller.Session{Kind: caller.OfRole, Entity: "worker"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c, other := issue(m), issue(m)
	foreign := issue(New(account, seal.NewKey().For("sts")))
	raw, _ := base64.StdEncoding.DecodeString(c.SessionToken)
	for name, tc := range map[string]struct{ key, token string }{
		"another's token":         {c.AccessKeyID, other.SessionToken},
		"another instance's":      {foreign.AccessKeyID, foreign.SessionToken},
		"garbage":                 {c.AccessKeyID, "garbage!"},
		"nothing":                 {c.AccessKeyID, ""},
		"one that is cut":         {c.AccessKeyID, c.SessionToken[:40]},
		"of another purpose":      {"x", base64.StdEncoding.EncodeToString(ring.For("iam").Seal("x", []byte(`{"V":1}`)))},
		"of a version to come":    {"x", base64.StdEncoding.EncodeToString(ring.For("sts").Seal("x", []byte(`{"V":2}`)))},
		"one with more behind it": {c.AccessKeyID, base64.StdEncoding.EncodeToString(append(raw, 0))},
	} {
		if _, _, err := m.Open(tc.key, tc.token); !errors.Is(err, caller.ErrBadToken) {
			t.Errorf("%s: got %v, want %v", name, err, caller.ErrBadToken)
		}
	}
	for i := range raw {
		changed := []byte(string(raw))
		changed[i] ^= 1
		if _, _, err := m.Open(c.AccessKeyID, base64.StdEncoding.EncodeToString(changed)); !errors.Is(err, caller.ErrBadToken) {
			t.Fatalf("byte %d is another: got %v, want %v", i, err, caller.ErrBadToken)
		}
	}
}

// TestRekeyed: credentials are good after a restart and with another root key.
func TestRekeyed(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	t.Cleanup(func() { _ = db.Close() })
	old, next := seal.Root{DataDir: t.TempDir()}, seal.Root{Passphrase: "correct horse battery"}
	mint := func(root seal.Root) *Mint {
		t.Helper()
		ring, err := seal.Load(t.Context(), db, root)
		if err != nil {
			t.Fatal(err)
		}
		return New(account, ring.For("sts"))
	}
	c, err := mint(old).Issue(caller.Session{Kind: caller.OfRole, Entity: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	if _, secret, err := mint(old).Open(c.AccessKeyID, c.SessionToken); err != nil || secret != c.SecretAccessKey {
		t.Errorf("after a restart: %v", err)
	}
	if err := seal.Rekey(t.Context(), db, old, next); err != nil {
		t.Fatal(err)
	}
	if s, secret, err := mint(next).Open(c.AccessKeyID, c.SessionToken); err != nil || secret != c.SecretAccessKey || s.Entity != "worker" {
		t.Errorf("with another root key: %v, %v", s, err)
	}
}
