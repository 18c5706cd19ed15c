// Package condition judges the Condition element of a policy's statement.
//
// The rules are those of the IAM User Guide, "IAM JSON policy elements: Condition
// operators" and "Set operators for multivalued context keys".
package condition

import (
	"errors"
	"strings"
)

// What can be wrong with a condition.
var (
	ErrOperator = errors.New("there is no such condition operator")
	ErrValue    = errors.New("the condition's value doesn't fit its operator")
)

// A Test is one operator on one key, with the values that it compares to.
type Test struct {
	Key      string // as the policy writes it
	name     string // in lower case
	set      set
	ifExists bool
	null     bool // the operator is Null
	absent   bool // what Null asks for
	negated  bool
	match    matcher
	variable []string // the keys whose values the policy's values need
}

type set uint8

const (
	single set = iota
	forAllValues
	forAnyValue
)

// Compile compiles an operator with a key and the values behind it. With vars,
// ${key} in texts and ARNs stands for the value of a key. It returns ErrOperator
// or ErrValue.
func Compile(operator, key string, values []string, vars bool) (Test, error) {
	t := Test{Key: key, name: strings.ToLower(key)}
	name := strings.ToLower(operator)
	if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		name, t.set = rest, forAllValues
	} else if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		name, t.set = rest, forAnyValue
	}
	if name == "null" {
		t.null = true
		return t, t.compileNull(values)
	}
	name, t.ifExists = strings.CutSuffix(name, "ifexists")
	op, ok := operators[name]
	if !ok {
		return Test{}, ErrOperator
	}
	t.negated = op.negated
	m, err := op.compile(values, vars)
	if err != nil {
		return Test{}, err
	}
	t.match = m
	if v, ok := m.(interface{ keys() []string }); ok && vars {
		t.variable = v.keys()
	}
	return t, nil
}

func (t *Test) compileNull(values []string) error {
	for _, v := range values {
		absent, err := parseBool(v)
		if err != nil || len(values) > 1 {
			return ErrValue
		}
		t.absent = absent
	}
	if len(values) == 0 {
		return ErrValue
	}
	return nil
}

// Variables returns the names of the keys whose values the policy's values need.
func (t Test) Variables() []string { return t.variable }

// Holds tells whether a request with these keys passes the test.
func (t Test) Holds(keys Keys) bool {
	v := keys.values[t.name]
	switch {
	case t.null:
		return (len(v.of) == 0) == t.absent
	case len(v.of) == 0:
		return t.holdsWithout()
	}
	switch t.set {
	case forAllValues:
		for _, one := range v.of {
			if t.match.match(one, keys.One) == t.negated {
				return false
			}
		}
		return true
	case forAnyValue:
		for _, one := range v.of {
			if t.match.match(one, keys.One) != t.negated {
				return true
			}
		}
		return false
	}
	return !v.many && t.match.match(v.of[0], keys.One) != t.negated
}

// holdsWithout tells whether a request without the key passes the test.
func (t Test) holdsWithout() bool {
	switch {
	case t.ifExists:
		return true
	case t.set == single:
		return t.negated
	}
	return t.set == forAllValues
}
