package iam

import (
	"strings"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// Known returns the tags of the user, role, policy, instance profile or provider with that ARN, and the condition keys that it tells; none when there is no
// such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(arn, a.finder.ARN("")), "/")
	name := record.ID(rest[strings.LastIndexByte(rest, '/')+1:])
	var e record.Entity
	switch kind {
	case "user":
		u, _, err := handler.Find(tx, record.Users, name)
		if err != nil {
			return nil, nil, err
		}
		e = u.Entity
	case "role":
		r, _, err := handler.Find(tx, record.Roles, name)
		if err != nil {
			return nil, nil, err
		}
		e = r.Entity
	case "policy":
		tags, err = handler.TagsOf(tx, record.Policies, name, func(p *record.Policy) handler.Tags { return p.Tags })
		return tags, nil, err
	case "instance-profile":
		tags, err = handler.TagsOf(tx, record.Profiles, name, func(p *record.Profile) handler.Tags { return p.Tags })
		return tags, nil, err
	case "oidc-provider":
		tags, err = handler.TagsOf(tx, record.Providers, rest, func(p *record.Provider) handler.Tags { return p.Tags })
		return tags, nil, err
	}
	if e.Boundary != "" {
		keys = map[string]string{"iam:PermissionsBoundary": e.Boundary}
	}
	return e.Tags, keys, nil
}
