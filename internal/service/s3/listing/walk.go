// Package listing lists objects, their versions and uploads, in the order of their keys' bytes.
package listing

import (
	"encoding/base64"
	"iter"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/store"
)

// most is how many entries a list has at most.
const most = 1000

// end is greater than all that stands behind a prefix: no key has this byte.
const end = "\xff"

// query is what all lists are asked for.
type query struct {
	prefix, delimiter string
	after             string // a key, or a common prefix
	max               int
}

// entries yields what a list is of, each with its key: those behind after.
type entries[T any] func(after string) iter.Seq2[T, error]

// found is a part of a list.
type found[T any] struct {
	list     []T
	prefixes []string
	more     bool
	last     string // the key or common prefix that the part ends with
}

// group returns the common prefix of a key; "" when it has none.
func (q *query) group(key string) string {
	if q.delimiter == "" || !strings.HasPrefix(key, q.prefix) {
		return ""
	}
	n := strings.Index(key[len(q.prefix):], q.delimiter)
	if n < 0 {
		return ""
	}
	return key[:len(q.prefix)+n+len(q.delimiter)]
}

// gather goes over entries and skips, at each common prefix, to what is behind it. First are entries of the key that after is.
func gather[T any](q query, first []T, all entries[T], key func(*T) string) (out found[T], err error) {
	if q.max == 0 {
		return out, nil
	}
	add := func(v T) bool {
		if len(out.list)+len(out.prefixes) == q.max {
			out.more = true
			return false
		}
		out.list, out.last = append(out.list, v), key(&v)
		return true
	}
	for _, v := range first {
		if !add(v) {
			return out, nil
		}
	}
	after := q.after
	if p := q.group(after); p != "" {
		after = p + end
	}
	for skip := true; skip; {
		skip = false
		for v, err := range all(after) {
			if err != nil {
				return out, err
			}
			p := q.group(key(&v))
			if p == "" {
				if !add(v) {
					return out, nil
				}
				continue
			}
			if len(out.list)+len(out.prefixes) == q.max {
				out.more = true
				return out, nil
			}
			out.prefixes, out.last = append(out.prefixes, p), p
			after, skip = p+end, true
			break
		}
	}
	return out, nil
}

// objects yields the current objects of a bucket.
func objects(tx store.Tx, bucket, prefix string) entries[record.Object] {
	return func(after string) iter.Seq2[record.Object, error] {
		return func(yield func(record.Object, error) bool) {
			row := ""
			if after != "" {
				row = record.Row(bucket, after)
			}
			for o, err := range record.Current.Scan(tx, record.Row(bucket, prefix), row) {
				if err == nil && o.Marker {
					continue
				}
				if !yield(o, err) {
					return
				}
			}
		}
	}
}

// size is how many entries a request wants.
func size(name string, said *int32) (int, error) {
	switch {
	case said == nil:
		return most, nil
	case *said < 0:
		return 0, record.Invalid(name, "", "Argument %s must be an integer between 0 and 2147483647", name)
	}
	return min(int(*said), most), nil
}

// coded is s as a list has it: in the form of a URL where the request asks for that.
func coded(s string, encoding types.EncodingType) *string {
	if encoding == types.EncodingTypeUrl {
		s = strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(s))
	}
	return &s
}

func codedOrNil(s *string, encoding types.EncodingType) *string {
	if s == nil {
		return nil
	}
	return coded(*s, encoding)
}

func common(prefixes []string, encoding types.EncodingType) (list []types.CommonPrefix) {
	for _, p := range prefixes {
		list = append(list, types.CommonPrefix{Prefix: coded(p, encoding)})
	}
	return list
}

func said(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// token makes a continuation token, which callers must not look into.
func token(last string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte("1" + last)))
}

func readToken(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || b[0] != '1' {
		return "", record.Invalid("continuation-token", s, "The continuation token provided is incorrect")
	}
	return string(b[1:]), nil
}
