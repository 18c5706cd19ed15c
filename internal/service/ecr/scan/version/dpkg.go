package version

import (
	"cmp"
	"strings"
)

// Dpkg is the order of Debian's and Ubuntu's packages
// (https://www.debian.org/doc/debian-policy/ch-controlfields.html#version).
func Dpkg(a, b string) (int, bool) {
	ea, ua, ra, ok := splitDpkg(a)
	eb, ub, rb, ok2 := splitDpkg(b)
	return cmp.Or(numbers(ea, eb), parts(ua, ub), parts(ra, rb)), ok && ok2
}

// splitDpkg takes a version apart: epoch, the version of who wrote the program, and Debian's revision.
func splitDpkg(s string) (epoch, upstream, revision string, ok bool) {
	epoch, upstream, found := strings.Cut(s, ":")
	if !found {
		epoch, upstream = "0", s
	}
	if i := strings.LastIndexByte(upstream, '-'); i >= 0 {
		upstream, revision = upstream[:i], upstream[i+1:]
	}
	_, rest := digits(epoch)
	return epoch, upstream, revision, epoch != "" && rest == "" && upstream != ""
}

// parts compares what are no numbers and what are, by turns.
func parts(a, b string) int {
	for a != "" || b != "" {
		var order int
		if order, a, b = words(a, b); order != 0 {
			return order
		}
		var na, nb string
		na, a = digits(a)
		nb, b = digits(b)
		if order := numbers(na, nb); order != 0 {
			return order
		}
	}
	return 0
}

// words compares what a and b begin with up to the first digit, and returns what is behind.
func words(a, b string) (order int, restA, restB string) {
	for {
		wa, wb := weight(a), weight(b)
		if wa != wb {
			return cmp.Compare(wa, wb), a, b
		}
		if wa == 0 {
			return 0, a, b
		}
		a, b = a[1:], b[1:]
	}
}

// weight is that of the first byte: a tilde is before the end, letters are before all else.
func weight(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isLetter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}
