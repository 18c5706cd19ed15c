package bind

import (
	"reflect"
	"strconv"

	ecsdocument "github.com/aws/aws-sdk-go-v2/service/ecs/document"
)

// documents makes the SDK's document types; each service's module has its own.
var documents = map[reflect.Type]func(any) any{
	reflect.TypeFor[ecsdocument.Interface](): func(v any) any { return ecsdocument.NewLazyDocument(v) },
}

// plain is v as a document holds it.
func (v Value) plain() any {
	switch v.Kind {
	case True, False:
		return v.Kind == True
	case Number:
		if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return n
		}
		f, err := strconv.ParseFloat(v.Text, 64)
		if err != nil {
			return v.Text
		}
		return f
	case Text, Plain:
		return v.Text
	case Array:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			list[i] = item.plain()
		}
		return list
	case Object:
		m := make(map[string]any, len(v.Items))
		for i, item := range v.Items {
			m[v.Names[i]] = item.plain()
		}
		return m
	default:
		return nil
	}
}
