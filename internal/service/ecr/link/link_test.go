package link

import (
	"crypto/sha256"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type key struct{}

func (key) SignLink(text string) []byte { s := sha256.Sum256([]byte(text)); return s[:] }

func TestLinksExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New("127.0.0.1:4566", key{})
		url := l.To("team/app", "sha256:ab", "arn:aws:iam::123456789012:user/ada")
		repo, digest, caller, err := l.Check(httptest.NewRequest("GET", url, nil))
		if err != nil || repo != "team/app" || digest != "sha256:ab" || caller != "arn:aws:iam::123456789012:user/ada" {
			t.Errorf("got %s, %s, %s: %v", repo, digest, caller, err)
		}
		if _, _, _, err := l.Check(httptest.NewRequest("GET", strings.Replace(url, "ada", "bob", 1), nil)); err == nil {
			t.Error("the link is good for another caller's name")
		}
		time.Sleep(life)
		if _, _, _, err := l.Check(httptest.NewRequest("GET", url, nil)); err == nil {
			t.Error("the link is good for longer than an hour")
		}
	})
}
