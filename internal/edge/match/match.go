// Package match tells whether a text meets one of ELBv2's wildcard patterns.
//
// "*" stands for any characters, also none, and "?" for exactly one; every
// other character stands for itself. Matching takes no memory and no more
// than pattern × text steps.
package match

import "strings"

// Pattern is a pattern ready to be matched.
type Pattern struct {
	text  string
	fold  bool // compare without regard to case
	plain bool // no wildcards
}

// Host makes a pattern for host names, which have no case.
func Host(pattern string) Pattern {
	p := Path(strings.ToLower(pattern))
	p.fold = true
	return p
}

// Path makes a pattern for paths, which have case.
func Path(pattern string) Pattern {
	return Pattern{text: pattern, plain: !strings.ContainsAny(pattern, "*?")}
}

// Match tells whether the whole of s meets the pattern.
func (p Pattern) Match(s []byte) bool {
	if p.plain && len(p.text) != len(s) {
		return false
	}
	var pi, si int
	star, mark := -1, 0 // where to go back to: after the last star, one more character eaten
	for si < len(s) {
		switch {
		case pi < len(p.text) && p.text[pi] == '*':
			star, mark = pi, si
			pi++
		case pi < len(p.text) && (p.text[pi] == '?' || p.text[pi] == p.char(s[si])):
			pi++
			si++
		case star >= 0:
			mark++
			pi, si = star+1, mark
		default:
			return false
		}
	}
	for pi < len(p.text) && p.text[pi] == '*' {
		pi++
	}
	return pi == len(p.text)
}

func (p Pattern) char(c byte) byte {
	if p.fold && 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
