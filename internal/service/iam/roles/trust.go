package roles

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy/document"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// maxTrust is the quota of a trust policy, in characters without white space
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxTrust = 2048

// readTrust reads a document that is to be a trust policy.
func readTrust(text string) (*document.Document, error) {
	d, err := document.Check(text, document.Trust)
	if err != nil {
		return nil, record.Malformed(err)
	}
	if record.Weight(text) > maxTrust {
		return nil, record.Exceeds("Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	return d, nil
}

var (
	digits    = regexp.MustCompile(`^\d{12}$`)
	uniqueID  = regexp.MustCompile(`^(AIDA|AROA)[A-Z0-9]+$`)
	ofIAM     = regexp.MustCompile(`^arn:aws:iam::(\d{12}):(root|(user|role)/.+)$`)
	ofSTS     = regexp.MustCompile(`^arn:aws:sts::\d{12}:(assumed-role/[^/]+/[^/]+|federated-user/.+)$`)
	ofService = regexp.MustCompile(`^[a-z0-9.-]+\.(amazonaws\.com|amazon\.com|internal)$`)
)

// principals refuses a principal that can't be one, and returns the unique ids of the users and roles that a trust
// policy names, by their ARNs. They must be there; those of other accounts can't be asked.
func (a *Roles) principals(tx store.Tx, d *document.Document) (map[string]string, error) {
	ids := map[string]string{}
	for _, s := range d.Statements {
		for _, name := range s.Principals.AWS {
			id, ok, err := a.principal(tx, name)
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, invalidPrincipal("AWS", name)
			}
			if id != "" {
				ids[name] = id
			}
		}
		for _, name := range s.Principals.Service {
			if !ofService.MatchString(name) {
				return nil, invalidPrincipal("SERVICE", name)
			}
		}
		if len(s.Principals.Canonical) > 0 {
			return nil, invalidPrincipal("CANONICAL_USER", s.Principals.Canonical[0])
		}
	}
	return ids, nil
}

func invalidPrincipal(kind, name string) error {
	return record.Malformed(fmt.Errorf("Invalid principal in policy: %q:%q", kind, name)) //nolint:staticcheck // AWS's words
}

// principal tells whether a principal can be, and returns its unique id if it is a user or role of the account.
func (a *Roles) principal(tx store.Tx, name string) (id string, ok bool, err error) {
	if digits.MatchString(name) || uniqueID.MatchString(name) || ofSTS.MatchString(name) {
		return "", true, nil
	}
	m := ofIAM.FindStringSubmatch(name)
	if m == nil {
		return "", false, nil
	}
	if m[2] == "root" || m[1] != a.Account {
		return "", true, nil
	}
	id, err = a.identify(tx, name)
	return id, id != "", err
}

// identify returns the unique id of the user or role of the account with that ARN; "" when there is none.
func (a *Roles) identify(tx store.Tx, arn string) (string, error) {
	key := record.ID(arn[strings.LastIndexByte(arn, '/')+1:])
	if strings.HasPrefix(arn, a.ARN("user/")) {
		u, there, err := handler.Find(tx, record.Users, key)
		if err != nil || !there || record.AsUser.ARN(a.Kit, &u.Entity) != arn {
			return "", err
		}
		return u.ID, nil
	}
	r, there, err := handler.Find(tx, record.Roles, key)
	if err != nil || !there || record.AsRole.ARN(a.Kit, &r.Entity) != arn {
		return "", err
	}
	return r.ID, nil
}

// shown is the trust policy as answers have it: who is named and isn't there any more appears by the unique id.
func (a *Roles) shown(tx store.Tx, r record.Role) (string, error) {
	text := r.Trust
	for arn, id := range r.Principals {
		now, err := a.identify(tx, arn)
		if err != nil {
			return "", err
		}
		if now != id {
			text = strings.ReplaceAll(text, strconv.Quote(arn), strconv.Quote(id))
		}
	}
	return text, nil
}
