package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// sampler makes inputs of a service's operations that the wire lets pass: what must be there, within the constraints of AWS's API models.
type sampler struct{ desc *descriptor.Service }

// input fills in, a pointer to the input of an operation: with more, in JSON, over what the models say; "" is nothing.
func (s sampler) input(operation string, in reflect.Value, more string) error {
	if err := s.structure(s.desc.Shapes[s.desc.Operations[operation].Input], in.Elem()); err != nil {
		return err
	}
	if more == "" {
		return nil
	}
	return json.Unmarshal([]byte(more), in.Interface())
}

func (s sampler) structure(shape *descriptor.Shape, v reflect.Value) error {
	if shape == nil { // it has no members
		return nil
	}
	for _, m := range shape.Members {
		if !m.Required {
			continue
		}
		f := v.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, m.Name) })
		if !f.IsValid() {
			return fmt.Errorf("%s has no field for %s", v.Type(), m.Name)
		}
		if err := s.fill(s.desc.Shapes[m.Shape], f); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

// fill sets v to a value of the shape.
func (s sampler) fill(shape *descriptor.Shape, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return s.fill(shape, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Now()))
			return nil
		}
		return s.structure(shape, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("x"))
			return nil
		}
		n := max(1, int(bound(shape.Min, 1)))
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			if err := s.fill(s.desc.Shapes[shape.Element.Shape], v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := s.fill(s.desc.Shapes[shape.Key.Shape], key); err != nil {
			return err
		}
		if err := s.fill(s.desc.Shapes[shape.Element.Shape], value); err != nil {
			return err
		}
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		text, err := sampleText(shape)
		v.SetString(text)
		return err
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(max(1, int64(bound(shape.Min, 1))))
	case reflect.Float64, reflect.Float32:
		v.SetFloat(bound(shape.Min, 1))
	case reflect.Interface: // a body
		v.Set(reflect.ValueOf(io.Reader(strings.NewReader("x"))))
	default:
		return fmt.Errorf("no sample for a %s", v.Type())
	}
	return nil
}

func bound(limit *float64, otherwise float64) float64 {
	if limit == nil {
		return otherwise
	}
	return *limit
}

// sampleText returns a text within the constraints of a shape.
func sampleText(shape *descriptor.Shape) (string, error) {
	least, most := int(bound(shape.Min, 1)), int(bound(shape.Max, 1<<20))
	switch {
	case len(shape.Enum) > 0:
		return shape.Enum[0], nil
	case shape.Pattern == "":
		return strings.Repeat("x", max(1, least)), nil
	}
	tree, err := syntax.Parse(shape.Pattern, syntax.Perl)
	if err != nil {
		return "", err
	}
	tree = tree.Simplify()
	whole := regexp.MustCompile(`\A(?:` + shape.Pattern + `)\z`)
	for n := range 300 {
		for which := range 4 {
			made := matching(tree, n, which)
			if l := utf8.RuneCountInString(made); l >= max(1, least) && l <= most && whole.MatchString(made) {
				return made, nil
			}
		}
	}
	return "", fmt.Errorf("no text found for the pattern %s", shape.Pattern)
}

// matching makes a text that an expression matches: what may be repeated is there n times, and of alternatives the one at which is taken.
func matching(re *syntax.Regexp, n, which int) string {
	times := func(re *syntax.Regexp, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(matching(re, n, which))
		}
		return b.String()
	}
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return string(oneOf(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpStar:
		return times(re.Sub[0], n)
	case syntax.OpPlus:
		return times(re.Sub[0], max(1, n))
	case syntax.OpQuest:
		return times(re.Sub[0], min(1, n))
	case syntax.OpRepeat:
		return times(re.Sub[0], max(re.Min, min(n, re.Max)))
	case syntax.OpAlternate:
		return matching(re.Sub[which%len(re.Sub)], n, which)
	case syntax.OpCapture, syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(matching(sub, n, which))
		}
		return b.String()
	}
	return ""
}

// oneOf returns a rune of a class, which is pairs of first and last ones: a plain one, if it has any.
func oneOf(class []rune) rune {
	for _, r := range "a0A-/" {
		for i := 0; i < len(class); i += 2 {
			if class[i] <= r && r <= class[i+1] {
				return r
			}
		}
	}
	return class[0]
}
