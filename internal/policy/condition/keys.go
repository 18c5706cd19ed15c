package condition

import (
	"maps"
	"strings"
)

// Keys are the values that a request has of condition keys. The names of keys
// match in either case, that of a tag behind the slash too.
type Keys struct {
	values map[string]values // by name in lower case
}

type values struct {
	of   []string
	many bool // the key can have several values, even if it has one
}

// Set gives a key its only value.
func (k *Keys) Set(name, value string) { k.put(name, values{of: []string{value}}) }

// SetMany gives a key that can have several values those it has, maybe none.
func (k *Keys) SetMany(name string, of ...string) { k.put(name, values{of: of, many: true}) }

func (k *Keys) put(name string, v values) {
	if k.values == nil {
		k.values = map[string]values{}
	}
	k.values[strings.ToLower(name)] = v
}

// With returns the keys and those of more, whose values count where both have some.
func (k Keys) With(more Keys) Keys {
	both := Keys{values: make(map[string]values, len(k.values)+len(more.values))}
	for _, from := range []Keys{k, more} {
		maps.Copy(both.values, from.values)
	}
	return both
}

// All calls f for each key, by its name in lower case, in no order.
func (k Keys) All(f func(name string, values []string)) {
	for name, v := range k.values {
		f(name, v.of)
	}
}

// Has tells whether the request has a value of a key.
func (k Keys) Has(name string) bool { return len(k.values[strings.ToLower(name)].of) > 0 }

// One returns the value of a key that can have only one.
func (k Keys) One(name string) (string, bool) {
	v := k.values[strings.ToLower(name)]
	if v.many || len(v.of) != 1 {
		return "", false
	}
	return v.of[0], true
}
