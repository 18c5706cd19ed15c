package policy

import (
	"slices"
	"strings"
)

// Name says which policy it is.
func (p *Policy) Name() Name { return p.name }

// Applying returns the statements that are the caller's for a call, those that allow and those that deny.
func (p *Policy) Applying(c Call) []*Statement {
	q := ask(&c, Policies{})
	var all []*Statement
	for i := range p.statements {
		if s := &p.statements[i]; s.applies(q) != nothing {
			all = append(all, &s.ref)
		}
	}
	return all
}

// Keys returns the names of the condition keys that the policy reads, as it writes them, each once.
func (p *Policy) Keys() []string {
	var all []string
	for i := range p.statements {
		all = append(all, p.statements[i].keys()...)
	}
	return unique(all)
}

// Missing returns the names of the condition keys that the policy's statements about a call read, and that it lacks.
func (p *Policy) Missing(c Call) []string {
	q := ask(&c, Policies{})
	var all []string
	for i := range p.statements {
		s := &p.statements[i]
		if s.actions.has(q.action, q.service, q.verb) == s.notAction {
			continue
		}
		for _, key := range s.keys() {
			if !c.Keys.Has(key) {
				all = append(all, key)
			}
		}
	}
	return unique(all)
}

func (s *statement) keys() []string {
	var all []string
	for _, c := range s.conditions {
		all = append(append(all, c.Key), c.Variables()...)
	}
	for _, r := range s.resources {
		all = append(all, r.Keys()...)
	}
	return all
}

// unique leaves out names that differ from an earlier one in case only.
func unique(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		name = strings.ToLower(name)
		twice := seen[name]
		seen[name] = true
		return twice
	})
}
