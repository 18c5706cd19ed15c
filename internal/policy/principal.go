package policy

import (
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/policy/document"
)

// Principal is who makes a call.
type Principal struct {
	Type     PrincipalType
	Account  string // 12 digits; "" for services and strangers
	ARN      string // of the user, session or provider; the name of a service (ecs-tasks.amazonaws.com)
	Entity   string // ARN with its path of the user or role that acts; as ARN for a user
	EntityID string // AIDA… or AROA… of that user or role; "" for others
	UserID   string // AIDA…, AROA…:session, account:name or the account
}

// PrincipalType is what somebody is.
type PrincipalType int

// The types of principals.
const (
	Anonymous     PrincipalType = iota // it signed nothing
	Root                               // the account's root user
	User                               // a user, and its sessions by GetSessionToken
	RoleSession                        // somebody who assumed a role
	FederatedUser                      // a session by GetFederationToken; Entity is the user's ARN
	Service                            // one of AWS's services
	WebIdentity                        // a token of a provider, before it assumes a role
)

// Keys returns the condition keys that say who a principal is (IAM User Guide,
// "AWS global condition context keys"). Tags are not among them.
func (p Principal) Keys() Keys {
	var k Keys
	types := map[PrincipalType]string{Anonymous: "Anonymous", Root: "Account", User: "User", RoleSession: "AssumedRole", FederatedUser: "FederatedUser"}
	if name, ok := types[p.Type]; ok {
		k.Set("aws:PrincipalType", name)
	}
	switch p.Type {
	case Anonymous, WebIdentity:
		return k
	case Service:
		k.Set("aws:PrincipalIsAWSService", "true")
		k.Set("aws:PrincipalServiceName", p.ARN)
		k.SetMany("aws:PrincipalServiceNamesList", p.ARN)
		return k
	case User:
		k.Set("aws:username", p.ARN[strings.LastIndexByte(p.ARN, '/')+1:])
	}
	arn := p.ARN
	if p.Type == RoleSession {
		arn = p.Entity
	}
	k.Set("aws:PrincipalArn", arn)
	k.Set("aws:PrincipalAccount", p.Account)
	k.Set("aws:PrincipalIsAWSService", "false")
	k.Set("aws:userid", p.UserID)
	return k
}

// hasPolicies tells whether the caller may have policies of its own.
func (p Principal) hasPolicies() bool {
	return p.Type != Anonymous && p.Type != Service && p.Type != WebIdentity
}

// A grant says how much an allowing statement of a resource's policy gives to a
// caller that it names.
type grant int

const (
	nothing   grant = iota
	delegated       // to its account, whose own policies decide
	toEntity        // to its role, within the boundary and the session's policies
	toCaller        // to itself, whatever limits it
)

// principals are those that a statement names.
type principals struct {
	everybody, byARN bool // byARN: everybody whose ARN a condition admits
	aws              map[string]bool
	services         []string
	federated        []string
}

// compilePrincipals puts a unique id in the place of each ARN that ids has one for.
func compilePrincipals(s document.Statement, ids map[string]string) *principals {
	if s.Principals == nil {
		return nil
	}
	p := &principals{
		everybody: s.Principals.Everybody,
		aws:       map[string]bool{},
		services:  s.Principals.Service,
		federated: s.Principals.Federated,
	}
	for _, name := range s.Principals.AWS {
		if name == "" {
			continue
		}
		if id, ok := ids[name]; ok {
			name = id
		}
		if account, ok := accountOf(name); ok {
			name = account
		}
		p.aws[name] = true
	}
	for _, c := range s.Conditions {
		p.byARN = p.byARN || strings.EqualFold(c.Key, "aws:PrincipalArn")
	}
	return p
}

// accountOf returns the account that an ARN of a root user stands for.
func accountOf(arn string) (string, bool) {
	f := strings.Split(arn, ":")
	if len(f) == 6 && f[0] == "arn" && f[2] == "iam" && f[5] == "root" {
		return f[4], true
	}
	return "", false
}

// grants returns what the statement's principals give to a caller, at most. Where it is a role's trust policy, everybody's
// own policies decide.
func (p *principals) grants(c Principal, trust bool) grant {
	switch {
	case c.Type == Service && slices.Contains(p.services, c.ARN),
		c.Type == WebIdentity && slices.Contains(p.federated, c.ARN),
		p.everybody && (p.byARN && !trust || !c.hasPolicies()):
		return toCaller
	case !c.hasPolicies():
		return nothing
	}
	entity := p.aws[c.Entity] || c.EntityID != "" && p.aws[c.EntityID]
	switch {
	case c.Type != Root && (p.aws[c.ARN] || p.aws[c.UserID]), c.Type == User && entity:
		return toCaller
	case p.everybody && !trust, entity && c.Type != Root:
		return toEntity
	case p.everybody, p.aws[c.Account]:
		return delegated
	}
	return nothing
}

// spares tells whether NotPrincipal leaves a caller alone: each of its names
// must stand there, its account's, too.
func (p *principals) spares(c Principal) bool {
	if p.everybody {
		return true
	}
	switch c.Type {
	case Anonymous:
		return false
	case Service:
		return slices.Contains(p.services, c.ARN)
	case WebIdentity:
		return slices.Contains(p.federated, c.ARN)
	case Root:
		return p.aws[c.Account]
	}
	entity := p.aws[c.Entity] || c.EntityID != "" && p.aws[c.EntityID]
	caller := p.aws[c.ARN] || p.aws[c.UserID] || c.Type == User && entity
	return p.aws[c.Account] && entity && caller
}
