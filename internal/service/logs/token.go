package logs

import (
	"encoding/base64"

	"github.com/skylift/skylift/internal/logstore"
)

// makeToken makes a nextToken of where the next page goes on.
func makeToken(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

func parseToken(token *string) (after string, err error) {
	if token == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(b) == 0 {
		return "", badToken()
	}
	return string(b), nil
}

// parseEventToken reads a token that stands for an event.
func parseEventToken(token *string) (after string, err error) {
	if after, err = parseToken(token); err == nil && after != "" && !logstore.ValidID(after) {
		err = badToken()
	}
	return after, err
}

func badToken() error { return invalid("The specified nextToken is invalid.") }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func limitOf(n *int32, most int) int {
	if n == nil || *n < 1 {
		return most
	}
	return min(int(*n), most)
}
