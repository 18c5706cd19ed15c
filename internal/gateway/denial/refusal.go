package denial

import (
	"cmp"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/policy"
)

// Refusal is a call that policy denied, as `skylift why denied` tells of it.
type Refusal struct {
	Request   string    `json:"request"`
	At        time.Time `json:"at"`
	Caller    string    `json:"caller"` // an ARN; "" of who signed nothing
	AccessKey string    `json:"accessKey,omitempty"`
	Service   string    `json:"service"`
	Operation string    `json:"operation"` // that was called
	Action    string    `json:"action"`    // that policy was asked about
	Resource  string    `json:"resource"`
	Effect    string    `json:"effect"`     // explicitDeny or implicitDeny
	Type      string    `json:"policyType"` // in AWS's words: of the policy that denied, or that would have to allow
	// Statement is the one that denied; nil when none allowed.
	Statement *Statement `json:"statement,omitempty"`
	// Policies are those of the type that were asked.
	Policies []string `json:"policies"`

	by string
}

// Statement is where to find a statement.
type Statement struct {
	Policy string `json:"policy"` // the ARN of a managed policy, the name of another
	Sid    string `json:"sid,omitempty"`
	Number int    `json:"number"` // from 1
	Line   int    `json:"line"`   // of the policy's text, where it begins
}

// Limits of what one refusal may fill.
const (
	longest      = 2048
	mostPolicies = 40 // more than a user can have with its groups
)

// Refused returns what is to be told of a call that policy denied, without what only the call knows.
func Refused(asked policy.Call, p policy.Policies, d policy.Decision) *Refusal {
	r := &Refusal{
		by:     "no statement",
		Action: cut(asked.Action), Resource: cut(asked.Resource), Caller: cut(asked.Caller.ARN),
		Effect: d.Effect.String(), Type: d.Kind.String(), Policies: []string{},
	}
	if by := d.By; by != nil {
		r.by = by.String()
		r.Statement = &Statement{Policy: cmp.Or(by.Policy.ARN, by.Policy.Name), Sid: by.Sid, Number: by.Index + 1, Line: by.From.Line}
	}
	for _, one := range p.Of(d.Kind) {
		if len(r.Policies) < mostPolicies {
			r.Policies = append(r.Policies, cmp.Or(one.Name().ARN, one.Name().Name))
		}
	}
	return r
}

// By names the statement that denied, for the audit.
func (r *Refusal) By() string { return r.by }

// cut bounds what a caller can write.
func cut(s string) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest-len("…")], "") + "…"
}
