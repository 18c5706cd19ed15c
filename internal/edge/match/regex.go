package match

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Regex is a regular expression ready to be matched.
type Regex struct {
	re         *regexp.Regexp
	begin, end string
}

// maxRegex bounds what a regular expression takes when it is compiled, and so each
// request that it is held against: {n,m} multiplies. AWS bounds only its length, by
// 128 characters.
const maxRegex = 2_000

// CompileRegex reads a regular expression. What AWS doesn't have there isn't had
// here, either: look-around, back references, and classes by Unicode's names.
func CompileRegex(text string, fold bool) (Regex, error) {
	flags := syntax.Perl &^ syntax.UnicodeGroups
	if fold {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(text, flags)
	if err != nil {
		return Regex{}, fmt.Errorf("read regular expression: %w", err)
	}
	if prog, err := syntax.Compile(tree.Simplify()); err != nil || len(prog.Inst) > maxRegex {
		return Regex{}, fmt.Errorf("read regular expression: too large")
	}
	if fold {
		text = "(?i)" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return Regex{}, fmt.Errorf("read regular expression: %w", err)
	}
	r := Regex{re: re}
	r.begin, r.end = literalEnds(tree, fold)
	return r, nil
}

// Match tells whether s, or a part of it, meets the expression.
func (r Regex) Match(s []byte) bool { return r.re.Match(s) }

// Literal returns the text that whatever meets the expression begins with, and
// the text that it ends with, as far as that shows. They are in lower case if
// case doesn't count.
func (r Regex) Literal() (begin, end string) { return r.begin, r.end }

// literalEnds reads the literals next to ^ and $.
func literalEnds(tree *syntax.Regexp, fold bool) (begin, end string) {
	parts := tree.Sub
	if tree.Op != syntax.OpConcat || len(parts) < 2 {
		return "", ""
	}
	if parts[0].Op == syntax.OpBeginText {
		begin = literal(parts[1], fold)
	}
	if parts[len(parts)-1].Op == syntax.OpEndText {
		end = literal(parts[len(parts)-2], fold)
	}
	return begin, end
}

func literal(part *syntax.Regexp, fold bool) string {
	if part.Op != syntax.OpLiteral || !fold && part.Flags&syntax.FoldCase != 0 {
		return ""
	}
	text := string(part.Rune)
	if strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) >= 0 {
		return ""
	}
	if fold {
		text = lower(text)
	}
	return text
}
