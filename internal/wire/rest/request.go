package rest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/wire/bind"
)

// Format is what the protocol has bodies in.
type Format interface {
	// Parse reads a body that the protocol calls name, as t reads it.
	Parse(body []byte, t *bind.Type, name string) (bind.Value, error)
	Write(w *bytes.Buffer, name string, t *bind.Type, v reflect.Value) error
}

// Request is a request whose operation is known.
type Request struct {
	Match
	Params url.Values // of the query string
	Header http.Header
	Body   []byte
	Open   bool // there is a body that has not been read
	Format Format
	Whole  string // what the protocol calls a body that is no payload
}

// ParseQuery reads a query string. What belongs to the signature is left out, as is the operation's name, which clients
// may say beside the route. Whoever presigns a URL has headers of AWS's own in its query: they go into h, a copy of
// which is returned.
func ParseQuery(raw string, h http.Header) (url.Values, http.Header, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("the query string is malformed: %w", err)
	}
	delete(q, "x-id")
	own := false
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if len(name) < len(headers) || !strings.EqualFold(name[:len(headers)], headers) {
			continue
		}
		if !signature[strings.ToLower(name)] && len(h.Values(name)) == 0 {
			if !own {
				h, own = h.Clone(), true
			}
			h[http.CanonicalHeaderKey(name)] = q[name]
		}
		delete(q, name)
	}
	return q, h, nil
}

// headers is what the names of AWS's own headers begin with.
const headers = "x-amz-"

// signature is the parameters that are a presigned URL's signature.
var signature = map[string]bool{
	"x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true, "x-amz-expires": true, "x-amz-signedheaders": true,
	"x-amz-signature": true, "x-amz-security-token": true, "x-amz-content-sha256": true,
}

// Value gathers the members of t, an operation's input, from the places where they stand. A parameter
// or a member of the body that t does not have there is in it by a name that t does not have.
func (r *Request) Value(t *bind.Type) (bind.Value, error) {
	v, err := r.body(t)
	if err != nil {
		return v, err
	}
	add := func(name string, item bind.Value) {
		v.Names, v.Items = append(v.Names, name), append(v.Items, item)
	}
	taken := map[string]bool{}
	var rest *bind.Field // that takes all parameters which no other member does
	for i := range t.Fields {
		f := &t.Fields[i]
		switch f.Place {
		case bind.URI:
			if s, ok := r.Labels[f.Name]; ok {
				add(f.In, scalar(f, s))
			}
		case bind.Query:
			if f.Type.Kind == bind.Map {
				rest = f
				continue
			}
			if values, ok := r.Params[f.Name]; ok {
				taken[f.Name] = true
				item, err := parameter(f, values)
				if err != nil {
					return v, err
				}
				add(f.In, item)
			}
		case bind.Header:
			if values := r.Header.Values(f.Name); len(values) > 0 {
				add(f.In, header(f, strings.Join(values, ",")))
			}
		case bind.Headers:
			if item, ok := prefixed(f.Name, r.Header); ok {
				add(f.In, item)
			}
		}
	}
	r.others(taken, rest, add)
	return v, nil
}

// others adds the parameters that no member took: to rest where there is such a member, else each by a
// name that the input does not have.
func (r *Request) others(taken map[string]bool, rest *bind.Field, add func(string, bind.Value)) {
	all := bind.Value{Kind: bind.Object}
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		if _, constant := r.Query[name]; taken[name] || constant {
			continue
		}
		item := bind.Value{Kind: bind.Text, Text: r.Params[name][0]}
		if rest == nil {
			add("?"+name, item)
			continue
		}
		if rest.Type.Elem.Kind == bind.List {
			item = texts(r.Params[name])
		}
		all.Names, all.Items = append(all.Names, name), append(all.Items, item)
	}
	if rest != nil && len(all.Names) > 0 {
		add(rest.In, all)
	}
}

