package pattern

import "strings"

// A token is a piece of a pattern's text.
type token struct {
	kind      tokenKind
	text      string   // of a literal; the default of a variable
	literal   elemKind // of its characters
	wild      elemKind // of a wildcard
	key       string   // of a variable, as it is written
	defaulted bool
}

type tokenKind uint8

const (
	literal tokenKind = iota
	wildcard
	variable
)

// lex splits text at its variables, if vars says so, and at its wildcards, if
// wild says so. What looks like a variable and is none stays as it is.
func lex(text string, vars, wild bool) []token {
	var tokens []token
	from := 0
	plain := func(to int) {
		if from < to {
			tokens = append(tokens, token{text: text[from:to]})
		}
	}
	for i := 0; i < len(text); {
		t, n := token{}, 0
		switch c := text[i]; {
		case vars && c == '$':
			t, n = readVariable(text[i:])
		case wild && c == '*':
			t, n = token{kind: wildcard, wild: star}, 1
		case wild && c == '?':
			t, n = token{kind: wildcard, wild: one}, 1
		}
		if n == 0 {
			i++
			continue
		}
		plain(i)
		tokens = append(tokens, t)
		i += n
		from = i
	}
	plain(len(text))
	return tokens
}

// readVariable reads the variable that s begins with and returns it with its
// length; 0 when there is none.
func readVariable(s string) (token, int) {
	rest, ok := strings.CutPrefix(s, "${")
	if !ok {
		return token{}, 0
	}
	if len(rest) >= 2 && strings.ContainsRune("*?$", rune(rest[0])) && rest[1] == '}' {
		return token{text: rest[:1]}, len("${*}")
	}
	end := strings.IndexAny(rest, ",}")
	if end <= 0 || strings.ContainsAny(rest[:end], "${ '") {
		return token{}, 0
	}
	t := token{kind: variable, key: rest[:end]}
	if rest[end] == '}' {
		return t, len("${}") + end
	}
	value, ok := strings.CutPrefix(strings.TrimLeft(rest[end+1:], " "), "'")
	if !ok {
		return token{}, 0
	}
	quote := strings.Index(value, "'}")
	if quote < 0 {
		return token{}, 0
	}
	t.text, t.defaulted = value[:quote], true
	return t, len(s) - len(value) + quote + len("'}")
}

// ARN is a pattern for each of the six parts of an ARN.
type ARN struct {
	parts []Pattern // none when the text is no ARN: it matches nothing
}

// NewARN compiles the value of an ARN operator, whose parts match one by one
// (IAM User Guide, "Amazon Resource Name (ARN) condition operators").
func NewARN(text string, vars bool) ARN {
	parts := [][]token{nil}
	for _, t := range lex(text, vars, true) {
		if t.kind != literal {
			last := &parts[len(parts)-1]
			*last = append(*last, t)
			continue
		}
		for i, piece := range strings.SplitN(t.text, ":", 7-len(parts)) {
			if i > 0 {
				parts = append(parts, nil)
			}
			last := &parts[len(parts)-1]
			*last = append(*last, token{text: piece})
		}
	}
	if len(parts) != 6 {
		return ARN{}
	}
	a := ARN{}
	for _, tokens := range parts {
		a.parts = append(a.parts, compile(tokens, false))
	}
	return a
}

// Match tells whether s is an ARN that fits.
func (a ARN) Match(s string, get Lookup) bool {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || len(a.parts) != 6 {
		return false
	}
	for i, p := range a.parts {
		if !p.Match(parts[i], get) {
			return false
		}
	}
	return true
}

// Keys returns the names of the condition keys whose values the ARN needs.
func (a ARN) Keys() []string {
	var keys []string
	for _, p := range a.parts {
		keys = append(keys, p.Keys()...)
	}
	return keys
}
