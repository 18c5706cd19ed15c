package handler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

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