// body reads the members that stand in the body, or the one that is the body.
func (r *Request) body(t *bind.Type) (bind.Value, error) {
	f := Payload(t)
	if f == nil {
		v, err := r.Format.Parse(r.Body, t, r.Whole)
		for i, name := range v.Names {
			if f, ok := t.Field(name); ok && f.Place != bind.Body || strings.HasPrefix(name, "?") {
				v.Names[i] = "body:" + name
			}
		}
		return v, err
	}
	if f.Type.Kind == bind.Stream && (r.Open || len(r.Body) > 0) {
		return bind.Value{Kind: bind.Object, Names: []string{f.In}, Items: []bind.Value{{Kind: bind.Streamed}}}, nil
	}
	if len(r.Body) == 0 {
		return bind.Value{Kind: bind.Object}, nil
	}
	item := bind.Value{Kind: bind.Text, Text: string(r.Body)}
	switch f.Type.Kind {
	case bind.String:
	case bind.Blob:
		item.Text = base64.StdEncoding.EncodeToString(r.Body)
	default:
		var err error
		if item, err = r.Format.Parse(r.Body, f.Type, f.In); err != nil {
			return item, err
		}
	}
	return bind.Value{Kind: bind.Object, Names: []string{f.In}, Items: []bind.Value{item}}, nil
}

func texts(values []string) bind.Value {
	list := bind.Value{Kind: bind.Array}
	for _, s := range values {
		list.Items = append(list.Items, bind.Value{Kind: bind.Text, Text: s})
	}
	return list
}

func parameter(f *bind.Field, values []string) (bind.Value, error) {
	if f.Type.Kind != bind.List {
		if len(values) > 1 {
			return bind.Value{}, fmt.Errorf("the query string is malformed: the parameter %s is there twice", f.Name)
		}
		return scalar(f, values[0]), nil
	}
	list := bind.Value{Kind: bind.Array}
	for _, s := range values {
		list.Items = append(list.Items, text(f.Type.Elem, bind.ISO8601, s))
	}
	return list, nil
}

// scalar is the value of a label or parameter.
func scalar(f *bind.Field, s string) bind.Value { return text(f.Type, bind.ISO8601, s) }

func header(f *bind.Field, s string) bind.Value {
	if f.Type.Kind != bind.List {
		return text(f.Type, bind.HTTPDate, s)
	}
	list := bind.Value{Kind: bind.Array}
	items, err := split(s, f.Type.Elem.Kind == bind.Timestamp && f.Type.Elem.Format != bind.Epoch && f.Type.Elem.Format != bind.ISO8601)
	if err != nil {
		return bind.Value{Kind: bind.Plain, Text: s} // no list
	}
	for _, item := range items {
		list.Items = append(list.Items, text(f.Type.Elem, bind.HTTPDate, item))
	}
	return list
}

// text is what s says of a t, whose timestamps are of the usual format unless t has its own.
func text(t *bind.Type, usual bind.Format, s string) bind.Value {
	switch t.Kind {
	case bind.String, bind.Blob:
		return bind.Value{Kind: bind.Text, Text: s}
	case bind.Timestamp:
		return moment(t, usual, s)
	default:
		return bind.Value{Kind: bind.Plain, Text: s}
	}
}

func moment(t *bind.Type, usual bind.Format, s string) bind.Value {
	v := bind.Value{Kind: bind.Text, Text: s}
	_, err := strconv.ParseFloat(s, 64)
	switch {
	case t.Format == bind.Epoch && err == nil:
		v.Kind = bind.Number
	case t.Format == "" && usual == bind.HTTPDate:
		if at, err := time.Parse(http.TimeFormat, s); err == nil {
			v.Text = at.Format(time.RFC3339)
		}
	}
	return v
}

// prefixed gathers the headers whose names begin with prefix.
func prefixed(prefix string, h http.Header) (bind.Value, bool) {
	v := bind.Value{Kind: bind.Object}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		v.Names = append(v.Names, strings.ToLower(name[len(prefix):])) // a header's name has no case
		v.Items = append(v.Items, bind.Value{Kind: bind.Text, Text: strings.Join(h[name], ",")})
	}
	return v, len(v.Names) > 0
}

var errQuote = errors.New("a quotation mark is not closed")

// split takes a header's list apart. Items may be quoted; dates have a comma in them.
func split(s string, dates bool) ([]string, error) {
	var out []string
	var item strings.Builder
	quoted, commas := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\' && i+1 < len(s):
			i++
			item.WriteByte(s[i])
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted && (!dates || commas%2 == 1):
			out = append(out, strings.TrimSpace(item.String()))
			item.Reset()
			commas++
		case c == ',' && !quoted:
			commas++
			item.WriteByte(c)
		default:
			item.WriteByte(c)
		}
	}
	if quoted {
		return nil, errQuote
	}
	return append(out, strings.TrimSpace(item.String())), nil
}
