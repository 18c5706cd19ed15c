// Package scope has what the handlers of S3 share: the bucket that a request names, whose it is, and what may be said of
// tags and ACLs.
package scope

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/store"
)

// Scope is what handlers work on.
type Scope struct {
	DB     store.DB
	NS     arn.Namespace
	Bodies *body.Bodies
	// Endpoint is where objects are found: http://127.0.0.1:4566.
	Endpoint string
}

// Bucket returns the bucket with that name. Expected is the account that its owner must be, if a request says it.
func (s *Scope) Bucket(tx store.Tx, name, expected *string) (record.Bucket, error) {
	if expected != nil && *expected != s.NS.Account {
		return record.Bucket{}, record.Fault("AccessDenied", "Access Denied")
	}
	return record.BucketNamed(tx, *name)
}

// Change changes the bucket with that name.
func (s *Scope) Change(tx store.Tx, name, expected *string, change func(*record.Bucket) error) error {
	b, err := s.Bucket(tx, name, expected)
	if err != nil {
		return err
	}
	if err := change(&b); err != nil {
		return err
	}
	return record.Buckets.Put(tx, b.Name, b)
}

// CanonicalID is the account's canonical user id: 64 hex digits.
func (s *Scope) CanonicalID() string {
	sum := sha256.Sum256([]byte("skylift canonical user " + s.NS.Account))
	return hex.EncodeToString(sum[:])
}

// Owner is whose all buckets and objects are.
func (s *Scope) Owner() *types.Owner { return &types.Owner{ID: new(s.CanonicalID())} }

// Grants is the ACL that all buckets and objects have.
func (s *Scope) Grants() []types.Grant {
	return []types.Grant{{
		Grantee: &types.Grantee{Type: types.TypeCanonicalUser, ID: new(s.CanonicalID())}, Permission: types.PermissionFullControl,
	}}
}

// ACL refuses an ACL that says more than that the owner has all. Enforced says that the bucket has no ACLs.
func (s *Scope) ACL(canned string, enforced bool) error {
	switch {
	case canned == "" || canned == "private" || canned == "bucket-owner-full-control":
		return nil
	case enforced:
		return record.Fault("AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	return record.Fault("NotImplemented", "The ACL %s is not supported by Skylift: the owner has all rights, and policies give others some.", canned)
}

// Grant refuses an ACL's grants, but for one that gives the owner all.
func (s *Scope) Grant(p *types.AccessControlPolicy, enforced bool) error {
	if p == nil {
		return nil
	}
	for _, g := range p.Grants {
		if g.Grantee != nil && g.Grantee.ID != nil && *g.Grantee.ID == s.CanonicalID() && g.Permission == types.PermissionFullControl {
			continue
		}
		return s.ACL("with other grants", enforced)
	}
	return nil
}

func tagFault(format string, args ...any) error { return record.Fault("InvalidTag", format, args...) }

// rules are those of tags
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html).
func rules(most int, tooMany func() error) handler.TagRules {
	return handler.TagRules{
		Most: most, TooMany: tooMany,
		Letters:  regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z`),
		BadKey:   func(string) error { return tagFault("The TagKey you have provided is invalid") },
		BadValue: func(string, string) error { return tagFault("The TagValue you have provided is invalid") },
		Reserved: func(string) error { return tagFault("System tags cannot be added/updated by requester") },
		Twice:    func(string) error { return tagFault("Cannot provide multiple Tags with the same key") },
	}
}

// ObjectTags and BucketTags are the rules of tags.
var (
	ObjectTags = rules(10, func() error { return record.Fault("BadRequest", "Object tags cannot be greater than 10") })
	BucketTags = rules(50, func() error { return record.Fault("BadRequest", "Bucket tag count cannot be greater than 50") })
)

// TagType is S3's type of a tag.
var TagType = handler.TagType[types.Tag]{
	Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
}

// HeaderTags reads tags as a header has them: as the query of a URL.
func HeaderTags(said *string) (handler.Tags, error) {
	if said == nil || *said == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(*said)
	if err != nil {
		return nil, record.Invalid("x-amz-tagging", *said, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var list []handler.Tag
	for key, values := range q {
		for _, value := range values {
			list = append(list, handler.Tag{Key: key, Value: value})
		}
	}
	return ObjectTags.Add(nil, list)
}
