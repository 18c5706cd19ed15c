package authz

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
	"github.com/skylift/skylift/internal/wire/resource"
)

// all stands for any resource.
const all = "*"

// Set makes the questions about the requests of one operation. It is immutable.
type Set struct {
	operation string
	prefix    string // of the service's actions
	action    string // with the prefix
	tagAction string // that is asked besides where a request tags what it makes
	created   bool   // tagAction has the key CreateAction
	bare      bool   // the action is on log groups by their names alone
	on, makes *resource.Set
	offered   map[string]offer // by key in lower case, without what stands behind a slash
	tags      tags
	keys      []key
	passes    []pass
	also      func(ctx context.Context, in any) []Question
	act       func(in any) (name, version string) // the action of an input; nil where all have one
}

// offer says on which resources a condition key is there.
type offer struct {
	always bool
	types  []string
}

func (o offer) on(kind string) bool { return o.always || slices.Contains(o.types, kind) }

// key is a compiled Key.
type key struct {
	name string // in lower case
	offer
	arns  *resource.Set
	value resource.Value
	find  func(ctx context.Context, in any) []string
	each  func(in any) map[string]string // for the ends of the name, which has a variable
}

// pass is a compiled Pass.
type pass struct {
	service string
	members []resource.Value
	find    func(ctx context.Context, in any) []string
}

// Reference is what AWS's reference says of one service.
type Reference struct {
	service   *descriptor.Service
	resources *resource.Reference
}

// Of returns that of the service.
func Of(s *descriptor.Service) *Reference { return &Reference{s, resource.Of(s)} }

// Compile holds the declaration of an operation, whose input is of type in, to the reference: it fails on a resource type or a
// condition key that the operation doesn't have there, and when one is neither declared, nor derived, nor said to be
// unanswered.
func (r *Reference) Compile(operation string, in *bind.Type, d Declaration) (*Set, error) {
	op := r.service.Operations[operation]
	prefix := cmp.Or(r.service.Prefix, r.service.SigningName)
	s := &Set{
		operation: operation, prefix: prefix, action: prefix + ":" + cmp.Or(op.Action, operation),
		bare: op.Tagging || operation == "ListTagsForResource", also: d.Also, tags: tagsOf(in), act: d.Action,
	}
	var errs []error
	var err error
	s.on, err = r.resources.Compile(operation, in, append(slices.Clone(d.On), r.made(op, d.Makes)...))
	errs = append(errs, err)
	s.makes, err = r.resources.Makes(in, d.Makes)
	errs = append(errs, err)
	s.offer(op)
	if err := r.tagging(s, op, d); err != nil {
		errs = append(errs, err)
	}
	for _, k := range d.Keys {
		errs = append(errs, r.key(s, in, k))
	}
	for _, p := range d.Passes {
		errs = append(errs, s.pass(in, p))
	}
	return s, errors.Join(append(errs, s.answered(d))...)
}

// made returns those of the declarations whose type the operation has in the reference: it is judged on
// what it makes.
func (r *Reference) made(op descriptor.Operation, makes []resource.Declaration) (list []resource.Declaration) {
	for _, d := range makes {
		kind, _, _ := strings.Cut(d.Text, ":")
		if slices.ContainsFunc(op.Types(), func(t descriptor.Resource) bool { return t.Type == kind }) {
			list = append(list, d)
		}
	}
	return list
}

// plain returns the name of a key of the reference as questions have it, without what stands behind a slash.
func plain(key string) string {
	name, _, _ := strings.Cut(strings.ToLower(key), "/")
	return name
}

func (s *Set) offer(op descriptor.Operation) {
	s.offered = map[string]offer{}
	for word := range strings.FieldsSeq(op.ConditionKeys) {
		s.offered[plain(word)] = offer{always: true}
	}
	for kind, keys := range op.TypeKeys {
		for word := range strings.FieldsSeq(keys) {
			o := s.offered[plain(word)]
			o.types = append(o.types, kind)
			s.offered[plain(word)] = o
		}
	}
}

