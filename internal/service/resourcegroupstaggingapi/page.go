package resourcegroupstaggingapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
)

// tokenLife is how long a PaginationToken is good for
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/overview.html).
const tokenLife = 15 * time.Minute

// token says where a listing goes on. Callers must not look into it.
type token struct {
	After    string // key of the last that was returned
	Question string // a hash of what was asked for
	Made     time.Time
}

func (t token) String() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings and a time
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// after returns the key that the page begins behind: "" for the first one.
func after(s *string, question string) (string, error) {
	if s == nil || *s == "" {
		return "", nil
	}
	var t token
	b, err := base64.RawURLEncoding.DecodeString(*s)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	switch {
	case err != nil:
		return "", invalid("The PaginationToken is not one that was returned.")
	case t.Question != question:
		return "", invalid("The PaginationToken is from a request with other parameters: repeat that request.")
	case time.Since(t.Made) > tokenLife:
		return "", &types.PaginationTokenExpiredException{Message: new("The PaginationToken has expired: it is valid for 15 minutes. Start again without it.")}
	}
	return t.After, nil
}

// hash tells questions apart.
func hash(question any) string {
	b, err := json.Marshal(question)
	if err != nil {
		panic(err) // inputs are strings, numbers and lists
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// page returns what of all comes behind the token, in the order of keys, and the token of the next page: "", as AWS has
// it, when there is none. It asks for one element after the other whether it fits, as the nth, on the page. The first
// one always does.
func page[T any](all []T, key func(T) string, from *string, question string, fits func(n int, v T) bool) ([]T, *string, error) {
	last, err := after(from, question)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	begin, found := slices.BinarySearchFunc(all, last, func(v T, s string) int { return strings.Compare(key(v), s) })
	if found && last != "" {
		begin++
	}
	all = all[begin:]
	for n, v := range all {
		if !fits(n, v) && n > 0 {
			return all[:n], new(token{key(all[n-1]), question, time.Now()}.String()), nil
		}
	}
	return all, new(""), nil
}
