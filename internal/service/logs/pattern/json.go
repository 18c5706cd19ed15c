package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condition is true or false of a JSON document.
type condition func(doc any) bool

// parseJSON reads { condition }.
func parseJSON(s string) (Match, error) {
	body, ok := strings.CutSuffix(strings.TrimPrefix(s, "{"), "}")
	if !ok {
		return nil, errors.New("a closing brace is missing")
	}
	p := &parser{rest: body}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("unexpected '%s'", p.rest)
	}
	return func(text string) bool {
		var doc map[string]any
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		return d.Decode(&doc) == nil && c(doc)
	}, nil
}

// parser reads a condition by recursive descent.
type parser struct {
	rest  string
	depth int
}

// maxDepth bounds how deep parentheses may be nested.
const maxDepth = 50

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take skips token if it is next.
func (p *parser) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) or() (condition, error) {
	return p.joined("||", p.and, func(a, b condition) condition {
		return func(doc any) bool { return a(doc) || b(doc) }
	})
}

func (p *parser) and() (condition, error) {
	return p.joined("&&", p.one, func(a, b condition) condition {
		return func(doc any) bool { return a(doc) && b(doc) }
	})
}

func (p *parser) joined(by string, part func() (condition, error), join func(a, b condition) condition) (condition, error) {
	c, err := part()
	for err == nil && p.take(by) {
		var next condition
		if next, err = part(); err == nil {
			c = join(c, next)
		}
	}
	return c, err
}

func (p *parser) one() (condition, error) {
	if !p.take("(") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("too many parentheses")
	}
	c, err := p.or()
	if err == nil && !p.take(")") {
		err = errors.New("a closing parenthesis is missing")
	}
	p.depth--
	return c, err
}

// operators. One that is the beginning of another comes first.
var operators = []string{"NOT EXISTS", "EXISTS", "IS NULL", "IS TRUE", "IS FALSE", "!=", "<=", ">=", "=", "<", ">"}

func (p *parser) comparison() (condition, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	for _, op := range operators {
		if !p.take(op) {
			continue
		}
		if test, ok := states[op]; ok {
			return func(doc any) bool { return test(path.find(doc)) }, nil
		}
		p.space()
		test, err := p.value(op)
		if err != nil {
			return nil, err
		}
		return func(doc any) bool {
			return slices.ContainsFunc(path.find(doc), test)
		}, nil
	}
	return nil, fmt.Errorf("an operator is missing before '%s'", p.rest)
}

// states are the operators without a value.
var states = map[string]func(found []any) bool{
	"EXISTS":     func(found []any) bool { return len(found) > 0 },
	"NOT EXISTS": func(found []any) bool { return len(found) == 0 },
	"IS NULL":    func(found []any) bool { return len(found) > 0 && found[0] == nil },
	"IS TRUE":    func(found []any) bool { return len(found) > 0 && found[0] == true },
	"IS FALSE":   func(found []any) bool { return len(found) > 0 && found[0] == false },
}

// value reads the operand of op.
func (p *parser) value(op string) (func(any) bool, error) {
	switch {
	case strings.HasPrefix(p.rest, `"`):
		s, rest, err := quoted(p.rest)
		if err != nil {
			return nil, err
		}
		p.rest = rest
		return compareText(op, wildcard(s))
	case strings.HasPrefix(p.rest, "%"):
		s, rest, ok := strings.Cut(p.rest[1:], "%")
		if !ok {
			return nil, errors.New("a regular expression stands between two %")
		}
		re, err := compile(s)
		if err != nil {
			return nil, err
		}
		p.rest = rest
		return compareText(op, re)
	}
	end := strings.IndexAny(p.rest, " \t\r\n)&|")
	if end < 0 {
		end = len(p.rest)
	}
	s := p.rest[:end]
	if s == "" {
		return nil, fmt.Errorf("a value is missing behind '%s'", op)
	}
	p.rest = p.rest[end:]
	if n, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(n) {
		return compareNumber(op, n), nil
	}
	return compareText(op, wildcard(s))
}

// wildcard is a text in which * stands for any characters.
func wildcard(s string) *regexp.Regexp {
	parts := strings.Split(s, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`)
}

func compareText(op string, re *regexp.Regexp) (func(any) bool, error) {
	if op != "=" && op != "!=" {
		return nil, fmt.Errorf("'%s' compares numbers only", op)
	}
	return func(v any) bool {
		s, ok := text(v)
		return ok && re.MatchString(s) == (op == "=")
	}, nil
}

// text is a scalar as a pattern writes it.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func compareNumber(op string, want float64) func(any) bool {
	return func(v any) bool {
		n, ok := v.(float64)
		if s, isText := v.(string); isText {
			f, err := strconv.ParseFloat(s, 64)
			n, ok = f, err == nil
		}
		switch op {
		case "=":
			return ok && n == want
		case "!=":
			return !ok || n != want
		case "<":
			return ok && n < want
		case ">":
			return ok && n > want
		case "<=":
			return ok && n <= want
		}
		return ok && n >= want
	}
}
