package domain

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.test": true, "*.a.test": true, "A-1.b.co": true, strings.Repeat("a", 63) + ".test": true,
		"test": false, "*.test": false, "*": false, "a.b": false, "-a.test": false, "a-.test": false, "a..test": false, ".test": false, "a.test.": false,
		"a_b.test": false, "a.*.test": false, "*.*.test": false, "\u00fc.test": false, strings.Repeat("a", 64) + ".test": false, "a.-t": false, "": false,
	} {
		if Valid(name) != want {
			t.Errorf("%q is a name: %t", name, !want)
		}
	}
}
