package wire

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	ecsdocument "github.com/aws/aws-sdk-go-v2/service/ecs/document"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/bind"
)

// comparers compare SDK values, but for what the client adds itself.
var comparers = []cmp.Option{
	cmp.Comparer(func(a, b middleware.Metadata) bool { return true }),
	cmp.Comparer(func(a, b ecsdocument.Interface) bool {
		ab, _ := a.MarshalSmithyDocument()
		bb, _ := b.MarshalSmithyDocument()
		return string(ab) == string(bb)
	}),
	// Streams have tests of their own.
	cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().Type() == reflect.TypeFor[io.Reader]() || p.Last().Type() == reflect.TypeFor[io.ReadCloser]()
	}, cmp.Ignore()),
	cmp.FilterPath(func(p cmp.Path) bool {
		return strings.HasPrefix(p.Last().String(), ".noSmithyDocumentSerde") || p.Last().String() == ".ExpiresString"
	}, cmp.Ignore()),
}

var when = time.Date(2026, 3, 4, 5, 6, 7, 890e6, time.UTC)

// deepest bounds shapes that hold themselves.
const deepest = 12

// fill sets dst, and all in it, to values that follow from the type alone.
func fill(t *bind.Type, dst reflect.Value, depth int) {
	text := fmt.Sprintf("%s <&>\"'\n\té\U0001F600 %d", t.Shape, depth)
	switch t.Kind {
	case bind.String:
		dst.SetString(text)
	case bind.Bool:
		dst.SetBool(true)
	case bind.Integer, bind.Long:
		dst.SetInt(1<<(dst.Type().Bits()-2) + int64(depth))
	case bind.Float, bind.Double:
		dst.SetFloat(0.1 + float64(depth))
	case bind.Timestamp:
		dst.Set(reflect.ValueOf(when))
	case bind.Blob:
		dst.SetBytes([]byte{0, 0xff, 'a'})
	case bind.Document:
		dst.Set(reflect.ValueOf(ecsdocument.NewLazyDocument(map[string]any{"a": []any{"b", true}})))
	case bind.List:
		dst.Set(reflect.MakeSlice(t.Go, 2, 2))
		for i := range 2 {
			fillOptional(t.Elem, t.ElemPtr, dst.Index(i), depth+i)
		}
	case bind.Map:
		dst.Set(reflect.MakeMap(t.Go))
		for _, k := range []string{"k1", "k \"2\""} {
			e := reflect.New(t.Go.Elem()).Elem()
			fillOptional(t.Elem, t.ElemPtr, e, depth)
			dst.SetMapIndex(reflect.ValueOf(k).Convert(t.Go.Key()), e)
		}
	case bind.Union:
		made := reflect.New(t.Fields[depth%len(t.Fields)].Case)
		f := &t.Fields[depth%len(t.Fields)]
		fill(f.Type, made.Elem().Field(f.Index), depth+1)
		dst.Set(made)
	case bind.Struct:
		for _, f := range t.Fields {
			if depth < deepest {
				fillOptional(f.Type, f.Ptr, dst.Field(f.Index), depth+1)
			}
		}
	}
}

// plainText makes all texts in v of letters that stand in headers and paths, too, and all times whole seconds.
func plainText(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		plainText(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(when.Truncate(time.Second)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				plainText(v.Field(i))
			}
		}
	case reflect.String:
		switch {
		case !v.CanSet() || v.Len() == 0:
		case v.Type().Name() == "ChecksumAlgorithm":
			v.SetString("CRC32")
		default:
			v.SetString("a-Z_0 9")
		}
	case reflect.Slice:
		for i := range v.Len() {
			plainText(v.Index(i))
		}
	case reflect.Map:
		if v.Type().Elem().Kind() != reflect.String || v.Len() == 0 {
			return
		}
		made := reflect.MakeMap(v.Type())
		made.SetMapIndex(reflect.ValueOf("key-1"), reflect.ValueOf("a-Z_0 9"))
		v.Set(made)
	}
}

func fillOptional(t *bind.Type, ptr bool, dst reflect.Value, depth int) {
	if ptr {
		dst.Set(reflect.New(t.Go))
		dst = dst.Elem()
	}
	fill(t, dst, depth)
}
