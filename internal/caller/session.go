package caller

import "time"

// Kind is how somebody came to temporary credentials.
type Kind string

// The kinds of sessions.
const (
	OfRole    Kind = "role"      // a role was assumed
	OfUser    Kind = "user"      // GetSessionToken, of a user or root
	Federated Kind = "federated" // GetFederationToken, of a user or root
)

// Session is what temporary credentials say of whom they were given to. No store has it: it is in their session token. What the role or
// user may do isn't in it, since that counts which they may when they call.
type Session struct {
	Kind     Kind
	Entity   string `json:",omitempty"` // name of the role or user; "" of root
	EntityID string `json:",omitempty"` // AROA… or AIDA…: another one of that name is somebody else
	Name     string `json:",omitempty"` // of a role's or a federated user's session

	Policy     string            `json:",omitempty"` // a session policy
	Policies   []string          `json:",omitempty"` // ARNs of managed policies that are session policies, too
	Tags       map[string]string `json:",omitempty"`
	Transitive []string          `json:",omitempty"` // keys of tags that stay when another role is assumed

	SourceIdentity string `json:",omitempty"`
	Provider       string `json:",omitempty"` // ARN of the one whose token it was given for
	Task           string `json:",omitempty"` // key of the ECS task that it is for; it ends with the task

	Issued, Expires time.Time
}

// Restricted says whether session policies narrow what the session may do.
func (s *Session) Restricted() bool {
	return s.Policy != "" || len(s.Policies) > 0 || s.Kind == Federated
}

// Barred says whether the session may not call a service at all
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html).
func (s *Session) Barred(service string) bool {
	return s != nil && s.Kind != OfRole && service == "iam"
}
