package handler

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"iter"
	"math"
	"slices"
	"strings"
	"time"
)

// Pages says how a service cuts its lists into pages.
type Pages struct {
	// Default is how many entries are on a page when the caller does not say it; 0 is all.
	Default int
	// Most is how many a caller may ask for; 0 is any number.
	Most int
	// BadSize makes the error for a size below 1 or above Most. Without it Default stands for what is below 1, and
	// Most for what is above it.
	BadSize func(size int) error
	// BadToken makes the error for a token that is not one of ours.
	BadToken func(token string) error
	// OtherQuery makes the error for a token that a request with other parameters was given. Without it BadToken does.
	OtherQuery func(token string) error
	// Life is how long a token is good for, and Expired makes the error after that; 0 is for ever.
	Life    time.Duration
	Expired func(token string) error
}

// Page is the page that a request asks for.
type Page struct {
	// After is the key of the last entry of the page before; "" on the first page.
	After string
	// Size is how many entries are on the page at most.
	Size int
	// Descending says that the list is in the order against that of the keys. The caller sets it.
	Descending bool

	query [querySize]byte
	now   time.Time
}

// Open reads the size and the token that a request has. A token that names a query, which is any value that JSON can
// write, is good only for requests with the same one. Open looks at the clock, so call it outside of transactions.
func (p Pages) Open(size *int32, token *string, query ...any) (Page, error) {
	page := Page{Size: p.Default, query: digestOf(query), now: time.Now()}
	if size != nil {
		n := int(*size)
		switch wrong := n < 1 || p.Most > 0 && n > p.Most; {
		case wrong && p.BadSize != nil:
			return Page{}, p.BadSize(n)
		case wrong && n > 0:
			page.Size = p.Most
		case !wrong:
			page.Size = n
		}
	}
	if page.Size == 0 {
		page.Size = math.MaxInt
	}
	if token == nil || *token == "" {
		return page, nil
	}
	after, of, made, ok := readToken(*token)
	switch {
	case !ok:
		return Page{}, p.BadToken(*token)
	case of != page.query && p.OtherQuery != nil:
		return Page{}, p.OtherQuery(*token)
	case of != page.query:
		return Page{}, p.BadToken(*token)
	case p.Life > 0 && page.now.Sub(made) > p.Life:
		return Page{}, p.Expired(*token)
	}
	page.After = after
	return page, nil
}

// Next is the token of the page that begins behind the entry with that key.
func (p Page) Next(last string) *string {
	b := append(p.query[:len(p.query):len(p.query)], make([]byte, timeSize)...)
	binary.BigEndian.PutUint64(b[querySize:], uint64(p.now.Unix()))
	b = append(b, last...)
	return new(base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))))
}

// A token is the digest of its query, when it was made, the last key, and a sum of these. Callers must not look into it.
const (
	querySize = 8
	timeSize  = 8
	sumSize   = 4
)

func readToken(s string) (after string, query [querySize]byte, made time.Time, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	n := len(b) - sumSize
	if err != nil || n < querySize+timeSize || binary.BigEndian.Uint32(b[n:]) != crc32.ChecksumIEEE(b[:n]) {
		return "", query, made, false
	}
	copy(query[:], b)
	made = time.Unix(int64(binary.BigEndian.Uint64(b[querySize:])), 0)
	return string(b[querySize+timeSize : n]), query, made, true
}

// digestOf tells queries apart.
func digestOf(query []any) (digest [querySize]byte) {
	if len(query) == 0 {
		return digest
	}
	b, err := json.Marshal(query)
	if err != nil {
		panic(err) // a mistake of the service: inputs are strings, numbers and lists
	}
	sum := sha256.Sum256(b)
	copy(digest[:], sum[:])
	return digest
}

// Rest sorts all by their keys and returns what is on the page and behind it. No two entries have the same key.
func Rest[T any](p Page, all []T, key func(T) string) []T {
	compare := func(a, b string) int {
		if p.Descending {
			a, b = b, a
		}
		return strings.Compare(a, b)
	}
	slices.SortFunc(all, func(a, b T) int { return compare(key(a), key(b)) })
	if p.After == "" {
		return all
	}
	begin, found := slices.BinarySearchFunc(all, p.After, func(v T, after string) int { return compare(key(v), after) })
	if found {
		begin++
	}
	return all[begin:]
}

// Cut sorts all by their keys and returns the page's entries and the token of the next page; nil when this is the last.
// A token holds a key, not a number, so nothing is skipped or told twice when entries come and go meanwhile.
func Cut[T any](p Page, all []T, key func(T) string) ([]T, *string) {
	all = Rest(p, all, key)
	if len(all) <= p.Size {
		return all, nil
	}
	return all[:p.Size], p.Next(key(all[p.Size-1]))
}

// Fill is Cut for a list that is read only as far as the page needs it: entries come in the order of their keys, and
// begin behind p.After.
func Fill[T any](p Page, entries iter.Seq2[T, error], key func(T) string) ([]T, *string, error) {
	all := []T{}
	for v, err := range entries {
		if err != nil {
			return nil, nil, err
		}
		if len(all) == p.Size {
			return all, p.Next(key(all[p.Size-1])), nil
		}
		all = append(all, v)
	}
	return all, nil, nil
}

// Keep yields the entries that fit, and every error.
func Keep[T any](entries iter.Seq2[T, error], fits func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range entries {
			if (err != nil || fits(v)) && !yield(v, err) {
				return
			}
		}
	}
}
