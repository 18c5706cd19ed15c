package handler

import (
	"strings"
	"testing"
)

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
