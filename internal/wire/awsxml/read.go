// Package awsxml reads and writes the XML bodies of the protocols.
package awsxml

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/wire/bind"
)

const deepest = 32

var errMalformed = errors.New("the body is not well-formed XML")

// instance is the namespace whose attributes say something of the document and not of what is in it.
const instance = "http://www.w3.org/2001/XMLSchema-instance"

// Parse reads a body, which is an element called name, as t reads it. An empty one is an empty object. An element
// or attribute that t does not have is in the value by its own name.
func Parse(body []byte, t *bind.Type, name string) (bind.Value, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return bind.Value{Kind: bind.Object}, nil
	}
	p := parser{d: xml.NewDecoder(bytes.NewReader(body))}
	start, err := p.start()
	if err != nil {
		return bind.Value{}, err
	}
	if start.Name.Local != name {
		return bind.Value{}, fmt.Errorf("the body is the element %.100s, not %s", start.Name.Local, name)
	}
	v, err := p.value(start, t, 0)
	if err == nil {
		err = p.end()
	}
	return v, err
}

type parser struct{ d *xml.Decoder }

// token returns the next token but for comments and instructions.
func (p parser) token() (xml.Token, error) {
	for {
		tok, err := p.d.Token()
		switch tok.(type) {
		case xml.Comment, xml.ProcInst:
			continue
		case xml.Directive: // entities may come with one
			return nil, errors.New("the body must have no document type declaration")
		}
		if err != nil && !errors.Is(err, io.EOF) {
			err = errMalformed
		}
		return tok, err
	}
}

func (p parser) start() (xml.StartElement, error) {
	for {
		tok, err := p.token()
		if errors.Is(err, io.EOF) {
			err = errMalformed
		}
		if err != nil {
			return xml.StartElement{}, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			return tok, nil
		case xml.CharData:
			if len(bytes.TrimSpace(tok)) > 0 {
				return xml.StartElement{}, errMalformed
			}
		}
	}
}

func (p parser) end() error {
	for {
		tok, err := p.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if text, ok := tok.(xml.CharData); err != nil || !ok || len(bytes.TrimSpace(text)) > 0 {
			return errMalformed
		}
	}
}

// value reads the element that began with start.
func (p parser) value(start xml.StartElement, t *bind.Type, depth int) (bind.Value, error) {
	if depth > deepest {
		return bind.Value{}, errors.New("the body is nested too deeply")
	}
	switch t.Kind {
	case bind.Struct, bind.Union:
		return p.object(start, t, depth)
	case bind.List:
		return p.list(t, depth)
	case bind.Map:
		return p.dict(t, depth)
	}
	return p.scalar(t)
}

// each calls f for every element in the one that is being read.
func (p parser) each(f func(xml.StartElement) error) error {
	for {
		tok, err := p.token()
		if err != nil {
			return errMalformed
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if err := f(tok); err != nil {
				return err
			}
		case xml.CharData:
			if text := bytes.TrimSpace(tok); len(text) > 0 {
				return fmt.Errorf("the text '%.100s' stands where elements do", text)
			}
		case xml.EndElement:
			return nil
		}
	}
}

func (p parser) object(start xml.StartElement, t *bind.Type, depth int) (bind.Value, error) {
	v := bind.Value{Kind: bind.Object}
	at := map[string]int{}
	set := func(name string, item bind.Value) error {
		if _, twice := at[name]; twice {
			return fmt.Errorf("'%.100s' is there twice", name)
		}
		at[name] = len(v.Names)
		v.Names, v.Items = append(v.Names, name), append(v.Items, item)
		return nil
	}
	if err := attributes(start, t, set); err != nil {
		return v, err
	}
	err := p.each(func(start xml.StartElement) error {
		name := start.Name.Local
		f, ok := t.Field(name)
		switch {
		case !ok || f.Attribute:
			if p.d.Skip() != nil {
				return errMalformed
			}
			if ok {
				name = "element " + name
			}
			_ = set(name, bind.Value{}) // that it is there is said once
			return nil
		case !f.Flattened:
			item, err := p.value(start, f.Type, depth+1)
			if err != nil {
				return err
			}
			return set(name, item)
		}
		if _, there := at[name]; !there {
			_ = set(name, bind.Value{Kind: map[bool]bind.ValueKind{true: bind.Object, false: bind.Array}[f.Type.Kind == bind.Map]})
		}
		return p.more(&v.Items[at[name]], start, f.Type, depth+1)
	})
	return v, err
}

