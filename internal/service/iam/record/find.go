package record

import (
	"crypto/rand"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy/managed"
	"github.com/skylift/skylift/internal/store"
)

// Account-wide things that every part of the service uses.

// Kit is what every part of the service has.
type Kit struct {
	DB      store.DB
	Account string // 12 digits
}

// ARN names something of the account: user/eng/ada.
func (k Kit) ARN(resource string) string { return "arn:aws:iam::" + k.Account + ":" + resource }

// Holder is a type of entity that has policies.
type Holder[T any] struct {
	Table     *store.Table[T]
	Word      string // user, as it stands in ARNs and errors
	Title     string // User, as it stands in names of quotas
	MaxInline int    // characters of all inline policies, without white space
	Of        func(*T) *Entity
}

// The types of entities
// (quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
var (
	AsUser  = Holder[User]{Users, "user", "User", 2048, func(u *User) *Entity { return &u.Entity }}
	AsGroup = Holder[Group]{Groups, "group", "Group", 5120, func(g *Group) *Entity { return &g.Entity }}
	AsRole  = Holder[Role]{Roles, "role", "Role", 10240, func(r *Role) *Entity { return &r.Entity }}
)

// ID is the key of something that has a name.
func ID(name string) string { return strings.ToLower(name) }

// ARN is that of an entity.
func (h Holder[T]) ARN(k Kit, e *Entity) string { return k.ARN(h.Word + e.Path + e.Name) }

// None is the error for a name that nothing has.
func (h Holder[T]) None(name string) error {
	return NoSuch("The %s with name %s cannot be found.", h.Word, name)
}

// Get returns the record with that name.
func (h Holder[T]) Get(tx store.Tx, name string) (T, error) {
	return handler.Get(tx, h.Table, ID(name), func(string) error { return h.None(name) })
}

// Change changes the record with that name.
func (h Holder[T]) Change(tx store.Tx, name string, change func(v *T, e *Entity) error) (T, error) {
	return handler.Change(tx, h.Table, ID(name), func(string) error { return h.None(name) }, func(v *T) error { return change(v, h.Of(v)) })
}

// Add writes a new record, if its name is free and there aren't too many.
func (h Holder[T]) Add(tx store.Tx, v T, most int) error {
	e := h.Of(&v)
	if _, there, err := handler.Find(tx, h.Table, ID(e.Name)); err != nil {
		return err
	} else if there {
		return Exists("%s with name %s already exists.", h.Title, e.Name)
	}
	if n, err := Count(h.Table.Peek(tx, "")); err != nil {
		return err
	} else if n >= most {
		return Exceeds("Cannot exceed quota for %ssPerAccount: %d", h.Title, most)
	}
	return h.Table.Put(tx, ID(e.Name), v)
}

// Found returns the ARNs of entities that requests name, with their paths; without one for a name that nothing has.
func (h Holder[T]) Found(tx store.Tx, k Kit, names []string) []string {
	var arns []string
	for _, name := range names {
		e := &Entity{Name: name, Path: "/"}
		if v, there, err := handler.Find(tx, h.Table, ID(name)); err == nil && there {
			e = h.Of(&v)
		}
		arns = append(arns, h.ARN(k, e))
	}
	return arns
}

// With yields the entities that have a managed policy attached.
func (h Holder[T]) With(tx store.Tx, arn string) iter.Seq2[*T, error] {
	return h.Table.PeekBy(tx, byPolicy, arn)
}

// Members yields the users of a group.
func Members(tx store.Tx, group string) iter.Seq2[*User, error] {
	return Users.PeekBy(tx, byGroup, group)
}

// Bounded counts the users and roles that have a managed policy as their boundary.
func Bounded(tx store.Tx, arn string) (n int, err error) {
	users, err := Count(Users.PeekBy(tx, byBoundary, arn))
	if err != nil {
		return 0, err
	}
	roles, err := Count(Roles.PeekBy(tx, byBoundary, arn))
	return users + roles, err
}

// BoundedUsers and BoundedRoles yield them.
func BoundedUsers(tx store.Tx, arn string) iter.Seq2[*User, error] {
	return Users.PeekBy(tx, byBoundary, arn)
}

// BoundedRoles yields the roles that have a managed policy as their boundary.
func BoundedRoles(tx store.Tx, arn string) iter.Seq2[*Role, error] {
	return Roles.PeekBy(tx, byBoundary, arn)
}

// AttachedTo counts the users, groups and roles that have a managed policy attached.
func AttachedTo(tx store.Tx, arn string) (n int, err error) {
	users, err := Count(AsUser.With(tx, arn))
	if err != nil {
		return 0, err
	}
	groups, err := Count(AsGroup.With(tx, arn))
	if err != nil {
		return 0, err
	}
	roles, err := Count(AsRole.With(tx, arn))
	return users + groups + roles, err
}

