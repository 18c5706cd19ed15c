package request

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/wire"
)

// Attributes is what can be done with the attributes of balancers, listeners and target groups alike. T is the
// API's type of one.
type Attributes[T any] struct {
	Of    string // what has them, in messages
	Known map[string]elbv2.Attribute
	Read  func(T) (key, value *string)
	Make  func(key, value *string) T
}

// Fault says why an attribute can't have its value, if so. It notes a value that is kept without effect.
func (a Attributes[T]) Fault(ctx context.Context, at T) error {
	key, value := a.read(at)
	is, ok := a.Known[key]
	switch {
	case !ok:
		return Invalid("%s attribute key '%s' is not recognized", a.Of, key)
	case value == is.Default:
		return nil
	case is.Check == nil:
		return Misconfigured("The value '%s' of attribute '%s' is not supported by Skylift: only '%s' is", value, key, is.Default)
	case !is.Check(value):
		return Invalid("%s attribute '%s' must be %s, not '%s'", a.Of, key, is.Want, value)
	case is.Kept != "":
		wire.Keep(ctx, "Attributes."+key)
	}
	return nil
}

// Faults says why one of the attributes can't have its value, the first; nil if all can.
func (a Attributes[T]) Faults(ctx context.Context, list []T) error {
	for _, at := range list {
		if err := a.Fault(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// Set returns those that a record has with those of the list.
func (a Attributes[T]) Set(has map[string]string, list []T) map[string]string {
	out := maps.Clone(has)
	if out == nil {
		out = make(map[string]string)
	}
	for _, at := range list {
		key, value := a.read(at)
		out[key] = value
	}
	return out
}

// Some lists those of the attributes that a record has, with its values.
func (a Attributes[T]) Some(has func(key string) bool, value func(key string) string) (out []T) {
	for _, at := range a.All(value) {
		if key, _ := a.read(at); has(key) {
			out = append(out, at)
		}
	}
	return out
}

// All lists all attributes with the values that a record has.
func (a Attributes[T]) All(value func(key string) string) (out []T) {
	for _, key := range slices.Sorted(maps.Keys(a.Known)) {
		out = append(out, a.Make(&key, new(value(key))))
	}
	return out
}

func (a Attributes[T]) read(at T) (key, value string) {
	k, v := a.Read(at)
	return aws.ToString(k), aws.ToString(v)
}
