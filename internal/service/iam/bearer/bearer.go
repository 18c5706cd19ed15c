// Package bearer finds what users and roles may do: their policies, compiled.
//
// A text is compiled once and kept, so finding costs the reading of records.
package bearer

import (
	"fmt"
	"strings"
	"sync"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// Bearer is a user or a role with what it may do.
type Bearer struct {
	ARN      string // with the path
	ID       string // AIDA… or AROA…
	Name     string
	Tags     map[string]string
	Identity []*policy.Policy // its own and those of its groups
	Boundary *policy.Policy   // nil when it has none
}

// Role is a role with who may assume it.
type Role struct {
	Bearer
	Trust      *policy.Policy
	MaxSession int32  // seconds
	Service    string // of a service-linked role: ecs.amazonaws.com
}

// ForSessions returns what must be known of the role to decide who may have a session of it.
func (r Role) ForSessions() session.Role {
	return session.Role{ARN: r.ARN, ID: r.ID, Tags: r.Tags, Trust: r.Trust}
}

// Finder finds bearers.
type Finder struct {
	record.Kit
	mu       sync.Mutex
	compiled map[text]*policy.Policy
}

type text struct {
	name policy.Name
	text string
	ids  string
}

// maxCompiled is how many texts are kept; when there are more, all are compiled anew.
const maxCompiled = 4096

// New returns a finder.
func New(k record.Kit) *Finder { return &Finder{Kit: k, compiled: map[text]*policy.Policy{}} }

// Compile returns a text compiled. Ids are unique ids of principals by their ARNs, as of policy.Compile.
func (f *Finder) Compile(name policy.Name, source string, ids map[string]string) (*policy.Policy, error) {
	t := text{name: name, text: source}
	if len(ids) > 0 {
		t.ids = fmt.Sprint(ids) // in the order of the keys
	}
	f.mu.Lock()
	p := f.compiled[t]
	f.mu.Unlock()
	if p != nil {
		return p, nil
	}
	d, err := document.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("read policy %s%s: %w", name.Name, name.ARN, err)
	}
	if p, err = policy.Compile(name, d, ids); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.compiled) >= maxCompiled {
		clear(f.compiled)
	}
	f.compiled[t] = p
	return p, nil
}

// managed returns the default version of a managed policy, compiled; nil when it is gone.
func (f *Finder) managed(tx store.Tx, arn string) (*policy.Policy, error) {
	m, ok, err := f.Managed(tx, arn)
	if err != nil || !ok {
		return nil, err
	}
	return f.Compile(policy.Name{ARN: arn}, m.Text(), nil)
}

// policies adds an entity's policies to list. Inline ones are called <word>_<entity>_<policy>.
func (f *Finder) policies(tx store.Tx, list []*policy.Policy, word string, e *record.Entity) ([]*policy.Policy, error) {
	for _, name := range e.Names() {
		p, err := f.Compile(policy.Name{Name: word + "_" + e.Name + "_" + name}, e.Inline[name], nil)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	for _, arn := range e.Attached {
		p, err := f.managed(tx, arn)
		if err != nil {
			return nil, err
		}
		if p != nil {
			list = append(list, p)
		}
	}
	return list, nil
}

// Session returns a session's policies: a text, "" for none, and managed policies. The list is not nil: what is gone allows nothing.
func (f *Finder) Session(tx store.Tx, text string, arns []string) ([]*policy.Policy, error) {
	list := []*policy.Policy{}
	if text != "" {
		p, err := f.Compile(policy.Name{Name: "session"}, text, nil)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	for _, arn := range arns {
		p, err := f.managed(tx, arn)
		if err != nil {
			return nil, err
		}
		if p != nil {
			list = append(list, p)
		}
	}
	return list, nil
}

func (f *Finder) bearer(tx store.Tx, word string, e *record.Entity) (b Bearer, err error) {
	b = Bearer{ARN: f.ARN(word + e.Path + e.Name), ID: e.ID, Name: e.Name, Tags: e.Tags}
	if b.Identity, err = f.policies(tx, nil, word, e); err != nil || e.Boundary == "" {
		return b, err
	}
	b.Boundary, err = f.managed(tx, e.Boundary)
	if err == nil && b.Boundary == nil {
		b.Boundary = new(policy.Policy) // a boundary that is gone allows nothing
	}
	return b, err
}

// User returns the user with that name; ok is false when there is none.
func (f *Finder) User(tx store.Tx, name string) (b Bearer, ok bool, err error) {
	u, ok, err := handler.Find(tx, record.Users, record.ID(name))
	if err != nil || !ok {
		return b, false, err
	}
	if b, err = f.bearer(tx, "user", &u.Entity); err != nil {
		return b, false, err
	}
	for _, key := range u.Groups {
		g, there, err := handler.Find(tx, record.Groups, key)
		if err != nil {
			return b, false, err
		}
		if !there {
			continue
		}
		if b.Identity, err = f.policies(tx, b.Identity, "group", &g.Entity); err != nil {
			return b, false, err
		}
	}
	b.Identity, err = f.ownPassword(tx, b.Identity, b.ARN)
	return b, err == nil, err
}

// ownPassword adds to a user's policies what the account's password policy lets everybody do
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_enable-user-change.html).
func (f *Finder) ownPassword(tx store.Tx, list []*policy.Policy, user string) ([]*policy.Policy, error) {
	s, _, err := handler.Find(tx, record.Account, record.AccountKey)
	if err != nil || s.Passwords == nil || !s.Passwords.MayChange {
		return list, err
	}
	p, err := f.Compile(policy.Name{Name: "of the account's passwords"}, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ChangePassword","Resource":"`+user+`"},`+
		`{"Effect":"Allow","Action":"iam:GetAccountPasswordPolicy","Resource":"*"}]}`, nil)
	return append(list, p), err
}

// Role returns the role with that name; ok is false when there is none.
func (f *Finder) Role(tx store.Tx, name string) (r Role, ok bool, err error) {
	v, ok, err := handler.Find(tx, record.Roles, record.ID(name))
	if err != nil || !ok {
		return r, false, err
	}
	if r.Bearer, err = f.bearer(tx, "role", &v.Entity); err != nil {
		return r, false, err
	}
	r.MaxSession, r.Service = v.MaxSession, v.Service
	r.Trust, err = f.Compile(policy.Name{Name: "role_" + v.Name + "_trust"}, v.Trust, v.Principals)
	return r, err == nil, err
}

// Named returns the user, group or role with that ARN as a bearer; ok is false when there is none.
func (f *Finder) Named(tx store.Tx, arn string) (b Bearer, ok bool, err error) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(arn, f.ARN("")), "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "user":
		b, ok, err = f.User(tx, name)
	case "role":
		var r Role
		r, ok, err = f.Role(tx, name)
		b = r.Bearer
	case "group":
		var g record.Group
		if g, ok, err = handler.Find(tx, record.Groups, record.ID(name)); err == nil && ok {
			b, err = f.bearer(tx, "group", &g.Entity)
		}
	}
	return b, ok && b.ARN == arn, err
}
