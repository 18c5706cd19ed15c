package handler

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// said is an error that a test tells apart by its text.
func said(what string) func(string) error {
	return func(key string) error { return fmt.Errorf("%s %s", what, key) }
}

var rules = TagRules{
	Most: 3, TooMany: func() error { return errors.New("too many") },
	BadKey: said("key"), BadValue: func(key, _ string) error { return said("value")(key) }, Reserved: said("reserved"), Twice: said("twice"),
}

func TestTagFaults(t *testing.T) {
	t.Parallel()
	letters := rules
	letters.Letters = regexp.MustCompile(`\A\pL*\z`)
	long := strings.Repeat("ж", MaxTagKey) // 256 bytes
	for _, tt := range []struct {
		name  string
		rules TagRules
		given []Tag
		want  []string
	}{
		{"none", rules, nil, nil},
		{"fine", rules, []Tag{{"a", ""}, {"b", "x"}}, nil},
		{"a key as long as may be", rules, []Tag{{long, ""}}, nil},
		{"a key that is longer", rules, []Tag{{long + "ж", ""}}, []string{"key " + long + "ж"}},
		{"no key", rules, []Tag{{"", "x"}}, []string{"key "}},
		{"a value as long as may be", rules, []Tag{{"a", long + long}}, nil},
		{"a value that is longer", rules, []Tag{{"a", long + long + "ж"}}, []string{"value a"}},
		{"AWS's", rules, []Tag{{"aws:a", ""}, {"AwS:b", ""}, {"aws", ""}}, []string{"reserved aws:a", "reserved AwS:b"}},
		{"twice", rules, []Tag{{"a", "1"}, {"b", ""}, {"a", "2"}}, []string{"twice a"}},
		{"too many", rules, []Tag{{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}}, []string{"too many"}},
		{"letters", letters, []Tag{{"a", "b"}, {"a1", ""}, {"b", "1"}}, []string{"key a1", "value b"}},
		{"who doesn't look", TagRules{Most: 3}, []Tag{{"", long + long + "ж"}, {"aws:", ""}, {"aws:", ""}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, err := range tt.rules.Faults(tt.given) {
				got = append(got, err.Error())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddTags(t *testing.T) {
	t.Parallel()
	last := rules
	last.Twice = nil
	for _, tt := range []struct {
		name  string
		rules TagRules
		has   Tags
		given []Tag
		want  Tags
		err   string
	}{
		{"none to none", rules, nil, nil, nil, ""},
		{"none to what had some", rules, Tags{}, nil, Tags{}, ""},
		{"the first", rules, nil, []Tag{{"a", "1"}}, Tags{"a": "1"}, ""},
		{"another value", rules, Tags{"a": "1", "b": "2"}, []Tag{{"a", "3"}}, Tags{"a": "3", "b": "2"}, ""},
		{"the last of two", last, nil, []Tag{{"a", "1"}, {"a", "2"}}, Tags{"a": "2"}, ""},
		{"twice", rules, nil, []Tag{{"a", "1"}, {"a", "2"}}, nil, "twice a"},
		{"one too many", rules, Tags{"a": "", "b": "", "c": ""}, []Tag{{"d", ""}}, nil, "too many"},
		{"AWS's don't count", rules, Tags{"a": "", "b": "", "aws:c": ""}, []Tag{{"d", ""}}, Tags{"a": "", "b": "", "aws:c": "", "d": ""}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(tt.has)
			got, err := tt.rules.Add(tt.has, tt.given)
			if !maps.Equal(got, tt.want) || (got == nil) != (tt.want == nil) || text(err) != tt.err {
				t.Errorf("got %v, %v, want %v, %s", got, err, tt.want, tt.err)
			}
			if !maps.Equal(tt.has, before) {
				t.Errorf("changed what it was given to %v", tt.has)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRemoveTags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		has  Tags
		keys []string
		want Tags
	}{
		{"one", Tags{"a": "1", "b": "2"}, []string{"a"}, Tags{"b": "2"}},
		{"the last", Tags{"a": "1"}, []string{"a"}, Tags{}},
		{"one that isn't there", Tags{"a": "1"}, []string{"b", "a"}, Tags{}},
		{"none", nil, []string{"a"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(tt.has)
			got := Without(tt.has, tt.keys)
			if !maps.Equal(got, tt.want) || (got == nil) != (tt.want == nil) || !maps.Equal(tt.has, before) {
				t.Errorf("got %v of %v, want %v", got, tt.has, tt.want)
			}
		})
	}
	for key, want := range map[string]string{"a": "", "aws:a": "reserved aws:a", "": "key "} {
		if got := text(rules.Keys([]string{"x", key})); got != want {
			t.Errorf("key %q: got %q, want %q", key, got, want)
		}
	}
}

func TestTagType(t *testing.T) {
	t.Parallel()
	type theirs struct{ K, V *string }
	typ := TagType[theirs]{Read: func(t theirs) (k, v *string) { return t.K, t.V }, Make: func(k, v *string) theirs { return theirs{k, v} }}
	got := typ.From([]theirs{{new("b"), new("1")}, {nil, nil}, {new("b"), new("")}})
	if want := []Tag{{"b", "1"}, {}, {"b", ""}}; !slices.Equal(got, want) {
		t.Errorf("from: got %v, want %v", got, want)
	}
	tags := Tags{}
	for i := range 20 {
		tags[strconv.Itoa(10+i)] = strconv.Itoa(i)
	}
	for i, out := range typ.To(tags) {
		if *out.K != strconv.Itoa(10+i) || *out.V != strconv.Itoa(i) {
			t.Errorf("to: got %s=%s at %d, want the order of keys", *out.K, *out.V, i)
		}
	}
	if out := typ.To(nil); out == nil || len(out) != 0 {
		t.Errorf("to: got %v of no tags, want an empty list", out)
	}
}

func TestTagsAsMap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, want string }{
		{"some", `{"N":12345678901234567,"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":""}]}`, `{"N":12345678901234567,"Tags":{"a":"1","b":""}}`},
		{"had some", `{"Tags":[]}`, `{"Tags":{}}`},
		{"never had any", `{"Tags":null}`, `{"Tags":null}`},
		{"without the member", `{"N":1}`, `{"N":1}`},
	} {
		next, err := TagsAsMap("k", []byte(tt.old))
		if string(next.Record) != tt.want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", tt.name, next.Record, err, tt.want)
		}
	}
	for _, wrong := range []string{`[]`, `{"Tags":3}`} {
		if _, err := TagsAsMap("k", []byte(wrong)); err == nil {
			t.Errorf("got no error of %s", wrong)
		}
	}
}

type tagged struct{ Tags Tags }

var taggedThings = store.NewTable[tagged]("tagged-thing")

func TestRetag(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	of := func(v *tagged) *Tags { return &v.Tags }
	retag := func(key string, change func(Tags) (Tags, error)) (Tags, error) {
		return Update(t.Context(), db, func(tx store.Tx) (Tags, error) { return Retag(tx, taggedThings, key, none, of, change) })
	}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(taggedThings.Put(tx, "a", tagged{Tags{"x": "1"}}), taggedThings.Put(tx, "b", tagged{}))
	})
	if err != nil {
		t.Fatal(err)
	}
	add := func(tags Tags) (Tags, error) { return rules.Add(tags, []Tag{{"y", "2"}}) }
	for _, tt := range []struct {
		name, key string
		change    func(Tags) (Tags, error)
		want      Tags
		err       error
	}{
		{"read", "a", nil, Tags{"x": "1"}, nil},
		{"change", "a", add, Tags{"x": "1", "y": "2"}, nil},
		{"a change that fails", "a", func(Tags) (Tags, error) { return nil, errStop }, nil, errStop},
		{"what is kept", "a", nil, Tags{"x": "1", "y": "2"}, nil},
		{"no record", "c", add, nil, errNone},
		{"no record to read", "c", nil, nil, errNone},
	} {
		got, err := retag(tt.key, tt.change)
		if !maps.Equal(got, tt.want) || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, %v, want %v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	all := map[string]Tags{}
	err = db.View(t.Context(), func(tx store.Tx) error {
		return EachTagged(tx, taggedThings, func(arn string, tags map[string]string) { all[arn] = tags; clear(tags) },
			func(v *tagged) (string, Tags) { return "arn:" + v.Tags["x"], v.Tags })
	})
	if len(all) != 1 || all["arn:1"] == nil || err != nil {
		t.Errorf("got %v, %v, want the one that has tags", all, err)
	}
	if got, err := retag("a", nil); len(got) != 2 || err != nil {
		t.Errorf("got %v, %v, want the tags that there were: each has a copy", got, err)
	}
}
