package authz

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire/resource"
)

// request is an input that questions are made about.
type request struct {
	*Set
	ctx    context.Context
	ns     arn.Namespace
	in     any
	tags   []given
	first  string // the resource of the first question
	values map[string][]string
	each   []ends
}

// ends are the values of a key by the ends of its name.
type ends struct {
	key    *key
	values map[string]string
}

func (s *Set) read(ctx context.Context, ns arn.Namespace, in any) *request {
	r := &request{Set: s, ctx: ctx, ns: ns, in: in, values: map[string][]string{}}
	v := reflect.ValueOf(in).Elem()
	r.tags = s.tags.of(v)
	for i := range s.keys {
		if each := s.keys[i].each; each != nil {
			r.each = append(r.each, ends{&s.keys[i], each(in)})
			continue
		}
		if values := s.keys[i].of(r, v); len(values) > 0 {
			r.values[s.keys[i].name] = values
		}
	}
	return r
}

func (k *key) of(r *request, v reflect.Value) (values []string) {
	switch {
	case k.find != nil:
		return k.find(r.ctx, r.in)
	case k.arns != nil:
		for _, found := range k.arns.Said(r.ctx, r.ns, r.in) {
			values = append(values, found.ARN)
		}
		return values
	}
	return k.value.Of(v)
}

// own returns the questions about the operation's action.
func (r *request) own() (list []question) {
	action, version := r.action, ""
	if r.act != nil {
		var name string
		if name, version = r.act(r.in); name != "" {
			action = r.prefix + ":" + name
		}
	}
	for _, on := range r.on.Of(r.ctx, r.ns, r.in) {
		q := r.ask(action, r.judged(on), r.about(on.Type))
		q.Version = version
		list = append(list, question{q, on.ARN})
	}
	r.first = list[0].plain
	return list
}

// about returns the keys that are there on a resource of that type.
func (r *request) about(kind string) map[string][]string {
	keys := map[string][]string{}
	for i := range r.keys {
		k := &r.keys[i]
		if values := r.values[k.name]; values != nil && k.on(kind) {
			keys[k.name] = values
		}
	}
	for _, e := range r.each {
		stem, _, _ := strings.Cut(e.key.name, "${")
		for _, end := range slices.Sorted(maps.Keys(e.values)) { // of Key and key, the latter
			if e.key.on(kind) {
				keys[stem+strings.ToLower(end)] = []string{e.values[end]}
			}
		}
	}
	if r.offered["aws:requesttag"].on(kind) || r.offered["aws:tagkeys"].on(kind) {
		r.tagged(keys, kind)
	}
	if _, is := r.offered[r.prefix+":region"]; is {
		keys[r.prefix+":region"] = []string{r.ns.Region}
	}
	return keys
}

// tagged adds to keys what the request says of the tags of a resource of that type.
func (r *request) tagged(keys map[string][]string, kind string) {
	for _, g := range r.tags {
		if g.kind != "" && g.kind != kind {
			continue
		}
		for _, k := range slices.Sorted(maps.Keys(g.values)) {
			keys["aws:requesttag/"+strings.ToLower(k)] = []string{g.values[k]}
		}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], g.keys...)
	}
}

// tagging returns the questions about putting tags on what the request makes.
func (r *request) tagging() (list []question) {
	if r.tagAction == "" || len(r.tags) == 0 {
		return nil
	}
	for _, made := range r.makes.Named(r.ctx, r.ns, r.in) {
		keys := map[string][]string{}
		r.tagged(keys, made.Type)
		if len(keys) == 0 {
			continue // the tags are for something else
		}
		if r.created {
			keys[r.prefix+":createaction"] = []string{r.operation}
		}
		list = append(list, question{r.ask(r.tagAction, made.ARN, keys), made.ARN})
	}
	return list
}

// passing returns the questions about handing roles to services.
func (r *request) passing() (list []question) {
	v := reflect.ValueOf(r.in).Elem()
	seen := map[string]bool{}
	for _, p := range r.passes {
		var roles []string
		for _, m := range p.members {
			roles = append(roles, m.Of(v)...)
		}
		if p.find != nil {
			roles = append(roles, p.find(r.ctx, r.in)...)
		}
		for _, role := range roles {
			role = r.role(role)
			if seen[p.service+" "+role] {
				continue
			}
			seen[p.service+" "+role] = true
			keys := map[string][]string{"iam:passedtoservice": {p.service}, "iam:associatedresourcearn": {r.first}}
			list = append(list, question{r.ask("iam:PassRole", role, keys), role})
		}
	}
	return list
}

// role returns a role's ARN, given that or its name.
func (r *request) role(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return arn.ARN{Partition: "aws", Service: "iam", Account: r.ns.Account, Resource: "role/" + name}.String()
}

func (r *request) ask(action, resource string, keys map[string][]string) Question {
	return Question{Action: action, Resource: resource, Keys: keys}
}

// judged returns a resource as policies are matched with it. AWS judges what is done to a log group on its streams, unless it is
// about the group's tags
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html).
func (r *request) judged(on resource.Resource) string {
	if r.prefix != "logs" || on.Type != "log-group" || r.bare {
		return on.ARN
	}
	return strings.TrimSuffix(on.ARN, all) + ":log-stream:"
}
