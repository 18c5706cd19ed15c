package ec2

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
)

// listing is how the resources of one kind are listed: what filters see of
// them, and how they are called.
type listing[T any] struct {
	kind
	id func(T) string
	// fields is what each filter looks at. A filter that AWS has, but on
	// something that no resource of ours has, sees nothing.
	fields map[string]func(T) []string
}

// question is what all Describe calls ask alike.
type question struct {
	ids     []string
	filters []types.Filter
	max     *int32
	token   *string
}

// answer returns those of all, sorted by id, that q asks for, and the token
// for more.
func (l listing[T]) answer(all []T, q question, tags map[string]tagSet) ([]T, *string, error) {
	if len(q.ids) > 0 && q.max != nil {
		return nil, nil, awserr.New("InvalidParameterCombination", "The parameter %s cannot be used with the parameter maxResults", l.ids)
	}
	chosen, err := l.byIDs(all, q.ids)
	if err != nil {
		return nil, nil, err
	}
	if chosen, err = l.filter(chosen, q.filters, tags); err != nil {
		return nil, nil, err
	}
	page, err := pages.Open(q.max, q.token)
	if err != nil {
		return nil, nil, err
	}
	part, next := handler.Cut(page, chosen, l.id)
	return part, next, nil
}

func (l listing[T]) byIDs(all []T, ids []string) ([]T, error) {
	if len(ids) == 0 {
		return all, nil
	}
	for _, id := range ids {
		if err := l.check(id); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(v T) bool { return l.id(v) == id }) {
			return nil, l.notFound(id)
		}
	}
	return slices.DeleteFunc(all, func(v T) bool { return !slices.Contains(ids, l.id(v)) }), nil
}

// filter keeps what every filter lets through. A filter lets through what has
// any of its values.
func (l listing[T]) filter(all []T, filters []types.Filter, tags map[string]tagSet) ([]T, error) {
	for _, f := range filters {
		name := deref(f.Name)
		see, err := l.sight(name, tags)
		if err != nil {
			return nil, err
		}
		if len(f.Values) == 0 {
			return nil, awserr.New("InvalidParameterValue", "The filter '%s' must have at least one value", name)
		}
		all = slices.DeleteFunc(all, func(v T) bool { return !anyMatch(f.Values, see(v)) })
	}
	return all, nil
}

// sight returns what the filter called name looks at.
func (l listing[T]) sight(name string, tags map[string]tagSet) (func(T) []string, error) {
	if see, ok := l.fields[name]; ok {
		if see == nil {
			see = func(T) []string { return nil }
		}
		return see, nil
	}
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		return func(v T) []string {
			if value, ok := tags[l.id(v)].Tags[key]; ok {
				return []string{value}
			}
			return nil
		}, nil
	}
	if name == "tag-key" {
		return func(v T) (keys []string) {
			for k := range tags[l.id(v)].Tags {
				keys = append(keys, k)
			}
			return keys
		}, nil
	}
	return nil, awserr.New("InvalidParameterValue", "The filter '%s' is invalid", name)
}

func anyMatch(patterns, values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, v) })
	})
}

// matches holds s against a pattern in which "*" is any characters, "?" one,
// and a backslash takes the next character for itself.
func matches(pattern, s string) bool {
	p, star, mark := 0, -1, 0
	for i := 0; i < len(s); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			i++
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == s[i]:
			p += 2
			i++
		case p < len(pattern) && pattern[p] != '\\' && pattern[p] == s[i]:
			p++
			i++
		case star >= 0: // let the last star take one more
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// pages is how lists are cut. The wire holds MaxResults to the range that AWS's model has for an operation: 5 to 1,000
// for most (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#api-pagination).
var pages = handler.Pages{
	BadSize: func(size int) error {
		return awserr.New("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid.", size)
	},
	BadToken: func(token string) error {
		return awserr.New("InvalidNextToken", "The specified nextToken '%s' is not valid", token)
	},
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func one(s string) []string { return []string{s} }
func truth(b bool) []string { return []string{strconv.FormatBool(b)} }
func always[T any](s string) func(T) []string {
	return func(T) []string { return []string{s} }
}
