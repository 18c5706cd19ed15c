package ecr

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
)

// mostWildcards is how many a filter may have.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
const mostWildcards = 2

// mutabilityFaults is what is wrong with a setting of whether tags may move, and with
// the filters for tags that are excluded from it.
func mutabilityFaults(m types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) (f awserr.Faults) {
	switch m {
	case "", types.ImageTagMutabilityMutable, types.ImageTagMutabilityImmutable:
		if len(filters) > 0 {
			f.Add(invalid("Invalid parameter at 'imageTagMutabilityExclusionFilters': there are none without IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION as 'imageTagMutability'"))
		}
	case types.ImageTagMutabilityImmutableWithExclusion, types.ImageTagMutabilityMutableWithExclusion:
		if len(filters) < 1 || len(filters) > 5 {
			f.Add(invalid("Invalid parameter at 'imageTagMutabilityExclusionFilters': '%s' takes 1 to 5 of them", m))
		}
	default:
		f.Add(constraint("imageTagMutability", "must satisfy enum value set: [MUTABLE, IMMUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION]"))
	}
	for _, x := range filters {
		if x.FilterType != types.ImageTagMutabilityExclusionFilterTypeWildcard {
			f.Add(constraint("imageTagMutabilityExclusionFilters.filterType", "must satisfy enum value set: [WILDCARD]"))
		}
		if n := strings.Count(aws.ToString(x.Filter), "*"); aws.ToString(x.Filter) == "" || n > mostWildcards {
			f.Add(invalid("Invalid parameter at 'imageTagMutabilityExclusionFilters.filter': '%s' must be the form of a tag with at most two wildcards '*'", aws.ToString(x.Filter)))
		}
	}
	return f
}

// setMutability sets whether tags may move. The caller has checked the request.
func (r *Repository) setMutability(m types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) {
	r.Mutability, r.Exclusions = cmp.Or(m, types.ImageTagMutabilityMutable), nil
	for _, f := range filters {
		r.Exclusions = append(r.Exclusions, *f.Filter)
	}
}

// filters returns the repository's filters as the API shows them.
func (r *Repository) filters() (out []types.ImageTagMutabilityExclusionFilter) {
	for _, f := range r.Exclusions {
		out = append(out, types.ImageTagMutabilityExclusionFilter{Filter: &f, FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard})
	}
	return out
}

// immutable says whether a tag that exists must not move.
func (r *Repository) immutable(tag string) bool {
	excluded := slices.ContainsFunc(r.Exclusions, func(f string) bool { return matches(f, tag) })
	switch r.Mutability {
	case types.ImageTagMutabilityImmutable, types.ImageTagMutabilityImmutableWithExclusion:
		return !excluded
	default:
		return excluded
	}
}

// matches says whether filter matches tag. A "*" in it stands for any number of
// characters. Neither can have a character that means anything else to path.Match.
func matches(filter, tag string) bool {
	ok, err := path.Match(filter, tag)
	return ok && err == nil
}
