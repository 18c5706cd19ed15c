package document

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Directory knows the users and roles of accounts.
type Directory interface {
	// UniqueID returns the unique id of the user or role that has an ARN.
	UniqueID(ctx context.Context, arn string) (id string, ok bool, err error)
}

// ErrNobody says that a policy names somebody who can't be, or who isn't there.
var ErrNobody = errors.New("the policy names a principal that is nobody")

// somebody is what stands for somebody of IAM in a policy.
var somebody = regexp.MustCompile(`^(\d{12}|(AIDA|AROA)[A-Z0-9]+|arn:aws:iam::\d{12}:(root|(user|role)/.+)|arn:aws:sts::\d{12}:(assumed-role/[^/]+/[^/]+|federated-user/.+))$`)

// CheckNames fails with ErrNobody when a statement names somebody who can't be IAM's, whoever there is.
func (d *Document) CheckNames() error {
	for _, s := range d.Statements {
		if s.Principals == nil {
			continue
		}
		if len(s.Principals.Canonical) > 0 {
			return ErrNobody
		}
		for _, name := range s.Principals.AWS {
			if !somebody.MatchString(name) {
				return ErrNobody
			}
		}
	}
	return nil
}

// IDs returns the unique ids of the account's users and roles that the document names, by their ARNs: whoever has such a name
// later isn't meant. It fails with ErrNobody when one isn't there.
func (d *Document) IDs(ctx context.Context, account string, who Directory) (map[string]string, error) {
	ids := map[string]string{}
	for _, s := range d.Statements {
		if s.Principals == nil {
			continue
		}
		for _, name := range s.Principals.AWS {
			id, err := IDOf(ctx, name, account, who)
			if err != nil {
				return nil, err
			}
			if id != "" {
				ids[name] = id
			}
		}
	}
	return ids, nil
}

// IDOf is IDs for one principal; "" when it is none of the account's users and roles.
func IDOf(ctx context.Context, name, account string, who Directory) (string, error) {
	if !somebody.MatchString(name) {
		return "", ErrNobody
	}
	if !strings.HasPrefix(name, "arn:aws:iam::"+account+":") || strings.HasSuffix(name, ":root") {
		return "", nil
	}
	id, ok, err := who.UniqueID(ctx, name)
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", name, err)
	}
	if !ok {
		return "", ErrNobody
	}
	return id, nil
}