// more adds an element to a list or map that has none around it.
func (p parser) more(v *bind.Value, start xml.StartElement, t *bind.Type, depth int) error {
	if t.Kind == bind.Map {
		return p.entry(v, t, depth)
	}
	item, err := p.value(start, t.Elem, depth)
	v.Items = append(v.Items, item)
	return err
}

func attributes(start xml.StartElement, t *bind.Type, set func(string, bind.Value) error) error {
	for _, a := range start.Attr {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		name := a.Name.Local
		if t.Namespace != "" && a.Name.Space == t.Namespace {
			name = t.Prefix + ":" + name
		}
		f, ok := t.Field(name)
		switch {
		case ok && f.Attribute:
			if err := set(name, text(f.Type, a.Value)); err != nil {
				return err
			}
		case a.Name.Space != instance:
			_ = set("attribute "+name, bind.Value{})
		}
	}
	return nil
}

func (p parser) list(t *bind.Type, depth int) (bind.Value, error) {
	v := bind.Value{Kind: bind.Array}
	name := cmp.Or(t.ElemName, "member")
	err := p.each(func(start xml.StartElement) error {
		if start.Name.Local != name {
			return fmt.Errorf("the element %.100s stands where %s is expected", start.Name.Local, name)
		}
		item, err := p.value(start, t.Elem, depth+1)
		v.Items = append(v.Items, item)
		return err
	})
	return v, err
}

func (p parser) dict(t *bind.Type, depth int) (bind.Value, error) {
	v := bind.Value{Kind: bind.Object}
	err := p.each(func(start xml.StartElement) error {
		if start.Name.Local != "entry" {
			return fmt.Errorf("the element %.100s stands where entry is expected", start.Name.Local)
		}
		return p.entry(&v, t, depth+1)
	})
	return v, err
}

// entry adds a key with its value.
func (p parser) entry(v *bind.Value, t *bind.Type, depth int) error {
	var key, item *bind.Value
	err := p.each(func(start xml.StartElement) error {
		to, of := &key, t.Key
		switch start.Name.Local {
		case cmp.Or(t.KeyName, "key"):
		case cmp.Or(t.ElemName, "value"):
			to, of = &item, t.Elem
		default:
			return fmt.Errorf("the element %.100s is none of a map's entry", start.Name.Local)
		}
		if *to != nil {
			return fmt.Errorf("'%s' is there twice", start.Name.Local)
		}
		one, err := p.value(start, of, depth+1)
		*to = &one
		return err
	})
	if err == nil && (key == nil || item == nil) {
		err = errors.New("an entry of a map lacks its key or its value")
	}
	if err == nil {
		v.Names, v.Items = append(v.Names, key.Text), append(v.Items, *item)
	}
	return err
}

// scalar reads text. An element with others in it is no scalar.
func (p parser) scalar(t *bind.Type) (bind.Value, error) {
	var b strings.Builder
	mixed := false
	for {
		tok, err := p.token()
		if err != nil {
			return bind.Value{}, errMalformed
		}
		switch tok := tok.(type) {
		case xml.CharData:
			b.Write(tok)
		case xml.EndElement:
			if mixed {
				return bind.Value{Kind: bind.Mixed}, nil
			}
			return text(t, b.String()), nil
		case xml.StartElement:
			mixed = true
			if p.d.Skip() != nil {
				return bind.Value{}, errMalformed
			}
		}
	}
}

// text is what s says of a t.
func text(t *bind.Type, s string) bind.Value {
	switch t.Kind {
	case bind.String, bind.Blob:
		return bind.Value{Kind: bind.Text, Text: s}
	case bind.Timestamp:
		s = strings.TrimSpace(s)
		if _, err := strconv.ParseFloat(s, 64); t.Format == bind.Epoch && err == nil {
			return bind.Value{Kind: bind.Number, Text: s}
		}
		return bind.Value{Kind: bind.Text, Text: s}
	default:
		return bind.Value{Kind: bind.Plain, Text: strings.TrimSpace(s)}
	}
}

// Format is the bodies of a service whose elements are in a namespace.
type Format struct{ Namespace string }

// Parse reads a body, which is an element called name.
func (Format) Parse(body []byte, t *bind.Type, name string) (bind.Value, error) {
	return Parse(body, t, name)
}

// Write writes a body.
func (f Format) Write(w *bytes.Buffer, name string, t *bind.Type, v reflect.Value) error {
	return Write(w, name, f.Namespace, t, v)
}
