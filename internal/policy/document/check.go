package document

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/skylift/skylift/internal/policy/condition"
)

// Malformed says what is wrong with a document, as AWS does under the code
// MalformedPolicyDocument.
type Malformed struct{ Message string }

func (m *Malformed) Error() string { return m.Message }

func malformed(format string, args ...any) error {
	return &Malformed{fmt.Sprintf(format, args...)}
}

// Kind is what a document is for: it decides what may stand in it.
type Kind int

// The kinds of documents.
const (
	Managed  Kind = iota // a managed policy
	Inline               // a policy of one user, group or role
	Session              // what a session may do at most
	Trust                // who may assume a role
	Resource             // who may do what with a resource
)

// MaxText is the length of the longest text that may be a policy, in bytes.
const MaxText = 131072

// Check reads a text that is to be a document of a kind. It fails with a
// *Malformed.
func Check(text string, kind Kind) (*Document, error) {
	d, err := Parse(text)
	if err != nil {
		if _, bad := parseJSON(text); bad != nil && kind == Trust {
			return nil, malformed("This policy contains invalid Json")
		}
		return nil, err
	}
	checks := []func() error{d.checkLegacy, d.checkSids, d.checkActionsThere}
	switch kind {
	case Managed:
		checks = append([]func() error{d.checkVersion}, append(checks, d.checkNoPrincipal, d.checkResources)...)
	case Inline, Session:
		checks = append(checks, d.checkNoPrincipal, d.checkResources)
	case Trust:
		checks = append(checks, d.checkTrust)
	case Resource:
		checks = append(checks, d.checkPrincipal, d.checkResourceFormats)
	}
	for _, check := range append(checks, d.checkActions) {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Document) checkVersion() error {
	if d.Version != Version2012 {
		return malformed("Policy document must be version 2012-10-17 or greater.")
	}
	return nil
}

// checkLegacy finds what AWS's older parser stumbles over.
func (d *Document) checkLegacy() error {
	failed := malformed("The policy failed legacy parsing")
	for _, s := range d.Statements {
		if s.Effect != "Allow" && s.Effect != "Deny" {
			if strings.EqualFold(s.Effect, "allow") || strings.EqualFold(s.Effect, "deny") {
				return failed
			}
			return malformed("Syntax errors in policy.")
		}
		for _, c := range s.Conditions {
			if _, err := condition.Compile(c.Operator, c.Key, c.Values, d.Variables()); err != nil {
				return failed
			}
		}
		for _, r := range s.Resources {
			if strings.HasPrefix(r, "arn:aws:s3::") && strings.Count(r, ":") < 5 {
				return failed
			}
		}
	}
	return nil
}

func (d *Document) checkSids() error {
	seen := map[string]bool{}
	for _, s := range d.Statements {
		if s.Sid != "" && seen[s.Sid] {
			return malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		seen[s.Sid] = true
	}
	return nil
}

func (d *Document) checkActionsThere() error {
	for _, s := range d.Statements {
		if len(s.Actions) == 0 {
			return malformed("Policy statement must contain actions.")
		}
	}
	return nil
}

func (d *Document) checkNoPrincipal() error {
	for _, s := range d.Statements {
		if s.Principals != nil {
			return malformed("Policy document should not specify a principal.")
		}
	}
	return nil
}

// checkPrincipal holds the statements of a resource's policy to what IAM's guide
// says of Principal and NotPrincipal.
func (d *Document) checkPrincipal() error {
	for _, s := range d.Statements {
		if s.Principals == nil {
			return malformed("Policy statement must contain principals.")
		}
		if s.NotPrincipal && s.Effect == "Allow" {
			return malformed("Allow with NotPrincipal is not allowed.")
		}
	}
	return nil
}

var vendorPattern = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)

func (d *Document) checkActions() error {
	for _, s := range d.Statements {
		for _, action := range s.Actions {
			vendor, _, prefaced := strings.Cut(action, ":")
			switch {
			case action == "*":
			case !prefaced:
				return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			case strings.Count(action, ":") > 1:
				return malformed("Actions/Condition can contain only one colon.")
			case !vendorPattern.MatchString(vendor):
				return malformed("Vendor %s is not valid", vendor)
			}
		}
	}
	return nil
}

// trusted are the actions that a trust policy can be about.
var trusted = []string{"sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"}

func (d *Document) checkTrust() error {
	for _, s := range d.Statements {
		if !s.AnyResource {
			return malformed("Has prohibited field Resource.")
		}
		if s.Principals == nil || s.NotPrincipal {
			return malformed("Missing required field Principal")
		}
		for _, action := range s.Actions {
			if s.NotAction || !trusts(strings.ToLower(action)) {
				return malformed("Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity")
			}
		}
	}
	return nil
}

// trusts tells whether an action, which may end with a wildcard, is one of a trust policy.
func trusts(action string) bool {
	prefix, wild := strings.CutSuffix(action, "*")
	for _, a := range trusted {
		if a == action || wild && strings.HasPrefix(prefix, "sts:") && strings.HasPrefix(a, prefix) {
			return true
		}
	}
	return false
}
