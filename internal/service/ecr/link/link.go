// Package link makes the URLs by which anybody may download a layer for a while, and checks them.
package link

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/registry"
)

// Prefix is what the paths begin with. No repository is called so.
const Prefix = "/v2/_layers/"

// life is how long a link is good for.
const life = time.Hour

// signer signs for the instance.
type signer interface {
	SignLink(text string) []byte
}

// Links makes and checks links to the layers of one registry. None is stored.
type Links struct {
	host string
	key  signer
}

// New returns the links to the registry at host, signed by key.
func New(host string, key signer) *Links { return &Links{host, key} }

func (l *Links) sign(path string, expires int64, caller string) []byte {
	return l.key.SignLink(fmt.Sprintf("%s?%d&%s", path, expires, caller))
}

// To returns a link to a layer that is good for an hour, for the caller with an ARN.
func (l *Links) To(repo, digest, caller string) string {
	path, expires := Prefix+repo+"/"+digest, time.Now().Add(life).Unix()
	query := url.Values{"caller": {caller}, "expires": {strconv.FormatInt(expires, 10)}, "signature": {hex.EncodeToString(l.sign(path, expires, caller))}}
	return "http://" + l.host + path + "?" + query.Encode()
}

// Check says which layer a request is for, and who asked for its link, if it is by a link that is good.
func (l *Links) Check(req *http.Request) (repo, digest, caller string, err error) {
	query := req.URL.Query()
	expires, bad := strconv.ParseInt(query.Get("expires"), 10, 64)
	signature, wrong := hex.DecodeString(query.Get("signature"))
	if bad != nil || wrong != nil || !hmac.Equal(signature, l.sign(req.URL.Path, expires, query.Get("caller"))) {
		return "", "", "", registry.Denied("the link to the layer is not signed by this registry")
	}
	if !time.Now().Before(time.Unix(expires, 0)) {
		return "", "", "", registry.Denied("the link to the layer has expired")
	}
	path := strings.TrimPrefix(req.URL.Path, Prefix)
	i := strings.LastIndexByte(path, '/')
	return path[:i], path[i+1:], query.Get("caller"), nil
}
