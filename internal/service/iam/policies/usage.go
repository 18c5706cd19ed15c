package policies

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// usage is an entity that has a policy.
type usage struct {
	kind types.EntityType
	*record.Entity
}

// ListEntitiesForPolicy lists who has a policy, attached or as the boundary: groups, roles and users, by their names.
func (a *Policies) ListEntitiesForPolicy(ctx context.Context, in *iam.ListEntitiesForPolicyInput) (*iam.ListEntitiesForPolicyOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListEntitiesForPolicyOutput, error) {
		m, err := a.find(tx, *in.PolicyArn)
		if err != nil {
			return nil, err
		}
		all, err := usages(tx, m.ARN, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, all, func(u usage) string { return string(u.kind) + " " + record.ID(u.Name) })
		out := &iam.ListEntitiesForPolicyOutput{IsTruncated: next != nil, Marker: next}
		for _, u := range part {
			switch u.kind {
			case types.EntityTypeUser:
				out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserName: &u.Name, UserId: &u.ID})
			case types.EntityTypeRole:
				out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleName: &u.Name, RoleId: &u.ID})
			default:
				out.PolicyGroups = append(out.PolicyGroups, types.PolicyGroup{GroupName: &u.Name, GroupId: &u.ID})
			}
		}
		return out, nil
	})
}

// usages are those that the request's filters let pass, each once.
func usages(tx store.Tx, arn string, in *iam.ListEntitiesForPolicyInput) (all []usage, err error) {
	attached := in.PolicyUsageFilter != types.PolicyUsageTypePermissionsBoundary
	bounded := in.PolicyUsageFilter != types.PolicyUsageTypePermissionsPolicy
	if attached {
		all, err = use(all, err, types.EntityTypeUser, record.AsUser, record.AsUser.With(tx, arn))
		all, err = use(all, err, types.EntityTypeGroup, record.AsGroup, record.AsGroup.With(tx, arn))
		all, err = use(all, err, types.EntityTypeRole, record.AsRole, record.AsRole.With(tx, arn))
	}
	if bounded {
		all, err = use(all, err, types.EntityTypeUser, record.AsUser, record.BoundedUsers(tx, arn))
		all, err = use(all, err, types.EntityTypeRole, record.AsRole, record.BoundedRoles(tx, arn))
	}
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(u usage) bool {
		twice := seen[u.ID]
		seen[u.ID] = true
		return twice || in.EntityFilter != "" && in.EntityFilter != u.kind || !strings.HasPrefix(u.Path, record.PathOr(in.PathPrefix))
	})
	return all, err
}

func use[T any](all []usage, err error, kind types.EntityType, h record.Holder[T], seq iter.Seq2[*T, error]) ([]usage, error) {
	if err != nil {
		return nil, err
	}
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, usage{kind, h.Of(v)})
	}
	return all, nil
}
