package handler

import (
	"errors"
	"strings"
	"testing"
)

func TestAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		now, was ClientToken
		want     bool
		err      error
	}{
		{"the same", ClientToken{"t", "r"}, ClientToken{"t", "r"}, true, nil},
		{"other parameters", ClientToken{"t", "s"}, ClientToken{"t", "r"}, false, errStop},
		{"another token", ClientToken{"u", "r"}, ClientToken{"t", "r"}, false, nil},
		{"without a token", ClientToken{"", "r"}, ClientToken{"", "r"}, false, nil},
		{"of a record without one", ClientToken{"t", "r"}, ClientToken{}, false, nil},
		{"where a token alone decides", ClientToken{Token: "t"}, ClientToken{Token: "t"}, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.now.Again(tt.was, func() error { return errStop })
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %t, %v, want %t, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestValidClientToken(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]bool{
		"": true, "a!~": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "a b": false, "ä": false, "a\x7f": false,
	} {
		if got := ValidClientToken(token, MaxClientToken); got != want {
			t.Errorf("%q: got %t, want %t", token, got, want)
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	type input struct {
		Name *string
		Tags map[string]string
	}
	one := input{Name: new("n"), Tags: map[string]string{"a": "1", "b": "2"}}
	same := input{Name: new("n"), Tags: map[string]string{"b": "2", "a": "1"}}
	other := input{Name: new("n"), Tags: map[string]string{"a": "1"}}
	a, err := Digest(one)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := Digest(same); a != b {
		t.Errorf("%v and %v: got other digests, want the same", one, same)
	}
	if b, _ := Digest(other); a == b {
		t.Errorf("%v and %v: got the same digest, want others", one, other)
	}
	if _, err := Digest(func() {}); err == nil {
		t.Error("got no error of what JSON can't write")
	}
}
