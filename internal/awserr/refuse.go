package awserr

import (
	"reflect"
	"slices"
)

// Refuse returns an error with the AWS error code when in, a pointer to one of
// the SDK's input structs, has a field set that isn't among supported (Go
// names). It names the first such field: nothing is accepted and dropped. A
// field is set when it isn't its type's zero value; an empty slice or map says
// nothing, so it counts as not set.
func Refuse(in any, code string, supported ...string) error {
	v := reflect.Indirect(reflect.ValueOf(in))
	for f, value := range v.Fields() {
		if !f.IsExported() || f.Name == "ResultMetadata" || slices.Contains(supported, f.Name) || !set(value) {
			continue
		}
		return New(code, "The parameter '%s' is not supported by Skylift.", f.Name)
	}
	return nil
}

func set(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() > 0
	default:
		return !v.IsZero()
	}
}
