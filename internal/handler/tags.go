package handler

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

// AWS's limits of a tag, in characters
// (https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html#tag-conventions).
const (
	MaxTagKey   = 128
	MaxTagValue = 256
)

// Tags are those of a resource, by their keys. A record keeps an empty map, not nil, of a resource that had some: the
// Resource Groups Tagging API lists it.
type Tags = map[string]string

// Tag is one tag.
type Tag struct{ Key, Value string }

// TagType reads and makes a service's own type of a tag.
type TagType[T any] struct {
	Read func(T) (key, value *string)
	Make func(key, value *string) T
}

// From returns tags as they were given, in their order and with duplicates. What is nil is "".
func (y TagType[T]) From(given []T) []Tag {
	out := make([]Tag, len(given))
	for i, t := range given {
		key, value := y.Read(t)
		if key != nil {
			out[i].Key = *key
		}
		if value != nil {
			out[i].Value = *value
		}
	}
	return out
}

// To returns tags in the service's type, in the order of their keys; an empty list, not nil, when there are none.
func (y TagType[T]) To(tags Tags) []T {
	out := make([]T, 0, len(tags))
	for _, t := range Sorted(tags) {
		out = append(out, y.Make(&t.Key, &t.Value))
	}
	return out
}

// Sorted returns tags in the order of their keys.
func Sorted(tags Tags) []Tag {
	out := make([]Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, Tag{k, tags[k]})
	}
	return out
}

// TagRules is what a service says of tags that it does not take. Where a function is nil, the service does not look.
type TagRules struct {
	// Most is how many tags a resource may have. Those of AWS itself, which begin with "aws:", don't count.
	Most    int
	TooMany func() error
	// BadKey is for a key that is empty, longer than MaxTagKey or not of Letters.
	BadKey func(key string) error
	// BadValue is for a value that is longer than MaxTagValue or not of Letters.
	BadValue func(key, value string) error
	// Letters matches keys and values as a whole; nil is any.
	Letters *regexp.Regexp
	// Reserved is for a key that begins with "aws:", in capitals or not.
	Reserved func(key string) error
	// Twice is for a key that one request has more than once. Without it the last one holds.
	Twice func(key string) error
}

// Reserved says whether only AWS itself may set tags with that key.
func Reserved(key string) bool {
	const prefix = "aws:"
	return len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix)
}

// Faults is all that is wrong with tags that are to be added, whatever tags the resource has.
func (r TagRules) Faults(given []Tag) (f awserr.Faults) {
	seen := map[string]bool{}
	for _, t := range given {
		f.Add(r.fault(t))
		if seen[t.Key] && r.Twice != nil {
			f.Add(r.Twice(t.Key))
		}
		seen[t.Key] = true
	}
	if len(seen) > r.Most {
		f.Add(r.TooMany())
	}
	return f
}

// fault is what is wrong with one tag, whatever others there are.
func (r TagRules) fault(t Tag) error {
	switch {
	case r.Reserved != nil && Reserved(t.Key):
		return r.Reserved(t.Key)
	case r.BadKey != nil && (t.Key == "" || !r.fits(t.Key, MaxTagKey)):
		return r.BadKey(t.Key)
	case r.BadValue != nil && !r.fits(t.Value, MaxTagValue):
		return r.BadValue(t.Key, t.Value)
	}
	return nil
}

// fits says whether s has no more characters than most, and only those that it may have.
func (r TagRules) fits(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && (r.Letters == nil || r.Letters.MatchString(s))
}

// Keys is the first fault of keys whose tags are to be removed: AWS's own stay.
func (r TagRules) Keys(keys []string) error {
	for _, k := range keys {
		if err := r.fault(Tag{Key: k}); err != nil {
			return err
		}
	}
	return nil
}

// Add returns has with the given tags in it, which replace those with the same keys. It is a map of its own; nil when
// there never were any.
func (r TagRules) Add(has Tags, given []Tag) (Tags, error) {
	if err := r.Faults(given).First(); err != nil {
		return nil, err
	}
	all := maps.Clone(has)
	if all == nil && len(given) > 0 {
		all = Tags{}
	}
	for _, t := range given {
		all[t.Key] = t.Value
	}
	own := 0
	for k := range all {
		if !Reserved(k) {
			own++
		}
	}
	if own > r.Most {
		return nil, r.TooMany()
	}
	return all, nil
}

// Without returns has without the tags that have these keys, as a map of its own; nil when there never were any.
func Without(has Tags, keys []string) Tags {
	all := maps.Clone(has)
	for _, k := range keys {
		delete(all, k)
	}
	return all
}

// Retag returns the tags of the record at key and, when change isn't nil, puts in their place what it makes of them and
// returns that. Of points at a record's tags, and none makes the service's error for a key that has no record.
func Retag[T any](tx store.Tx, t *store.Table[T], key string, none func(key string) error, of func(*T) *Tags, change func(Tags) (Tags, error)) (Tags, error) {
	v, err := Get(tx, t, key, none)
	if err != nil || change == nil {
		return *of(&v), err
	}
	if *of(&v), err = change(*of(&v)); err != nil {
		return nil, err
	}
	return *of(&v), t.Put(tx, key, v)
}

// EachTagged calls each with the ARN and a copy of the tags of every record that has tags or had some. Of returns nil
// tags of a record that is not to be listed.
func EachTagged[T any](tx store.Tx, t *store.Table[T], each func(arn string, tags map[string]string), of func(*T) (arn string, tags Tags)) error {
	for v, err := range t.Peek(tx, "") {
		if err != nil {
			return fmt.Errorf("list tagged records of %s: %w", t.Name(), err)
		}
		if arn, tags := of(v); tags != nil {
			each(arn, maps.Clone(tags))
		}
	}
	return nil
}

// TagsOf returns the tags of the record at key; none when there is no such record.
func TagsOf[T any](tx store.Tx, t *store.Table[T], key string, of func(*T) Tags) (map[string]string, error) {
	v, ok, err := Find(tx, t, key)
	if !ok || err != nil {
		return nil, err
	}
	return of(&v), nil
}

// TagsAsMap is the step to the version of a table whose records have a map of Tags where they had a list.
func TagsAsMap(_ string, old []byte) (next store.Next, err error) {
	var record map[string]json.RawMessage
	if err := json.Unmarshal(old, &record); err != nil {
		return next, err
	}
	var list []Tag
	if record["Tags"] != nil {
		err = json.Unmarshal(record["Tags"], &list)
	}
	if err != nil || list == nil {
		return store.Next{Record: old}, err
	}
	tags := Tags{}
	for _, t := range list {
		tags[t.Key] = t.Value
	}
	if record["Tags"], err = json.Marshal(tags); err != nil {
		return next, err
	}
	next.Record, err = json.Marshal(record)
	return next, err
}
