package version

import (
	"cmp"
	"slices"
	"strings"
)

// apk is a version of a package of Alpine's.
type apk struct {
	numbers  []string
	letter   string // one, or none
	suffixes []suffix
	hash     string
	revision string
}

// A suffix is one as in _rc1.
type suffix struct {
	rank   int // below 0: before the version without it
	number string
}

// The suffixes by their ranks (apk-package(5)).
var (
	before = []string{"alpha", "beta", "pre", "rc"}
	after  = []string{"cvs", "svn", "git", "hg", "p"}
)

// Apk is the order of Alpine's packages (apk-tools, src/version.c).
func Apk(a, b string) (int, bool) {
	x, ok := parseApk(a)
	y, ok2 := parseApk(b)
	if !ok || !ok2 {
		return 0, false
	}
	return cmp.Or(compareNumbers(x.numbers, y.numbers), strings.Compare(x.letter, y.letter), compareSuffixes(x.suffixes, y.suffixes),
		strings.Compare(x.hash, y.hash), present(x.revision, y.revision)), true
}

func parseApk(s string) (v apk, ok bool) {
	for {
		n, rest := digits(s)
		if n == "" {
			return v, false
		}
		v.numbers = append(v.numbers, n)
		if s, ok = strings.CutPrefix(rest, "."); !ok {
			break
		}
	}
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		v.letter, s = s[:1], s[1:]
	}
	for strings.HasPrefix(s, "_") {
		var x suffix
		if x, s, ok = parseSuffix(s[1:]); !ok {
			return v, false
		}
		v.suffixes = append(v.suffixes, x)
	}
	if rest, ok := strings.CutPrefix(s, "~"); ok {
		n := 0
		for n < len(rest) && (isDigit(rest[n]) || rest[n] >= 'a' && rest[n] <= 'f') {
			n++
		}
		v.hash, s = rest[:n], rest[n:]
	}
	if rest, ok := strings.CutPrefix(s, "-r"); ok {
		v.revision, s = digits(rest)
	}
	return v, s == ""
}

func parseSuffix(s string) (x suffix, rest string, ok bool) {
	n := 0
	for n < len(s) && isLetter(s[n]) {
		n++
	}
	word := s[:n]
	if i := slices.Index(before, word); i >= 0 {
		x.rank = i - len(before)
	} else if i := slices.Index(after, word); i >= 0 {
		x.rank = i + 1
	} else {
		return x, s, false
	}
	x.number, rest = digits(s[n:])
	return x, rest, true
}

// compareNumbers compares all numbers of versions. From the second on, one with a zero in front is compared as a text.
func compareNumbers(a, b []string) int {
	for i := range min(len(a), len(b)) {
		order := numbers(a[i], b[i])
		if i > 0 && (a[i][0] == '0' || b[i][0] == '0') {
			order = strings.Compare(a[i], b[i])
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareSuffixes(a, b []suffix) int {
	for i := range max(len(a), len(b)) {
		var x, y suffix
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if order := cmp.Or(cmp.Compare(x.rank, y.rank), present(x.number, y.number)); order != 0 {
			return order
		}
	}
	return 0
}

// present compares numbers of which one that is there is behind one that isn't.
func present(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	return numbers(a, b)
}
