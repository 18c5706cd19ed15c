// Package rpccbor reads and writes the bodies of the protocol Smithy RPC v2 CBOR.
//
// See https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html.
package rpccbor

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/skylift/skylift/internal/wire/bind"
)

// epoch is the tag of a timestamp, in seconds since 1970 (RFC 8949, section 3.4.2).
const epoch = 1

// reading takes what RFC 8949 allows, but a key that is there twice, which two
// readers could take for different requests.
var reading = must(cbor.DecOptions{
	DupMapKey: cbor.DupMapKeyEnforcedAPF, DefaultMapType: reflect.TypeFor[map[any]any](),
	IntDec: cbor.IntDecConvertNone, MaxNestedLevels: 64, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 20,
}.DecMode())

// writing makes the same bytes of the same answer.
var writing = must(cbor.EncOptions{Sort: cbor.SortBytewiseLexical}.EncMode())

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constant
	}
	return v
}

// Parse reads a body, which is a map. An empty one is an empty map.
func Parse(body []byte) (bind.Value, error) {
	if len(body) == 0 {
		return bind.Value{Kind: bind.Object}, nil
	}
	var raw any
	if err := reading.Unmarshal(body, &raw); err != nil {
		return bind.Value{}, fmt.Errorf("the body is not valid CBOR: %w", err)
	}
	v := value(raw)
	if v.Kind != bind.Object {
		return v, errors.New("the body is not a CBOR map")
	}
	return v, nil
}

// value is what raw says. A timestamp is a number of seconds, to the millisecond.
func value(raw any) bind.Value {
	switch raw := raw.(type) {
	case nil:
		return bind.Value{Kind: bind.Null}
	case bool:
		if raw {
			return bind.Value{Kind: bind.True}
		}
		return bind.Value{Kind: bind.False}
	case uint64:
		return bind.Value{Kind: bind.Number, Text: strconv.FormatUint(raw, 10)}
	case int64:
		return bind.Value{Kind: bind.Number, Text: strconv.FormatInt(raw, 10)}
	case big.Int:
		return bind.Value{Kind: bind.Number, Text: raw.String()}
	case float32:
		return number(float64(raw), 32)
	case float64:
		return number(raw, 64)
	case string:
		return bind.Value{Kind: bind.Text, Text: raw}
	case []byte:
		return bind.Value{Kind: bind.Text, Text: base64.StdEncoding.EncodeToString(raw)}
	case time.Time: // of the tag of epoch
		return number(float64(raw.UnixMilli())/1000, 64)
	case cbor.Tag:
		return value(raw.Content)
	case []any:
		v := bind.Value{Kind: bind.Array, Items: make([]bind.Value, len(raw))}
		for i, item := range raw {
			v.Items[i] = value(item)
		}
		return v
	case map[any]any:
		return object(raw)
	}
	return bind.Value{Kind: bind.Mixed} // fits no type
}

func number(f float64, bits int) bind.Value {
	text := strconv.FormatFloat(f, 'g', -1, bits)
	switch text {
	case "NaN":
		return bind.Value{Kind: bind.Text, Text: text}
	case "+Inf":
		return bind.Value{Kind: bind.Text, Text: "Infinity"}
	case "-Inf":
		return bind.Value{Kind: bind.Text, Text: "-Infinity"}
	}
	return bind.Value{Kind: bind.Number, Text: text}
}

func object(raw map[any]any) bind.Value {
	items := make(map[string]any, len(raw))
	for k, item := range raw {
		name, ok := k.(string)
		if !ok {
			return bind.Value{Kind: bind.Mixed}
		}
		items[name] = item
	}
	v := bind.Value{Kind: bind.Object}
	for _, name := range slices.Sorted(maps.Keys(items)) {
		v.Names, v.Items = append(v.Names, name), append(v.Items, value(items[name]))
	}
	return v
}

// Write writes v, which is of t's Go type, a structure. What is not set is left out.
func Write(w *bytes.Buffer, t *bind.Type, v reflect.Value) error {
	return writing.NewEncoder(w).Encode(Tree(t, v))
}

// Encode writes a map.
func Encode(m map[string]any) ([]byte, error) { return writing.Marshal(m) }

// Fields are the members of a body of v, of type t, that are set, as Encode takes them.
func Fields(t *bind.Type, v reflect.Value) map[string]any {
	m := map[string]any{}
	for i := range t.Fields {
		f := &t.Fields[i]
		if fv, ok := f.Value(v); ok && f.Place == bind.Body {
			m[f.Out] = Tree(f.Type, fv)
		}
	}
	return m
}

// Tree is v, of type t, in the types that Encode takes.
func Tree(t *bind.Type, v reflect.Value) any {
	switch t.Kind {
	case bind.Struct:
		return Fields(t, v)
	case bind.Union:
		f, fv, ok := t.Variant(v)
		if !ok { // a struct of the SDK's that a newer descriptor would have
			return nil
		}
		return map[string]any{f.Out: Tree(f.Type, fv)}
	case bind.List:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = Tree(t.Elem, t.Element(v.Index(i)))
		}
		return items
	case bind.Map:
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = Tree(t.Elem, t.Element(it.Value()))
		}
		return m
	case bind.Timestamp:
		return cbor.Tag{Number: epoch, Content: float64(v.Interface().(time.Time).UnixMilli()) / 1000}
	case bind.String:
		return v.String()
	default:
		return v.Interface()
	}
}
