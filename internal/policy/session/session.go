// Package session decides who may assume a role, and says who a session of the role is.
//
// It is pure, and knows neither records nor credentials. The rules are those of the IAM User Guide, "Methods to assume a role".
package session

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/policy"
)

// ErrDenied says that a role can't be assumed: it isn't there, or somebody may not. Callers are not told which.
var ErrDenied = errors.New("the role can't be assumed")

// What policies call it to assume a role
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html).
const (
	Assume            = "sts:AssumeRole"
	AssumeByToken     = "sts:AssumeRoleWithWebIdentity"
	Tag               = "sts:TagSession"
	SetSourceIdentity = "sts:SetSourceIdentity"
)

// Role is what must be known of a role.
type Role struct {
	ARN   string            // with its path
	ID    string            // AROA…
	Tags  map[string]string // its own
	Trust *policy.Policy    // who may assume it
}

// Caller is who calls, with what policy must know of the call.
type Caller struct {
	Principal policy.Principal
	Policies  policy.Policies // its own, without those of resources
	Keys      policy.Keys     // condition keys about the caller and the call
	// Refused is told of what policy denies the caller besides. It may be absent.
	Refused func(policy.Call, policy.Policies, policy.Decision)
}

// Service returns one of AWS's services, such as ecs-tasks.amazonaws.com, as the caller. It acts for a resource, which
// has an ARN and an account: trust policies name them against confused deputies
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html).
func Service(name, sourceARN, sourceAccount string, now time.Time) Caller {
	c := Caller{Principal: policy.Principal{Type: policy.Service, ARN: name}}
	c.Keys = c.Principal.Keys()
	c.Keys.Set("aws:SourceArn", sourceARN)
	c.Keys.Set("aws:SourceAccount", sourceAccount)
	c.Keys.Set("aws:CurrentTime", now.UTC().Format(time.RFC3339))
	c.Keys.Set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	c.Keys.Set("aws:SecureTransport", "true")
	c.Keys.Set("aws:ViaAWSService", "false")
	return c
}

// Request asks for a session of a role.
type Request struct {
	Caller
	Action         string // Assume or AssumeByToken; "" is Assume
	Name           string // of the session
	ExternalID     string // "": none is given
	SourceIdentity string // that the request sets; "": none
	Tags           []KeyValue
	Transitive     []string // keys of tags that stay when the session assumes another role
}

// KeyValue is a tag of a session.
type KeyValue struct{ Key, Value string }

// actions are those that the request must be allowed: to tag and to name the source are ones of their own.
func (q Request) actions() []string {
	list := []string{Assume}
	if q.Action != "" {
		list[0] = q.Action
	}
	if len(q.Tags) > 0 {
		list = append(list, Tag)
	}
	if q.SourceIdentity != "" {
		list = append(list, SetSourceIdentity)
	}
	return list
}

// keys are the condition keys of the request for a session of r.
func (q Request) keys(r Role) policy.Keys {
	var k policy.Keys
	k.Set("sts:RoleSessionName", q.Name)
	if q.ExternalID != "" {
		k.Set("sts:ExternalId", q.ExternalID)
	}
	if q.SourceIdentity != "" {
		k.Set("sts:SourceIdentity", q.SourceIdentity)
	}
	var names []string
	for _, t := range q.Tags {
		k.Set("aws:RequestTag/"+t.Key, t.Value)
		names = append(names, t.Key)
	}
	if len(names) > 0 {
		k.SetMany("aws:TagKeys", names...)
	}
	if len(q.Transitive) > 0 {
		k.SetMany("sts:TransitiveTagKeys", q.Transitive...)
	}
	for name, value := range r.Tags {
		k.Set("aws:ResourceTag/"+name, value)
		k.Set("iam:ResourceTag/"+name, value)
	}
	return q.Keys.With(k)
}

// Decide decides whether somebody may have the session of the role that q asks for: the trust policy must say so and, where it
// leaves the decision to the caller's account, the caller's policies must, too. The decision is about the action that is returned: of a denial,
// the first that isn't allowed.
func (r Role) Decide(q Request) (d policy.Decision, action string) {
	keys := q.keys(r)
	policies := q.Policies
	policies.Resource, policies.Own = r.Trust, policy.TrustOwn
	for _, action = range q.actions() {
		call := policy.Call{Caller: q.Principal, Action: action, Resource: r.ARN, Owner: r.account(), Keys: keys}
		if d = policy.Decide(call, policies); !d.Allowed() {
			if q.Refused != nil {
				q.Refused(call, policies, d)
			}
			break
		}
	}
	return d, action
}

// Session returns who a session of the role with that name is. Its ARN has no path, other than the role's
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
func (r Role) Session(name string) policy.Principal {
	return policy.Principal{
		Type: policy.RoleSession, Account: r.account(),
		ARN:    "arn:aws:sts::" + r.account() + ":assumed-role/" + r.name() + "/" + name,
		Entity: r.ARN, EntityID: r.ID, UserID: r.ID + ":" + name,
	}
}

func (r Role) account() string {
	f := strings.Split(r.ARN, ":")
	if len(f) < 6 {
		return ""
	}
	return f[4]
}

func (r Role) name() string { return r.ARN[strings.LastIndexByte(r.ARN, '/')+1:] }
