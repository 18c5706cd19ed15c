package version

import (
	"cmp"
	"strings"
)

// Semver is the order of semantic versions (https://semver.org/#spec-item-11), with a v in front or without, as Go's modules have them.
func Semver(a, b string) (int, bool) {
	x, pa, ok := splitSemver(a)
	y, pb, ok2 := splitSemver(b)
	if !ok || !ok2 {
		return 0, false
	}
	for i := range x {
		if order := numbers(x[i], y[i]); order != 0 {
			return order, true
		}
	}
	return prereleases(pa, pb), true
}

// splitSemver takes a version apart: its three numbers, of which the last ones may be left away, and what it is before.
func splitSemver(s string) (core [3]string, prerelease string, ok bool) {
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), "+")
	s, prerelease, found := strings.Cut(s, "-")
	fields := strings.Split(s, ".")
	if len(fields) > 3 || found && prerelease == "" {
		return core, "", false
	}
	for i, f := range fields {
		n, rest := digits(f)
		if n == "" || rest != "" {
			return core, "", false
		}
		core[i] = n
	}
	return core, prerelease, true
}

// prereleases compares what versions are before; nothing is behind all.
func prereleases(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if order := identifiers(x[i], y[i]); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(x), len(y))
}

// identifiers compares parts of a prerelease: numbers are before words.
func identifiers(a, b string) int {
	na, ra := digits(a)
	nb, rb := digits(b)
	switch numA, numB := na != "" && ra == "", nb != "" && rb == ""; {
	case numA && numB:
		return numbers(a, b)
	case numA:
		return -1
	case numB:
		return 1
	}
	return strings.Compare(a, b)
}
