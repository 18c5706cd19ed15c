package handler

import (
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errSize    = errors.New("size")
	errToken   = errors.New("token")
	errQuery   = errors.New("query")
	errExpired = errors.New("expired")
)

// strict says everything that Pages can say.
var strict = Pages{
	Default: 2, Most: 5, BadSize: func(n int) error { return fmt.Errorf("%w %d", errSize, n) },
	BadToken: func(string) error { return errToken }, OtherQuery: func(string) error { return errQuery },
	Life: time.Minute, Expired: func(string) error { return errExpired },
}

func itself(s string) string { return s }

func TestOpenSize(t *testing.T) {
	t.Parallel()
	lenient := Pages{Default: 2, Most: 5}
	for _, tt := range []struct {
		name  string
		pages Pages
		size  *int32
		want  int
		err   error
	}{
		{"not said", strict, nil, 2, nil},
		{"said", strict, new(int32(5)), 5, nil},
		{"above", strict, new(int32(6)), 0, errSize},
		{"zero", strict, new(int32(0)), 0, errSize},
		{"above, cut", lenient, new(int32(6)), 5, nil},
		{"zero, not said", lenient, new(int32(0)), 2, nil},
		{"negative, not said", lenient, new(int32(-1)), 2, nil},
		{"all", Pages{}, nil, math.MaxInt, nil},
		{"any number", Pages{}, new(int32(1000)), 1000, nil},
		{"zero of any number", Pages{}, new(int32(0)), math.MaxInt, nil},
		{"negative of any number", Pages{BadSize: strict.BadSize}, new(int32(-1)), 0, errSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := tt.pages.Open(tt.size, nil)
			if p.Size != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %d, %v, want %d, %v", p.Size, err, tt.want, tt.err)
			}
		})
	}
}

func TestOpenToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, err := strict.Open(nil, nil, "things", 1)
		if err != nil {
			t.Fatal(err)
		}
		key := "schlüssel\x00\xff"
		token := *first.Next(key)
		b, _ := base64.RawURLEncoding.DecodeString(token)
		b[len(b)-sumSize-1] ^= 1
		changed := base64.RawURLEncoding.EncodeToString(b)
		mild := strict
		mild.OtherQuery = nil
		for _, tt := range []struct {
			name  string
			pages Pages
			token string
			query []any
			wait  time.Duration
			want  string
			err   error
		}{
			{"of the same query", strict, token, []any{"things", 1}, 0, key, nil},
			{"empty", strict, "", []any{"things", 1}, 0, "", nil},
			{"of another query", strict, token, []any{"things", 2}, 0, "", errQuery},
			{"of another query, not told apart", mild, token, []any{"things", 2}, 0, "", errToken},
			{"of no query", strict, token, nil, 0, "", errQuery},
			{"nonsense", strict, "nonsense", []any{"things", 1}, 0, "", errToken},
			{"not base64", strict, "***", []any{"things", 1}, 0, "", errToken},
			{"changed", strict, changed, []any{"things", 1}, 0, "", errToken},
			{"cut", strict, token[:8], []any{"things", 1}, 0, "", errToken},
			{"as old as it may be", strict, token, []any{"things", 1}, time.Minute, key, nil},
			{"too old", strict, token, []any{"things", 1}, 2 * time.Second, "", errExpired},
		} {
			time.Sleep(tt.wait)
			p, err := tt.pages.Open(nil, &tt.token, tt.query...)
			if p.After != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%s: got %q, %v, want %q, %v", tt.name, p.After, err, tt.want, tt.err)
			}
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	all := []string{"c", "a", "e", "b", "d"}
	for _, tt := range []struct {
		name       string
		after      string
		size       int
		descending bool
		want       []string
		next       string
	}{
		{"first", "", 2, false, []string{"a", "b"}, "b"},
		{"second", "b", 2, false, []string{"c", "d"}, "d"},
		{"last", "d", 2, false, []string{"e"}, ""},
		{"last that is full", "c", 2, false, []string{"d", "e"}, ""},
		{"behind one that is gone", "bb", 2, false, []string{"c", "d"}, "d"},
		{"behind the end", "z", 2, false, []string{}, ""},
		{"all", "", math.MaxInt, false, []string{"a", "b", "c", "d", "e"}, ""},
		{"first of descending", "", 2, true, []string{"e", "d"}, "d"},
		{"second of descending", "d", 2, true, []string{"c", "b"}, "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := Page{After: tt.after, Size: tt.size, Descending: tt.descending}
			got, next := Cut(p, slices.Clone(all), itself)
			if !slices.Equal(got, tt.want) || after(t, next) != tt.next {
				t.Errorf("got %v and what is behind %q, want %v and %q", got, after(t, next), tt.want, tt.next)
			}
			if tt.descending {
				return
			}
			got, next, err := Fill(p, behind(all, tt.after), itself)
			if err != nil || !slices.Equal(got, tt.want) || after(t, next) != tt.next {
				t.Errorf("filled: got %v and what is behind %q, %v, want %v and %q", got, after(t, next), err, tt.want, tt.next)
			}
		})
	}
}

// behind yields what of all comes behind after, as a table's scan does.
func behind(all []string, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, s := range slices.Sorted(slices.Values(all)) {
			if s > after && !yield(s, nil) {
				return
			}
		}
	}
}

// after is the key in a token; "" of none.
func after(t *testing.T, token *string) string {
	t.Helper()
	if token == nil {
		return ""
	}
	p, err := Pages{BadToken: strict.BadToken}.Open(nil, token)
	if err != nil || p.After == "" {
		t.Fatalf("token %s: got %q, %v, want one that can be opened", *token, p.After, err)
	}
	return p.After
}

func TestFillFails(t *testing.T) {
	t.Parallel()
	got, next, err := Fill(Page{Size: 5}, func(yield func(string, error) bool) {
		_ = yield("a", nil) && yield("", errStop)
	}, itself)
	if got != nil || next != nil || !errors.Is(err, errStop) {
		t.Errorf("got %v, %v, %v, want the error alone", got, next, err)
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	short := func(s string) bool { return len(s) < 2 }
	got, next, err := Fill(Page{Size: 2}, Keep(behind([]string{"a", "aa", "b", "bb", "c"}, ""), short), itself)
	if !slices.Equal(got, []string{"a", "b"}) || after(t, next) != "b" || err != nil {
		t.Errorf("got %v and what is behind %q, %v, want the short ones", got, after(t, next), err)
	}
	_, _, err = Fill(Page{Size: 2}, Keep(func(yield func(string, error) bool) { yield("long", errStop) }, short), itself)
	if !errors.Is(err, errStop) {
		t.Errorf("got %v, want the error", err)
	}
}
