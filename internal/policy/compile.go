package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/policy/condition"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/policy/pattern"
)

// Policy is a compiled policy. It never changes.
type Policy struct {
	name       Name
	statements []statement
	own        Own // what it means, as the policy of a resource
}

type statement struct {
	ref          Statement
	actions      actions
	notAction    bool
	resources    []pattern.Pattern
	notResource  bool
	anyResource  bool
	principals   *principals
	notPrincipal bool
	conditions   []condition.Test
}

// Compile compiles a document that document.Check has let pass. For each ARN of a
// principal that ids knows it takes the unique id, so that whoever has the name
// later is not meant; ids may be nil.
func Compile(name Name, d *document.Document, ids map[string]string) (*Policy, error) {
	p := &Policy{name: name}
	for i, s := range d.Statements {
		if s.Effect != "Allow" && s.Effect != "Deny" {
			return nil, fmt.Errorf("compile statement %d of policy %s%s: effect %q", i+1, name.Name, name.ARN, s.Effect)
		}
		c := statement{
			ref:       Statement{Policy: name, Sid: s.Sid, Index: i, Allow: s.Effect == "Allow", From: s.From, To: s.To},
			actions:   compileActions(s.Actions),
			notAction: s.NotAction, notResource: s.NotResource, anyResource: s.AnyResource, notPrincipal: s.NotPrincipal,
			principals: compilePrincipals(s, ids),
		}
		for _, r := range s.Resources {
			c.resources = append(c.resources, pattern.Resource(r, d.Variables()))
		}
		for _, con := range s.Conditions {
			test, err := condition.Compile(con.Operator, con.Key, con.Values, d.Variables())
			if err != nil {
				return nil, fmt.Errorf("compile statement %d of policy %s%s: %s on %s: %w", i+1, name.Name, name.ARN, con.Operator, con.Key, err)
			}
			c.conditions = append(c.conditions, test)
		}
		p.statements = append(p.statements, c)
	}
	return p, nil
}

// Join returns a policy of the statements of all those; nil when there are none.
func Join(list ...*Policy) *Policy {
	list = slices.DeleteFunc(slices.Clone(list), func(p *Policy) bool { return p == nil })
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	joined := &Policy{name: list[0].name}
	for _, p := range list {
		joined.statements = append(joined.statements, p.statements...)
	}
	return joined
}

// AsKey returns the policy as that of a KMS key.
func (p *Policy) AsKey() *Policy {
	key := *p
	key.own = KeyOwn
	return &key
}

// actions are those of an Action element, by service, so that most statements
// are left after one look.
type actions struct {
	services map[string]*verbs
	wild     []pattern.Pattern // those with a wildcard before the colon
}

type verbs struct {
	all   bool
	names map[string]bool
	wild  []pattern.Pattern
}

func compileActions(list []string) actions {
	a := actions{services: map[string]*verbs{}}
	for _, action := range list {
		action = strings.ToLower(action)
		service, verb, ok := strings.Cut(action, ":")
		if !ok || strings.ContainsAny(service, "*?") {
			a.wild = append(a.wild, pattern.Like(action, false))
			continue
		}
		v := a.services[service]
		if v == nil {
			v = &verbs{names: map[string]bool{}}
			a.services[service] = v
		}
		switch {
		case verb == "*":
			v.all = true
		case strings.ContainsAny(verb, "*?"):
			v.wild = append(v.wild, pattern.Like(verb, false))
		default:
			v.names[verb] = true
		}
	}
	return a
}

// has tells whether an action, in lower case, is among them.
func (a actions) has(action, service, verb string) bool {
	if v := a.services[service]; v != nil {
		if v.all || v.names[verb] {
			return true
		}
		for _, w := range v.wild {
			if w.Match(verb, nil) {
				return true
			}
		}
	}
	for _, w := range a.wild {
		if w.Match(action, nil) {
			return true
		}
	}
	return false
}

// A question is a call as statements are asked about it.
type question struct {
	*Call
	action, service, verb string // in lower case
	bounded               bool   // the caller has a permissions boundary
	trust                 bool   // the resource's policy is a role's
}

func ask(c *Call, p Policies) question {
	q := question{Call: c, action: strings.ToLower(c.Action), bounded: p.Boundary != nil, trust: p.Own == TrustOwn}
	q.service, q.verb, _ = strings.Cut(q.action, ":")
	return q
}

// about tells whether the statement is about the call's action and resource.
func (s *statement) about(q question) bool {
	if s.actions.has(q.action, q.service, q.verb) == s.notAction {
		return false
	}
	if s.anyResource {
		return true
	}
	named := slices.ContainsFunc(s.resources, func(p pattern.Pattern) bool { return p.Match(q.Resource, q.Keys.One) })
	return named != s.notResource
}

// applies returns how much the statement's effect is the caller's: nothing, if it isn't at all.
func (s *statement) applies(q question) grant {
	if !s.about(q) {
		return nothing
	}
	g := toCaller
	switch {
	case s.principals == nil:
	case s.notPrincipal:
		if s.ref.Allow || s.principals.spares(q.Caller) && !q.bounded {
			return nothing
		}
	default:
		g = s.principals.grants(q.Caller, q.trust)
	}
	if g == nothing {
		return nothing
	}
	for _, c := range s.conditions {
		if !c.Holds(q.Keys) {
			return nothing
		}
	}
	return g
}
