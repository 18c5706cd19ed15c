package handler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// ClientToken makes a request that is sent again have no second effect: a record keeps it of the request that made
// the record. The zero one is of a request without a token, and is like no other.
type ClientToken struct {
	Token   string
	Request string // its Digest; "" where a token alone decides
}

// Again says whether a request with t is the one that kept is of: then it gets the answer that that one got. A request
// with the same token and other parameters gets the error that other makes.
func (t ClientToken) Again(kept ClientToken, other func() error) (bool, error) {
	switch {
	case t.Token == "" || t.Token != kept.Token:
		return false, nil
	case t.Request != kept.Request:
		return false, other()
	}
	return true, nil
}

// MaxClientToken is how many characters a client token may have in most services.
const MaxClientToken = 64

// ValidClientToken says whether a token has no more characters than most, all of them printable ASCII ones other than
// a space.
func ValidClientToken(token string, most int) bool {
	return len(token) <= most && !strings.ContainsFunc(token, func(r rune) bool { return r < '!' || r > '~' })
}

// Digest tells requests apart. In is an SDK's input by value, whose token the caller has cleared.
func Digest(in any) (string, error) {
	b, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("digest a request: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
