// Package awsjson reads and writes the bodies of the awsJson protocols.
package awsjson

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/skylift/skylift/internal/wire/bind"
)

// Parse reads a body. An empty one is an empty object.
func Parse(body []byte) (bind.Value, error) {
	if len(body) == 0 {
		return bind.Value{Kind: bind.Object}, nil
	}
	if !json.Valid(body) {
		return bind.Value{}, errors.New("the body is not valid JSON")
	}
	p := parser{b: body}
	v := p.value()
	if v.Kind != bind.Object {
		return bind.Value{}, errors.New("the body is not a JSON object")
	}
	return v, nil
}

// parser walks over JSON that is known to be valid.
type parser struct {
	b []byte
	i int
}

// next skips space and returns the byte that follows.
func (p *parser) next() byte {
	for {
		switch c := p.b[p.i]; c {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return c
		}
	}
}

func (p *parser) value() bind.Value {
	switch p.next() {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return bind.Value{Kind: bind.Text, Text: p.text()}
	case 't':
		p.i += len("true")
		return bind.Value{Kind: bind.True}
	case 'f':
		p.i += len("false")
		return bind.Value{Kind: bind.False}
	case 'n':
		p.i += len("null")
		return bind.Value{Kind: bind.Null}
	default:
		return bind.Value{Kind: bind.Number, Text: p.number()}
	}
}

func (p *parser) object() bind.Value {
	v := bind.Value{Kind: bind.Object}
	p.i++ // {
	for p.next() != '}' {
		if p.b[p.i] == ',' {
			p.i++
			p.next()
		}
		v.Names = append(v.Names, p.text())
		p.next()
		p.i++ // :
		v.Items = append(v.Items, p.value())
	}
	p.i++
	return v
}

func (p *parser) array() bind.Value {
	v := bind.Value{Kind: bind.Array}
	p.i++ // [
	for p.next() != ']' {
		if p.b[p.i] == ',' {
			p.i++
		}
		v.Items = append(v.Items, p.value())
	}
	p.i++
	return v
}

func (p *parser) number() string {
	start := p.i
	for p.i < len(p.b) {
		switch c := p.b[p.i]; {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			p.i++
			continue
		}
		break
	}
	return string(p.b[start:p.i])
}

func (p *parser) text() string {
	start, plain := p.i, true
	for p.i++; p.b[p.i] != '"'; p.i++ {
		if p.b[p.i] == '\\' {
			p.i++
			plain = false
		}
	}
	p.i++
	if inside := p.b[start+1 : p.i-1]; plain && utf8.Valid(inside) {
		return string(inside)
	}
	var s string
	if json.Unmarshal(p.b[start:p.i], &s) != nil {
		return "" // cannot be: the body is valid
	}
	return s
}
