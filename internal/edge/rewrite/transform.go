package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/match"
	"github.com/skylift/skylift/internal/edge/table"
)

// Why a transform failed, as access logs name it.
var (
	ErrTooLong     = errors.New("TransformBufferTooSmall")
	ErrInvalidHost = errors.New("TransformInvalidHost")
	ErrInvalidPath = errors.New("TransformInvalidPath")
)

const maxHost = 255

// Transform rewrites a host name or a URL.
type Transform struct {
	re    *regexp.Regexp
	parts []piece
}

// piece is a text of the replacement, or a group of the expression.
type piece struct {
	text  string
	group int
}

// NewTransform reads a rewrite. nil makes nil.
func NewTransform(said *table.Rewrite) (*Transform, error) {
	if said == nil {
		return nil, nil //nolint:nilnil // nothing is rewritten
	}
	if _, err := match.CompileRegex(said.Regex, false); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(said.Regex)
	if err != nil {
		return nil, fmt.Errorf("read regular expression: %w", err)
	}
	t := &Transform{re: re}
	for text := said.Replace; text != ""; {
		before, rest, ok := strings.Cut(text, "$")
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if ok && digits == 0 {
			before += "$"
		}
		t.parts = append(t.parts, piece{text: before, group: -1})
		if digits > 0 {
			group, err := strconv.Atoi(rest[:digits])
			if err != nil || group > re.NumSubexp() {
				return nil, fmt.Errorf("the expression has no group $%s", rest[:digits])
			}
			t.parts = append(t.parts, piece{group: group})
		}
		text = rest[digits:]
	}
	return t, nil
}

// Apply returns text with the first match replaced. It returns text itself when
// there is none.
func (t *Transform) Apply(text []byte) []byte {
	out, _ := t.apply(text)
	return out
}

func (t *Transform) apply(text []byte) (out []byte, matched bool) {
	at := t.re.FindSubmatchIndex(text)
	if at == nil {
		return text, false
	}
	out = append(make([]byte, 0, 2*len(text)), text[:at[0]]...)
	for i := range t.parts {
		if g := t.parts[i].group; g < 0 {
			out = append(out, t.parts[i].text...)
		} else if from := at[2*g]; from >= 0 {
			out = append(out, text[from:at[2*g+1]]...)
		}
	}
	return append(out, text[at[1]:]...), true
}

// Host rewrites the host of a request. Its port stays, and so does a host that doesn't
// match.
func (t *Transform) Host(value []byte) ([]byte, error) {
	name, port := value, []byte(nil)
	if i := bytes.LastIndexByte(value, ':'); i >= 0 && bytes.IndexByte(value[i:], ']') < 0 {
		name, port = value[:i], value[i:]
	}
	out, matched := t.apply(name)
	switch {
	case !matched:
		return value, nil
	case len(out) > maxHost:
		return nil, ErrTooLong
	case len(out) == 0 || !http1.IsHost(out):
		return nil, ErrInvalidHost
	}
	return append(out, port...), nil
}

// URL rewrites the path and the query of a request. What doesn't match stays: "*", too.
func (t *Transform) URL(target []byte) ([]byte, error) {
	out, matched := t.apply(target)
	switch {
	case !matched:
		return target, nil
	case len(out) > http1.MaxLine:
		return nil, ErrTooLong
	case len(out) == 0 || out[0] != '/' || !http1.IsTarget(out):
		return nil, ErrInvalidPath
	}
	return out, nil
}
