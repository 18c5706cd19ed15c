// Package pattern matches log events with CloudWatch Logs' filter patterns.
//
// A pattern is parsed once. Parse refuses one that can't be matched as AWS does:
// it knows patterns of terms, of JSON fields and of one regular expression, but not
// those of space-delimited fields ([a, b, c]).
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Match says whether an event's text matches.
type Match = func(text string) bool

// Parse reads a pattern. For the empty one, which matches everything, Match is nil.
func Parse(s string) (Match, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return nil, nil
	case !utf8.ValidString(s):
		return nil, errors.New("it is not UTF-8")
	case s[0] == '{':
		return parseJSON(s)
	case s[0] == '[':
		return nil, errors.New("patterns of space-delimited fields are not supported by Skylift")
	case s[0] == '%':
		return parseRegexp(s)
	}
	return parseTerms(s)
}

// terms is a pattern of words and phrases. Optional ones count only when there are
// no others, as on AWS.
type terms struct{ all, none, any []string }

func parseTerms(s string) (Match, error) {
	var t terms
	for s != "" {
		kind := &t.all
		switch s[0] {
		case '?':
			kind, s = &t.any, s[1:]
		case '-':
			kind, s = &t.none, s[1:]
		}
		term, rest, err := nextTerm(s)
		if err != nil {
			return nil, err
		}
		*kind = append(*kind, term)
		s = strings.TrimLeftFunc(rest, unicode.IsSpace)
	}
	return t.match, nil
}

func (t *terms) match(text string) bool {
	for _, s := range t.all {
		if !strings.Contains(text, s) {
			return false
		}
	}
	for _, s := range t.none {
		if strings.Contains(text, s) {
			return false
		}
	}
	if len(t.all)+len(t.none) > 0 {
		return true
	}
	for _, s := range t.any {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// nextTerm splits a term off s: a quoted phrase, or letters and digits.
func nextTerm(s string) (term, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		return quoted(s)
	}
	end := strings.IndexFunc(s, unicode.IsSpace)
	if end < 0 {
		end = len(s)
	}
	term, rest = s[:end], s[end:]
	if term == "" {
		return "", "", errors.New("a term is missing")
	}
	for _, r := range term {
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return "", "", fmt.Errorf("invalid character(s) in term '%s': quote it", term)
		}
	}
	return term, rest, nil
}

// quoted splits a phrase in double quotes off s; \" in it is a quote.
func quoted(s string) (phrase, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", errors.New("a closing quote is missing")
}

// inRegexp are the characters that AWS allows in a regular expression.
var inRegexp = regexp.MustCompile(`^[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+. ]+$`)

func parseRegexp(s string) (Match, error) {
	if len(s) < 3 || !strings.HasSuffix(s, "%") {
		return nil, errors.New("a regular expression stands between two %")
	}
	re, err := compile(s[1 : len(s)-1])
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

func compile(s string) (*regexp.Regexp, error) {
	if !inRegexp.MatchString(s) {
		return nil, fmt.Errorf("invalid character(s) in regular expression '%s'", s)
	}
	return regexp.Compile(s)
}
