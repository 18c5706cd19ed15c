package record

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
)

// mostWildcards is how many a filter may have.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
const mostWildcards = 2

// MutabilityFaults is what is wrong with a setting of whether tags may move, and with
// the filters for tags that are excluded from it.
func MutabilityFaults(m types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) (f awserr.Faults) {
	switch m {
	case "", types.ImageTagMutabilityMutable, types.ImageTagMutabilityImmutable:
		if len(filters) > 0 {
			f.Add(Invalid("Invalid parameter at 'imageTagMutabilityExclusionFilters': there are none without IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION as 'imageTagMutability'"))
		}
	case types.ImageTagMutabilityImmutableWithExclusion, types.ImageTagMutabilityMutableWithExclusion:
		if len(filters) < 1 || len(filters) > 5 {
			f.Add(Invalid("Invalid parameter at 'imageTagMutabilityExclusionFilters': '%s' takes 1 to 5 of them", m))
		}
	default:
		f.Add(Constraint("imageTagMutability", "must satisfy enum value set: [MUTABLE, IMMUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION]"))
	}
	for _, x := range filters {
		if x.FilterType != types.ImageTagMutabilityExclusionFilterTypeWildcard {
			f.Add(Constraint("imageTagMutabilityExclusionFilters.filterType", "must satisfy enum value set: [WILDCARD]"))
		}
		if n := strings.Count(aws.ToString(x.Filter), "*"); aws.ToString(x.Filter) == "" || n > mostWildcards {
			f.Add(Invalid("Invalid parameter at 'imageTagMutabilityExclusionFilters.filter': '%s' must be the form of a tag with at most two wildcards '*'", aws.ToString(x.Filter)))
		}
	}
	return f
}

// SetMutability sets whether tags may move. The caller has checked the request.
func (r *Repository) SetMutability(m types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) {
	r.Mutability, r.Exclusions = cmp.Or(m, types.ImageTagMutabilityMutable), nil
	for _, f := range filters {
		r.Exclusions = append(r.Exclusions, *f.Filter)
	}
}

// Filters returns the repository's filters as the API shows them.
func (r *Repository) Filters() []types.ImageTagMutabilityExclusionFilter {
	return Filters(r.Exclusions)
}

// Filters returns patterns of tags as the API shows them.
func Filters(patterns []string) (out []types.ImageTagMutabilityExclusionFilter) {
	for _, f := range patterns {
		out = append(out, types.ImageTagMutabilityExclusionFilter{Filter: &f, FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard})
	}
	return out
}

// Immutable says whether a tag that exists must not move.
func (r *Repository) Immutable(tag string) bool {
	excluded := slices.ContainsFunc(r.Exclusions, func(f string) bool { return lifecycle.Match(f, tag) })
	switch r.Mutability {
	case types.ImageTagMutabilityImmutable, types.ImageTagMutabilityImmutableWithExclusion:
		return !excluded
	default:
		return excluded
	}
}