// tagging finds the action that putting tags on what the operation makes is judged by.
func (r *Reference) tagging(s *Set, op descriptor.Operation, d Declaration) error {
	if op.Tagging || !s.tags.any() || d.Also != nil || d.nothing() {
		return nil
	}
	if len(d.Makes) == 0 {
		return errors.New("it takes tags and does not declare what it makes, which they are for")
	}
	kind, _, _ := strings.Cut(d.Makes[0].Text, ":")
	for _, name := range []string{"AddTagsTo" + camel(kind), "TagResource", "AddTags", "CreateTags", "AddTagsToResource", "Tag" + camel(kind)} {
		if other := r.service.Operations[name]; other.Tagging {
			s.tagAction, s.created = s.prefix+":"+name, strings.Contains(other.ConditionKeys, ":CreateAction")
			return nil
		}
	}
	return errors.New("it takes tags, and no operation of the service puts some on a resource")
}

// camel returns a resource type as the names of IAM's operations have it: InstanceProfile for instance-profile.
func camel(kind string) (name string) {
	for word := range strings.SplitSeq(kind, "-") {
		switch word {
		case "oidc":
			word = "OpenIDConnect"
		case "saml", "mfa":
			word = strings.ToUpper(word)
		}
		if word != "" {
			name += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return name
}

func (r *Reference) key(s *Set, in *bind.Type, k Key) (err error) {
	name, words, _ := strings.Cut(k.Text, ": ")
	name, kind, as := strings.Cut(name, " as ")
	if _, suffix, _ := strings.Cut(name, ":"); !as && r.resources.Has(suffix) {
		kind = suffix
	}
	c := key{name: plain(name), find: k.Find, each: k.Each}
	var there bool
	if c.offer, there = s.offered[c.name]; !there {
		return fmt.Errorf("AWS's reference has no condition key %s for it", name)
	}
	switch {
	case c.find != nil, c.each != nil:
	case kind != "":
		c.arns, err = r.resources.Makes(in, []resource.Declaration{{Text: kind + ": " + words}})
	default:
		c.value, err = resource.Values(in, words)
	}
	if err != nil {
		return fmt.Errorf("condition key %q: %w", k.Text, err)
	}
	s.keys = append(s.keys, c)
	return nil
}

func (s *Set) pass(in *bind.Type, p Pass) error {
	service, words, _ := strings.Cut(p.Text, ": ")
	c := pass{service: service, find: p.Find}
	for word := range strings.FieldsSeq(words) {
		m, err := resource.Values(in, word)
		if err != nil {
			return fmt.Errorf("passes %q: %w", p.Text, err)
		}
		c.members = append(c.members, m)
	}
	s.passes = append(s.passes, c)
	return nil
}

// answered says which condition keys of the reference the operation forgets.
func (s *Set) answered(d Declaration) error {
	if d.nothing() {
		return nil
	}
	there := map[string]bool{
		"aws:requesttag": true, "aws:tagkeys": true, "aws:resourcetag": true, s.prefix + ":resourcetag": true,
		s.prefix + ":createaction": true, s.prefix + ":region": true,
	}
	for _, k := range s.keys {
		there[k.name] = true
	}
	for word := range strings.FieldsSeq(d.Known) {
		there[plain(word)] = true
	}
	var errs []error
	for _, u := range d.Unanswered {
		for word := range strings.FieldsSeq(u.Keys) {
			if _, is := s.offered[plain(word)]; !is {
				errs = append(errs, fmt.Errorf("AWS's reference has no condition key %s for it", word))
			}
			there[plain(word)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.offered)) {
		if !there[name] {
			errs = append(errs, fmt.Errorf("it has the condition key %s and declares neither its value nor why it has none", name))
		}
	}
	return errors.Join(errs...)
}
