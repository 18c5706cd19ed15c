// Package document reads the text of a policy, and says what is wrong with it in AWS's words.
//
// The grammar is that of the IAM User Guide, "Grammar of the IAM JSON policy language".
package document

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/skylift/skylift/internal/policy/condition"
)

// The versions of the policy language.
const (
	Version2008 = "2008-10-17" // that of a text without one: it has no variables
	Version2012 = "2012-10-17"
)

// A Document is a policy's text, taken apart.
type Document struct {
	Version    string
	ID         string
	Statements []Statement
}

// Variables tells whether the document's version knows policy variables.
func (d *Document) Variables() bool { return d.Version == Version2012 }

// A Statement is one of a document's statements.
type Statement struct {
	Sid          string
	Effect       string // Allow or Deny
	Principals   *Principals
	NotPrincipal bool // Principals are those that are spared
	Actions      []string
	NotAction    bool // Actions are those that it isn't about
	Resources    []string
	NotResource  bool // Resources are those that it isn't about
	AnyResource  bool // it names no resources: it stands in a resource's own policy
	Conditions   []Condition

	Start, End int      // where it stands in the text, in bytes
	From, To   Position // the same, for people
}

// Position is a place in a text: a line, from 1, and how many characters stand before it there.
type Position struct{ Line, Column int }

// at returns the position of a byte of the text.
func at(text string, n int) Position {
	before := text[:n]
	line := strings.LastIndexByte(before, '\n') + 1
	return Position{strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[line:])}
}

// Principals are whom a statement names.
type Principals struct {
	Everybody bool     // "*", or {"AWS": "*"}
	AWS       []string // ARNs, accounts and unique ids
	Service   []string // ecs-tasks.amazonaws.com
	Federated []string // ARNs of providers
	Canonical []string // ids of S3's users
}

// A Condition is one operator on one key.
type Condition struct {
	Operator, Key string
	Values        []string
}

// Parse reads a text that follows the grammar. It judges no more than that: see Check.
func Parse(text string) (*Document, error) {
	d, err := parse(text)
	if err != nil {
		return nil, malformed("Syntax errors in policy.")
	}
	return d, nil
}

func parse(text string) (*Document, error) {
	root, err := parseJSON(text)
	if err != nil || root.kind != '{' {
		return nil, errors.Join(err, errSyntax)
	}
	d := &Document{Version: Version2008}
	for _, name := range root.names {
		n := root.members[name]
		switch name {
		case "Version":
			if n.text != Version2008 && n.text != Version2012 {
				return nil, errSyntax
			}
			d.Version = n.text
		case "Id":
			d.ID, err = n.one()
		case "Statement":
			err = d.parseStatements(n)
		default:
			return nil, errSyntax
		}
		if err != nil {
			return nil, err
		}
	}
	if len(d.Statements) == 0 {
		return nil, errSyntax
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		s.From, s.To = at(text, s.Start), at(text, s.End)
	}
	return d, nil
}

// one returns a text.
func (n *node) one() (string, error) {
	if n.kind != 's' {
		return "", errSyntax
	}
	return n.text, nil
}

func (d *Document) parseStatements(n *node) error {
	for _, item := range n.items() {
		s, err := parseStatement(item)
		if err != nil {
			return err
		}
		d.Statements = append(d.Statements, s)
	}
	return nil
}

var (
	sidPattern = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	// spacedSid is that of policies of resources: KMS's own default policy has blanks in it.
	spacedSid = regexp.MustCompile(`^[A-Za-z0-9 ]*$`)
)

// statementParsers read the elements of a statement.
var statementParsers = map[string]func(s *Statement, n *node) error{
	"Sid":       func(s *Statement, n *node) (err error) { s.Sid, err = n.one(); return err },
	"Effect":    func(s *Statement, n *node) (err error) { s.Effect, err = n.one(); return err },
	"Action":    func(s *Statement, n *node) (err error) { s.Actions, err = n.texts(false); return err },
	"Resource":  func(s *Statement, n *node) (err error) { s.Resources, err = n.texts(false); return err },
	"Principal": func(s *Statement, n *node) (err error) { s.Principals, err = parsePrincipals(n); return err },
	"NotAction": func(s *Statement, n *node) (err error) {
		s.NotAction = true
		s.Actions, err = n.texts(false)
		return err
	},
	"NotResource": func(s *Statement, n *node) (err error) {
		s.NotResource = true
		s.Resources, err = n.texts(false)
		return err
	},
	"NotPrincipal": func(s *Statement, n *node) (err error) {
		s.NotPrincipal = true
		s.Principals, err = parsePrincipals(n)
		return err
	},
	"Condition": func(s *Statement, n *node) error { return s.parseConditions(n) },
}

func parseStatement(n *node) (Statement, error) {
	s := Statement{Start: int(n.start), End: int(n.end)}
	if n.kind != '{' {
		return s, errSyntax
	}
	for _, name := range n.names {
		parse := statementParsers[name]
		if parse == nil {
			return s, errSyntax
		}
		if err := parse(&s, n.members[name]); err != nil {
			return s, err
		}
	}
	for _, element := range []string{"Action", "Resource", "Principal"} {
		if n.members[element] != nil && n.members["Not"+element] != nil {
			return s, errSyntax
		}
	}
	s.AnyResource = n.members["Resource"] == nil && n.members["NotResource"] == nil
	sid := sidPattern
	if s.Principals != nil {
		sid = spacedSid
	}
	if n.members["Effect"] == nil || !sid.MatchString(s.Sid) {
		return s, errSyntax
	}
	return s, nil
}

func parsePrincipals(n *node) (*Principals, error) {
	p := &Principals{}
	if n.kind == 's' && n.text == "*" {
		p.Everybody = true
		return p, nil
	}
	if n.kind != '{' || len(n.names) == 0 {
		return nil, errSyntax
	}
	lists := map[string]*[]string{"AWS": &p.AWS, "Service": &p.Service, "Federated": &p.Federated, "CanonicalUser": &p.Canonical}
	for _, name := range n.names {
		list := lists[name]
		if list == nil {
			return nil, errSyntax
		}
		var err error
		if *list, err = n.members[name].texts(false); err != nil {
			return nil, err
		}
	}
	if slices.Contains(p.AWS, "*") {
		p.Everybody = true
		p.AWS = slices.DeleteFunc(p.AWS, func(s string) bool { return s == "*" })
	}
	return p, nil
}

func (s *Statement) parseConditions(n *node) error {
	if n.kind != '{' {
		return errSyntax
	}
	for _, operator := range n.names {
		keys := n.members[operator]
		if keys.kind != '{' {
			return errSyntax
		}
		for _, key := range keys.names {
			values, err := keys.members[key].texts(true)
			if err != nil {
				return err
			}
			if _, err := condition.Compile(operator, key, values, true); errors.Is(err, condition.ErrOperator) {
				return err
			}
			s.Conditions = append(s.Conditions, Condition{operator, key, values})
		}
	}
	return nil
}
