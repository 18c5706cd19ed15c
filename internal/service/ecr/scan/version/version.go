// Package version orders the versions of packages, each kind by the rules of its package manager.
//
// An order is a Compare. It says that it can't tell when a version isn't one by those rules, and never guesses.
package version

import (
	"cmp"
	"strings"
)

// Compare returns -1, 0 or 1 as a is before b, equal to it or behind it; ok is false when one of them is no version.
type Compare func(a, b string) (order int, ok bool)

// isDigit tells whether c is one of 0 to 9.
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isLetter tells whether c is a letter of ASCII.
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// digits cuts the digits off that s begins with.
func digits(s string) (number, rest string) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

// numbers compares numbers of any length. No digits are 0.
func numbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
