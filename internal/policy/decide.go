package policy

// A verdict is what the policies of one type say of a call: the first statement
// that denies it, and the one that grants most.
type verdict struct {
	deny, allow *Statement
	grant       grant
}

func judge(q question, policies ...*Policy) verdict {
	var v verdict
	for _, p := range policies {
		if p == nil {
			continue
		}
		for i := range p.statements {
			s := &p.statements[i]
			if s.ref.Allow && v.grant == toCaller || !s.ref.Allow && v.deny != nil {
				continue
			}
			switch g := s.applies(q); {
			case g == nothing:
			case !s.ref.Allow:
				v.deny = &s.ref
			case g > v.grant:
				v.allow, v.grant = &s.ref, g
			}
		}
	}
	return v
}

// Decide decides about a call.
//
// A statement that denies ends it. Else, within one account, the caller's policies or the resource's
// own must allow it; of another account's caller, both must, and so must the policy of a KMS key or role
// in any case. A boundary and a session's policies cut down what the caller's policies allow, and what
// the resource's policy gives to a role rather than to the caller itself. A resource's policy that names
// an account only leaves the decision to that account's policies. So does a role's that names everybody, and it gives
// nothing to who signed nothing.
func Decide(c Call, p Policies) Decision {
	if p.Resource != nil && p.Own == Grants {
		p.Own = p.Resource.own
	}
	q := ask(&c, p)
	identity, boundary := judge(q, p.Identity...), judge(q, p.Boundary)
	session, resource := judge(q, p.Session...), judge(q, p.Resource)
	own := Resource
	if p.Own == TrustOwn {
		own = Trust
		if c.Caller.Type == Anonymous {
			resource.allow, resource.grant = nil, nothing
		}
	}
	for _, d := range []Decision{
		{ExplicitDeny, Identity, identity.deny},
		{ExplicitDeny, Boundary, boundary.deny},
		{ExplicitDeny, Session, session.deny},
		{ExplicitDeny, own, resource.deny},
	} {
		if d.By != nil {
			return d
		}
	}
	home := c.Owner == "" || c.Owner == c.Caller.Account
	byResource := Decision{Allowed, own, resource.allow}
	switch {
	case resource.grant == nothing && (!c.Caller.hasPolicies() || p.Own != Grants || !home):
		return Decision{ImplicitDeny, own, nil}
	case !c.Caller.hasPolicies(), home && resource.grant == toCaller:
		return byResource
	}
	decision := Decision{Allowed, Identity, identity.allow}
	if identity.allow == nil && c.Caller.Type != Root {
		if !home || resource.grant != toEntity {
			return Decision{ImplicitDeny, Identity, nil}
		}
		decision = byResource
	}
	switch {
	case p.Boundary != nil && boundary.allow == nil:
		return Decision{ImplicitDeny, Boundary, nil}
	case p.Session != nil && session.allow == nil:
		return Decision{ImplicitDeny, Session, nil}
	}
	return decision
}