// Count counts what seq yields.
func Count[T any](seq iter.Seq2[T, error]) (n int, err error) {
	for _, err := range seq {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Managed is a managed policy, of the account or of AWS.
type Managed struct {
	Policy
	ARN string
	AWS bool // it can't be changed
}

// Text is the document of the default version.
func (m Managed) Text() string {
	for _, v := range m.Versions {
		if v.ID == m.Default {
			return v.Text
		}
	}
	return ""
}

// Of returns the account's own policy as a managed one.
func (k Kit) Of(p Policy) Managed { return Managed{p, k.ARN("policy" + p.Path + p.Name), false} }

// Managed returns the managed policy with that ARN; ok is false when there is none.
func (k Kit) Managed(tx store.Tx, arn string) (m Managed, ok bool, err error) {
	if strings.HasPrefix(arn, "arn:aws:iam::aws:") {
		all := managed.All()
		i, found := slices.BinarySearchFunc(all, arn[strings.LastIndexByte(arn, '/')+1:], func(p managed.Policy, name string) int { return strings.Compare(p.Name, name) })
		if !found || all[i].ARN != arn {
			return m, false, nil
		}
		return OfAWS(all[i]), true, nil
	}
	p, ok, err := handler.Find(tx, Policies, ID(arn[strings.LastIndexByte(arn, '/')+1:]))
	if err != nil || !ok || k.Of(p).ARN != arn {
		return m, false, err
	}
	return k.Of(p), true, nil
}

// OfAWS returns one of AWS's as a managed policy.
func OfAWS(p managed.Policy) Managed {
	return Managed{Policy{
		Name: p.Name, Path: p.Path, ID: p.ID, Created: p.Created, Updated: p.Updated, Default: p.Version,
		Versions: []Version{{p.Version, p.Document, p.Updated}},
	}, p.ARN, true}
}

// NewID makes a unique id of 21 characters that begins with a prefix: AIDA, AROA, AGPA, ANPA, AIPA.
func NewID(prefix string) string { return prefix + rand.Text()[:17] }

// Now is the time as IAM tells it, in whole seconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// Escape encodes a document as IAM answers with it (RFC 3986).
func Escape(text string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(text), "+", "%20"))
}

// Weight is the length of a document as quotas count it: without white space.
func Weight(text string) (n int) {
	for _, r := range text {
		if !strings.ContainsRune(" \t\r\n", r) {
			n++
		}
	}
	return n
}

// PathOr returns a path, or "/" where none is given.
func PathOr(path *string) string {
	if path == nil || *path == "" {
		return "/"
	}
	return *path
}

// Names returns those of inline policies, in order.
func (e *Entity) Names() []string { return slices.Sorted(maps.Keys(e.Inline)) }

// BoundaryOut is the boundary as answers have it.
func (e *Entity) BoundaryOut() *types.AttachedPermissionsBoundary {
	if e.Boundary == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: &e.Boundary, PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy}
}

// Errors with AWS's codes.

// NoSuch says that something isn't there.
func NoSuch(format string, args ...any) error {
	return &types.NoSuchEntityException{Message: new(fmt.Sprintf(format, args...))}
}

// Exists says that something is there already.
func Exists(format string, args ...any) error {
	return &types.EntityAlreadyExistsException{Message: new(fmt.Sprintf(format, args...))}
}

// Exceeds says which quota is used up.
func Exceeds(format string, args ...any) error {
	return &types.LimitExceededException{Message: new(fmt.Sprintf(format, args...))}
}

// Conflict says what stands in the way of a deletion.
func Conflict(what string) error {
	return &types.DeleteConflictException{Message: new("Cannot delete entity, must " + what + " first.")}
}

// Unmodifiable says that something is AWS's.
func Unmodifiable(format string, args ...any) error {
	return &types.UnmodifiableEntityException{Message: new(fmt.Sprintf(format, args...))}
}

// Invalid says what is wrong with a value.
func Invalid(format string, args ...any) error { return awserr.New("ValidationError", format, args...) }

// Input says what is wrong with a value, where IAM has another code for it.
func Input(format string, args ...any) error {
	return &types.InvalidInputException{Message: new(fmt.Sprintf(format, args...))}
}

// Malformed hands on what is wrong with a document.
func Malformed(err error) error {
	return &types.MalformedPolicyDocumentException{Message: new(err.Error())}
}

// pages is how IAM cuts its lists (https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html).
var pages = handler.Pages{
	Default: 100, Most: 1000,
	BadToken: func(string) error { return Invalid("Invalid Marker.") },
}

// Page opens the page that a request asks for.
func Page(maxItems *int32, marker *string) (handler.Page, error) { return pages.Open(maxItems, marker) }

// Own refuses to change what is AWS's: service-linked roles.
func Own(e *Entity) error {
	if strings.HasPrefix(e.ID, "AROA") && strings.HasPrefix(e.Path, "/aws-service-role/") {
		return Unmodifiable("Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", e.Name)
	}
	return nil
}

// CheckBoundary refuses a permissions boundary that is no managed policy.
func (k Kit) CheckBoundary(tx store.Tx, arn string) error {
	if _, ok, err := k.Managed(tx, arn); err != nil {
		return err
	} else if !ok {
		return NoSuch("Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return nil
}

// Denied says that a caller may not do it.
func Denied(format string, args ...any) error { return awserr.New("AccessDenied", format, args...) }

// NameOf is the last element of an ARN.
func NameOf(arn string) *string { return new(arn[strings.LastIndexByte(arn, '/')+1:]) }
