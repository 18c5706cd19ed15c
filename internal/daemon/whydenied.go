package daemon

import (
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/gateway/denial"
	"github.com/skylift/skylift/internal/projection/why"
	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// whyDenied is the answer about a request that policy denied; false: no such request is kept.
func (m *machine) whyDenied(request string) (why.Answer, bool, error) {
	r, ok, err := m.refusals.Find(request)
	if err != nil || !ok {
		return why.Answer{}, false, err
	}
	return why.Answer{Thing: "request " + request, Findings: []finding.Finding{denied(r)}}, true, nil
}

// denied makes a finding of a call that policy denied.
func denied(r denial.Refusal) finding.Finding {
	f := finding.Finding{
		Check: "call-denied", Level: finding.Limited, Since: r.At, About: []string{snapshot.RoleKey(r.Caller)},
		Cause:    fmt.Sprintf("%s may not do %s on %s: no %s allows it", r.Caller, r.Action, r.Resource, r.Type),
		Evidence: []finding.Evidence{{What: "call", Says: fmt.Sprintf("%s:%s, which needs %s", r.Service, r.Operation, r.Action)}},
	}
	if s := r.Statement; s != nil {
		f.Cause = fmt.Sprintf("%s may not do %s on %s: statement %d of the %s %s, at its line %d, denies it", r.Caller, r.Action, r.Resource, s.Number, r.Type, s.Policy, s.Line)
		f.Mend = []finding.Mend{finding.Change("take the statement out of the policy, or narrow it")}
		return f
	}
	asked := "there is none"
	if len(r.Policies) > 0 {
		asked = strings.Join(r.Policies, ", ")
	}
	f.Evidence = append(f.Evidence, finding.Evidence{What: "policies asked", Says: asked})
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,"Resource":%q}]}`, r.Action, r.Resource)
	name := r.Caller[strings.LastIndex(r.Caller, "/")+1:]
	switch {
	case strings.Contains(r.Caller, ":user/"):
		f.Mend = []finding.Mend{finding.Do("allow it", finding.NewCall("iam", "PutUserPolicy", "UserName", name, "PolicyName", "more", "PolicyDocument", policy))}
	case strings.Contains(r.Caller, ":assumed-role/"):
		_, rest, _ := strings.Cut(r.Caller, ":assumed-role/")
		role, _, _ := strings.Cut(rest, "/")
		f.Mend = []finding.Mend{finding.Do("allow it", finding.NewCall("iam", "PutRolePolicy", "RoleName", role, "PolicyName", "more", "PolicyDocument", policy))}
	default:
		f.Mend = []finding.Mend{finding.Change("sign the call as somebody who may do it")}
	}
	return f
}
