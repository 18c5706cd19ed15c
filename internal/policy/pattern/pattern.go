// Package pattern matches texts against what policies write: wildcards and policy variables.
//
// A "*" or "?" that comes out of a variable is a literal character and never a wildcard
// (IAM User Guide, "IAM policy elements: Variables and tags").
package pattern

import (
	"strings"
	"unicode/utf8"
)

// Lookup returns the only value that a request has of a condition key, by the
// key's name in lower case. It returns false when the request has none, or many.
type Lookup func(key string) (string, bool)

// Pattern is a compiled text with wildcards and variables.
type Pattern struct {
	tokens []token // what elems are made of at each match, when there are variables
	elems  []elem  // what to match, when there are none
	vars   bool
	fold   bool // letters match in either case
}

// Like compiles a text in which "*" stands for any characters and "?" for one.
// With vars, ${key} stands for the value of a key.
func Like(text string, vars bool) Pattern { return compile(lex(text, vars, true), false) }

// Equal compiles a text in which only variables are special, if vars says so.
func Equal(text string, vars bool) Pattern { return compile(lex(text, vars, false), false) }

// EqualFold is Equal for texts whose letters match in either case.
func EqualFold(text string, vars bool) Pattern { return compile(lex(text, vars, false), true) }

// Fold compiles a text with wildcards whose letters match in either case.
func Fold(text string) Pattern { return compile(lex(text, false, true), true) }

func compile(tokens []token, fold bool) Pattern {
	p := Pattern{tokens: tokens, fold: fold}
	for _, t := range tokens {
		p.vars = p.vars || t.kind == variable
	}
	if !p.vars {
		p.elems, _ = p.resolve(nil)
	}
	return p
}

// Keys returns the names of the condition keys whose values the pattern needs,
// as they are written.
func (p Pattern) Keys() []string {
	var keys []string
	for _, t := range p.tokens {
		if t.kind == variable {
			keys = append(keys, t.key)
		}
	}
	return keys
}

// Match tells whether all of s is what the pattern says. A variable without a
// value and without a default matches nothing.
func (p Pattern) Match(s string, get Lookup) bool {
	if p.fold {
		s = strings.ToLower(s)
	}
	if !p.vars {
		return match(p.elems, s)
	}
	elems, ok := p.resolve(get)
	return ok && match(elems, s)
}

// resolve puts the values of variables in. It returns false when one has none.
func (p Pattern) resolve(get Lookup) ([]elem, bool) {
	elems := make([]elem, 0, 8*len(p.tokens))
	for _, t := range p.tokens {
		text := t.text
		if t.kind == variable {
			value, ok := get(strings.ToLower(t.key))
			if !ok && !t.defaulted {
				return nil, false
			}
			if ok {
				text = value
			}
		}
		if p.fold {
			text = strings.ToLower(text)
		}
		switch t.kind {
		case wildcard:
			elems = append(elems, elem{kind: t.wild})
		default:
			for _, r := range text {
				elems = append(elems, elem{r: r, kind: t.literal})
			}
		}
	}
	return elems, true
}

// Resource compiles the ARN of a Resource element. Partition, service, region
// and account match without regard to case; the parts that are missing at the
// end may be anything. A "*" at the end of a part, or anywhere in the last one,
// stands for colons too (IAM User Guide, "IAM JSON policy elements: Resource").
// Variables are read behind the fifth colon only.
func Resource(text string, vars bool) Pattern {
	if text == "*" {
		return Like(text, false)
	}
	parts := strings.SplitN(text, ":", 6)
	var tokens []token
	for _, part := range parts[:min(5, len(parts))] {
		tokens = append(tokens, within(part)...)
		tokens = append(tokens, token{text: ":", literal: letter})
	}
	if len(parts) == 6 {
		return compile(append(tokens, lex(parts[5], vars, true)...), false)
	}
	if strings.HasSuffix(text, "*") {
		return compile(tokens[:len(tokens)-1], false)
	}
	return compile(append(tokens, token{kind: wildcard, wild: star}), false)
}

// within returns the tokens of one of the first parts of an ARN.
func within(part string) []token {
	tokens := lex(strings.ToLower(part), false, true)
	for i := range tokens {
		t := &tokens[i]
		t.literal = foldedLetter
		if t.kind != wildcard {
			continue
		}
		switch last := i == len(tokens)-1; {
		case t.wild == one:
			t.wild = oneWithin
		case !last:
			t.wild = starWithin
		}
	}
	return tokens
}

// An elem is what one step of a match compares.
type elem struct {
	r    rune // of a literal
	kind elemKind
}

type elemKind uint8

const (
	letter       elemKind = iota
	foldedLetter          // an ASCII letter of either case; r is the small one
	star                  // any characters
	starWithin            // any but a colon
	one                   // one character
	oneWithin             // one that is no colon
)

func (e elem) accepts(r rune) bool {
	switch e.kind {
	case letter:
		return e.r == r
	case foldedLetter:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return e.r == r
	case one:
		return true
	}
	return e.kind == oneWithin && r != ':'
}

// A retry is a star, and where in the subject what follows it was last tried.
type retry struct{ elem, at int }

// match tells whether s is what the elements say. After a mismatch the last star
// takes one character more; where it may not, the last one that crosses colons does.
func match(p []elem, s string) bool {
	far, near := retry{-1, 0}, retry{-1, 0}
	for i, j := 0, 0; ; {
		if i == len(p) && j == len(s) {
			return true
		}
		if i < len(p) {
			switch e := p[i]; e.kind {
			case star:
				if i == len(p)-1 {
					return true
				}
				far, near = retry{i, j}, retry{-1, 0}
				i++
				continue
			case starWithin:
				near = retry{i, j}
				i++
				continue
			default:
				if r, n := utf8.DecodeRuneInString(s[j:]); n > 0 && e.accepts(r) {
					i, j = i+1, j+n
					continue
				}
			}
		}
		switch {
		case near.elem >= 0 && near.at < len(s) && s[near.at] != ':':
			near = near.next(s)
			i, j = near.elem+1, near.at
		case far.elem >= 0 && far.at < len(s):
			far, near = far.next(s), retry{-1, 0}
			i, j = far.elem+1, far.at
		default:
			return false
		}
	}
}

func (r retry) next(s string) retry {
	_, n := utf8.DecodeRuneInString(s[r.at:])
	return retry{r.elem, r.at + n}
}
