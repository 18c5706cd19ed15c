// Package match tells whether a text meets one of ELBv2's patterns: one with
// wildcards, or a regular expression.
//
// "*" stands for any characters, also none, and "?" for exactly one; every
// other character stands for itself. The whole text must meet such a pattern. A
// regular expression may be met by a part of it. Matching takes no memory.
package match

import "strings"

// Pattern is a pattern ready to be matched.
type Pattern struct {
	text string // in lower case if fold is set; wildcards are many and single
	fold bool   // compare without regard to case
	form form
}

// Wildcards within a Pattern. No text that is matched has these bytes.
const (
	many   = '\x00'
	single = '\x01'
)

// form is what kind of text a pattern has, for those that are matched faster.
type form uint8

const (
	mixed  form = iota
	whole       // no wildcards
	prefix      // one "*", at the end
	suffix      // one "*", at the beginning
)

var wildcards = strings.NewReplacer("*", string(rune(many)), "?", string(rune(single)))

// Host makes a pattern for host names, which have no case.
func Host(pattern string) Pattern { return Text(pattern) }

// Path makes a pattern for paths, which have case.
func Path(pattern string) Pattern { return compile(wildcards.Replace(pattern), false) }

// Text makes a pattern for texts whose case doesn't count.
func Text(pattern string) Pattern { return compile(wildcards.Replace(pattern), true) }

// Query makes a pattern for keys and values of a query, whose case doesn't
// count. A backslash before a wildcard makes it stand for itself.
func Query(pattern string) Pattern {
	var text strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern) && (pattern[i+1] == '*' || pattern[i+1] == '?'):
			i++
			c = pattern[i]
		case c == '*':
			c = many
		case c == '?':
			c = single
		}
		text.WriteByte(c)
	}
	return compile(text.String(), true)
}

func compile(text string, fold bool) Pattern {
	p := Pattern{text: text, fold: fold}
	if fold {
		p.text = lower(text)
	}
	first, last := strings.IndexByte(text, many), strings.LastIndexByte(text, many)
	switch {
	case strings.IndexByte(text, single) >= 0:
	case first < 0:
		p.form = whole
	case first == len(text)-1:
		p.form, p.text = prefix, p.text[:first]
	case last == 0:
		p.form, p.text = suffix, p.text[1:]
	}
	return p
}

// lower folds what Pattern folds: ASCII letters.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// Literal returns the text that whatever meets the pattern begins with, and the
// text that it ends with. They are the same if closed is set: the pattern has no
// wildcards. They are in lower case if case doesn't count.
func (p Pattern) Literal() (begin, end string, closed bool) {
	switch p.form {
	case whole:
		return p.text, p.text, true
	case prefix:
		return p.text, "", false
	case suffix:
		return "", p.text, false
	}
	first := strings.IndexAny(p.text, "\x00\x01")
	last := strings.LastIndexAny(p.text, "\x00\x01")
	return p.text[:first], p.text[last+1:], false
}

// Match tells whether the whole of s meets the pattern.
func (p Pattern) Match(s []byte) bool {
	switch p.form {
	case whole:
		return len(s) == len(p.text) && p.same(s)
	case prefix:
		return len(s) >= len(p.text) && p.same(s[:len(p.text)])
	case suffix:
		return len(s) >= len(p.text) && p.same(s[len(s)-len(p.text):])
	}
	return p.walk(s)
}

// same compares s with the pattern's text, which is as long.
func (p Pattern) same(s []byte) bool {
	if !p.fold {
		return string(s) == p.text
	}
	for i, c := range s {
		if Fold(c) != p.text[i] {
			return false
		}
	}
	return true
}

// walk matches any pattern in no more than pattern × text steps.
func (p Pattern) walk(s []byte) bool {
	var pi, si int
	star, mark := -1, 0 // where to go back to: after the last star, one more character eaten
	for si < len(s) {
		switch {
		case pi < len(p.text) && p.text[pi] == many:
			star, mark = pi, si
			pi++
		case pi < len(p.text) && (p.text[pi] == single || p.text[pi] == p.char(s[si])):
			pi++
			si++
		case star >= 0:
			mark++
			pi, si = star+1, mark
		default:
			return false
		}
	}
	for pi < len(p.text) && p.text[pi] == many {
		pi++
	}
	return pi == len(p.text)
}

func (p Pattern) char(c byte) byte {
	if p.fold {
		return Fold(c)
	}
	return c
}

// Fold returns c in lower case, if it is an ASCII letter.
func Fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
