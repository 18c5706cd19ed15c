package ecs

import (
	"reflect"
	"slices"
	"strings"
)

// explicit are defaults that clients send although they needn't.
var explicit = map[string]string{
	"Strategy": "ROLLING",
}

// refuse returns an error, made by fail, when in, a pointer to one of the SDK's
// structs, has a member set that isn't among supported (Go names). It names the
// first such member: nothing is accepted and dropped. where, if not empty, says
// what in belongs to. What says nothing counts as not set: an empty list or
// structure, false, and the defaults of ECS.
func refuse(in any, fail func(string, ...any) error, where string, supported ...string) error {
	v := reflect.Indirect(reflect.ValueOf(in))
	for f, value := range v.Fields() {
		if !f.IsExported() || f.Name == "ResultMetadata" || slices.Contains(supported, f.Name) || blank(value) {
			continue
		}
		if d, ok := explicit[f.Name]; ok && value.Kind() == reflect.String && value.String() == d {
			continue
		}
		name := strings.ToLower(f.Name[:1]) + f.Name[1:]
		if where != "" {
			name += "' of '" + where
		}
		return fail("The parameter '%s' is not supported by Skylift.", name)
	}
	return nil
}

// blank says whether a member says nothing.
func blank(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Pointer:
		return v.IsNil() || blank(v.Elem())
	case reflect.Struct:
		for _, f := range v.Fields() {
			if !blank(f) {
				return false
			}
		}
		return true
	default:
		return v.IsZero()
	}
}
