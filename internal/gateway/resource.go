package gateway

import (
	"reflect"
	"strings"
)

// maxNote bounds what a caller can put into the audit log.
const maxNote = 256

func short(s string) string { return s[:min(len(s), maxNote)] }

// resource guesses what a call is about: the first ARN in its input, else the
// first name, else the first id. in is a pointer to an input struct.
func resource(in any) string {
	v := reflect.Indirect(reflect.ValueOf(in))
	if v.Kind() != reflect.Struct {
		return ""
	}
	for _, match := range []func(field string) bool{
		func(f string) bool { return strings.HasSuffix(f, "Arn") || strings.HasSuffix(f, "Arns") },
		func(f string) bool { return f == "Service" || f == "Task" || f == "TaskDefinition" || f == "Family" },
		func(f string) bool { return strings.HasSuffix(f, "Name") || strings.HasSuffix(f, "Names") },
		func(f string) bool { return strings.HasSuffix(f, "Id") || strings.HasSuffix(f, "Ids") },
		func(f string) bool { return f == "Cluster" || f == "Clusters" || f == "Services" || f == "Tasks" },
	} {
		for f, value := range v.Fields() {
			if s := text(value); s != "" && match(f.Name) {
				return short(s)
			}
		}
	}
	return ""
}

// text returns the string in v, or the first of several.
func text(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return text(v.Elem())
		}
	case reflect.Slice:
		if v.Len() > 0 {
			return text(v.Index(0))
		}
	case reflect.String:
		return v.String()
	}
	return ""
}
