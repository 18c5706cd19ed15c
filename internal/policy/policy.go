// Package policy decides who may do what.
//
// Decide is a pure function of a call and of the policies that apply to it. It follows the IAM User
// Guide, "Policy evaluation logic": nothing is allowed that no statement allows, and a statement that
// denies wins. Each decision names the statement that made it.
package policy

import (
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/policy/condition"
	"github.com/skylift/skylift/internal/policy/document"
)

// Keys are the condition keys of a call.
type Keys = condition.Keys

// Call is one action that somebody wants to take on one resource.
type Call struct {
	Caller   Principal
	Action   string // ecs:CreateService
	Resource string // an ARN; "*" for an action that is on no resource
	Owner    string // the account of the resource; "" is the caller's
	Keys     Keys
}

// Policies are all that apply to a call.
type Policies struct {
	Identity []*Policy // of the user and its groups, or of the role
	Boundary *Policy   // the permissions boundary of the user or role; nil is none
	Session  []*Policy // the session's policies; nil is none, and empty allows nothing
	Resource *Policy   // the resource's own; nil is none
	Own      Own
}

// Of returns those of one type.
func (p Policies) Of(k Kind) []*Policy {
	switch one := p.Resource; k {
	case Identity:
		return p.Identity
	case Session:
		return p.Session
	default:
		if k == Boundary {
			one = p.Boundary
		}
		if one == nil {
			return nil
		}
		return []*Policy{one}
	}
}

// Own says what the resource's own policy means.
type Own int

// The meanings of a resource's policy.
const (
	Grants   Own = iota // it grants, as the caller's policies do
	KeyOwn              // of a KMS key: without its yes nobody may
	TrustOwn            // of a role: without its yes nobody may
)

// Effect is the outcome of a decision.
type Effect int

// The outcomes of a decision.
const (
	ImplicitDeny Effect = iota // no statement allows it
	ExplicitDeny               // a statement denies it
	Allowed
)

func (e Effect) String() string {
	return [...]string{"implicitDeny", "explicitDeny", "allowed"}[e]
}

// Kind is a type of policy that can decide.
type Kind int

// The types of policies.
const (
	Identity Kind = iota
	Boundary
	Session
	Resource
	Trust
)

// words has AWS's names of the types: without an article, and behind "deny in"
// (IAM User Guide, "Troubleshoot access denied error messages").
var words = [...][2]string{
	Identity: {"identity-based policy", "an identity-based policy"},
	Boundary: {"permissions boundary", "a permissions boundary"},
	Session:  {"session policy", "a sessions policy"},
	Resource: {"resource-based policy", "a resource-based policy"},
	Trust:    {"role trust policy", "the role trust policy"},
}

func (k Kind) String() string { return words[k][0] }

// Decision says whether a call is allowed, and what decided.
type Decision struct {
	Effect Effect
	Kind   Kind       // of the policy that decided, or that would have to allow the call
	By     *Statement // nil when no statement decided: an implicit deny, and all that root may do
}

// Allowed tells whether the call may go on.
func (d Decision) Allowed() bool { return d.Effect == Allowed }

// Reason says in AWS's words why a call for an action is denied; it is "" for one that is allowed.
func (d Decision) Reason(action string) string {
	switch d.Effect {
	case ImplicitDeny:
		return fmt.Sprintf("because no %s allows the %s action", words[d.Kind][0], action)
	case ExplicitDeny:
		reason := "with an explicit deny in " + words[d.Kind][1]
		if arn := d.By.Policy.ARN; arn != "" {
			reason += ": " + arn
		}
		return reason
	}
	return ""
}

// Explain is what AWS answers to a call that is denied.
func (d Decision) Explain(c Call) string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", c.Caller.ARN, c.Action, c.Resource, d.Reason(c.Action))
}

// Name says which policy it is.
type Name struct {
	Name string // of an inline policy, or what else its owner calls it
	ARN  string // of a managed policy; "" for others
}

// Statement is a statement of a policy.
type Statement struct {
	Policy   Name
	Sid      string // "" when it has none
	Index    int    // in the policy, from 0
	Allow    bool
	From, To document.Position // where it stands in the policy's text
}

// String names the statement for people who look for it.
func (s *Statement) String() string {
	which := fmt.Sprintf("statement %d", s.Index+1)
	if s.Sid != "" {
		which += " (" + s.Sid + ")"
	}
	policy := s.Policy.ARN
	if policy == "" {
		policy = s.Policy.Name
	}
	return which + " of " + strings.TrimSpace("policy "+policy)
}
