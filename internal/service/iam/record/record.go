// Package record has what IAM keeps, and how its parts find it.
//
// Names are unique in the account without regard to case, so the key of a record is its name in lower case.
package record

import (
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// The tables.
var (
	Users = store.NewTable("iam-user",
		store.Index[User]{Name: byPolicy, Values: func(u User) []string { return u.Attached }},
		store.Index[User]{Name: byBoundary, Values: func(u User) []string { return some(u.Boundary) }},
		store.Index[User]{Name: byGroup, Values: func(u User) []string { return u.Groups }},
	)
	Groups = store.NewTable("iam-group",
		store.Index[Group]{Name: byPolicy, Values: func(g Group) []string { return g.Attached }},
	)
	Roles = store.NewTable("iam-role",
		store.Index[Role]{Name: byPolicy, Values: func(r Role) []string { return r.Attached }},
		store.Index[Role]{Name: byBoundary, Values: func(r Role) []string { return some(r.Boundary) }},
	)
	Policies = store.NewTable[Policy]("iam-policy")
	Profiles = store.NewTable("iam-instance-profile",
		store.Index[Profile]{Name: "role", Values: func(p Profile) []string { return some(p.Role) }},
	)
	// Keys are access keys, by their ids.
	Keys = store.NewTable("iam-access-key",
		store.Index[Key]{Name: "user", Values: func(k Key) []string { return []string{k.User} }},
	)
	// Uses say when access keys, by their ids, and roles, by "role/" and their key, were last used.
	Uses = store.NewTable[Use]("iam-last-use")
	// Providers are OpenID Connect providers, by their issuer without "https://".
	Providers = store.NewTable[Provider]("iam-oidc-provider")
	// Deletions are those of service-linked roles, by their ids.
	Deletions = store.NewTable[Deletion]("iam-role-deletion")
	// Account has one record, at AccountKey.
	Account = store.NewTable[Settings]("iam-account")
)

const (
	byPolicy   = "policy"
	byBoundary = "boundary"
	byGroup    = "group"

	// AccountKey is the key of the account's settings.
	AccountKey = "account"
)

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema {
	return []store.Schema{Users, Groups, Roles, Policies, Profiles, Keys, Uses, Providers, Deletions, Account}
}

// Entity is what users, groups and roles have in common.
type Entity struct {
	Name     string
	Path     string // begins and ends with a slash
	ID       string // AIDA…, AGPA… or AROA…
	Created  time.Time
	Tags     handler.Tags      `json:",omitempty"`
	Attached []string          `json:",omitempty"` // ARNs of managed policies, in the order in which they were attached
	Inline   map[string]string `json:",omitempty"` // documents as they were sent, by name
	Boundary string            `json:",omitempty"` // ARN of a managed policy
}

// User is a user.
type User struct {
	Entity
	Groups []string `json:",omitempty"` // keys
	Login  *Login   `json:",omitempty"`
}

// Login is a user's password.
type Login struct {
	Hash    string   // bcrypt
	Old     []string `json:",omitempty"` // hashes of passwords before, the last one first
	Created time.Time
	Changed time.Time
	Used    time.Time // zero: never
	Reset   bool      // it must be changed at the next sign-in
}

// Group is a group.
type Group struct{ Entity }

// Role is a role.
type Role struct {
	Entity
	Description string            `json:",omitempty"`
	MaxSession  int32             // seconds
	Trust       string            // the document as it was sent
	Principals  map[string]string `json:",omitempty"` // unique ids of those users and roles that the trust policy names, by their ARNs
	Service     string            `json:",omitempty"` // of a service-linked role: ecs.amazonaws.com
}

// Policy is a managed policy of the account.
type Policy struct {
	Name, Path, ID, Description string
	Created, Updated            time.Time
	Tags                        handler.Tags
	Versions                    []Version // the oldest first
	Default                     string    // v1
	Made                        int       // how many versions there were; numbers don't come again
}

// Version is a version of a managed policy.
type Version struct {
	ID      string // v1
	Text    string // the document as it was sent
	Created time.Time
}

// Profile is an instance profile.
type Profile struct {
	Name, Path, ID string
	Created        time.Time
	Tags           handler.Tags
	Role           string `json:",omitempty"` // key
}

// Key is an access key.
type Key struct {
	ID      string // AKIA…
	User    string // key
	UserID  string
	Sealed  []byte // the secret, under the key's id
	Active  bool
	Created time.Time
}

// Use says when something was last used.
type Use struct {
	At      time.Time
	Service string // ecs
	Region  string
}

// Provider is an OpenID Connect provider.
type Provider struct {
	Issuer      string // without "https://"
	Created     time.Time
	Clients     []string `json:",omitempty"`
	Thumbprints []string `json:",omitempty"`
	Tags        handler.Tags
}

// Deletion is the deletion of a service-linked role, which is done at once.
type Deletion struct {
	ID   string // task/aws-service-role/…
	Role string // ARN
	Done time.Time
}

// Settings are those of the account.
type Settings struct {
	Alias     string         `json:",omitempty"`
	Passwords *PasswordRules `json:",omitempty"`
	Report    []byte         `json:",omitempty"` // the credential report
	Reported  time.Time
}

// PasswordRules are the account's password policy.
type PasswordRules struct {
	MinLength                        int32
	Symbols, Numbers, Uppers, Lowers bool
	MayChange, HardExpiry            bool
	MaxAge, Reuse                    int32 // days, and how many passwords; 0 is none
}

// Expired says whether a password that was set at a time is too old for its user to change it: only an administrator may then
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html, HardExpiry).
func (r *PasswordRules) Expired(set time.Time) bool {
	return r != nil && r.HardExpiry && r.MaxAge > 0 && Now().After(set.AddDate(0, 0, int(r.MaxAge)))
}

// NoTemplates says why no request has the condition key iam:RoleTemplateARN.
const NoTemplates = "roles are made from no templates"
