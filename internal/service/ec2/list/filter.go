// Package list answers the Describe calls of EC2: by ids, by filters, in pages.
package list

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// Members names what the Describe calls take alike, beside ids.
const Members = "DryRun Filter{*} MaxResults NextToken"

// Of is how the resources of one kind are listed: their ids, and the fields that
// filters look at.
type Of[T any] struct {
	request.Kind
	ID func(T) string
	// Fields has the values that each filter looks at. A filter of AWS on
	// something that no resource of ours has is nil: it matches nothing.
	Fields map[string]func(T) []string
}

// Question is the part that all Describe calls have in common.
type Question struct {
	IDs     []string
	Filters []types.Filter
	Max     *int32
	Token   *string
}

// Answer returns the resources that q asks for, of all, which are sorted by id. The token
// is for the next page.
func (l Of[T]) Answer(all []T, q Question, tags map[string]ec2.TagSet) ([]T, *string, error) {
	if len(q.IDs) > 0 && q.Max != nil {
		return nil, nil, awserr.New("InvalidParameterCombination", "The parameter %s cannot be used with the parameter maxResults", l.Parameter)
	}
	chosen, err := l.byIDs(all, q.IDs)
	if err != nil {
		return nil, nil, err
	}
	if chosen, err = l.Filter(chosen, q.Filters, tags); err != nil {
		return nil, nil, err
	}
	page, err := pages.Open(q.Max, q.Token)
	if err != nil {
		return nil, nil, err
	}
	part, next := handler.Cut(page, chosen, l.ID)
	return part, next, nil
}

func (l Of[T]) byIDs(all []T, ids []string) ([]T, error) {
	if len(ids) == 0 {
		return all, nil
	}
	for _, id := range ids {
		if err := l.Check(id); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(v T) bool { return l.ID(v) == id }) {
			return nil, l.NotFound(id)
		}
	}
	return slices.DeleteFunc(all, func(v T) bool { return !slices.Contains(ids, l.ID(v)) }), nil
}

// Filter returns the resources that match every filter. A resource matches a
// filter when it has any of its values.
func (l Of[T]) Filter(all []T, filters []types.Filter, tags map[string]ec2.TagSet) ([]T, error) {
	for _, f := range filters {
		name := aws.ToString(f.Name)
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
func (l Of[T]) sight(name string, tags map[string]ec2.TagSet) (func(T) []string, error) {
	if see, ok := l.Fields[name]; ok {
		if see == nil {
			see = func(T) []string { return nil }
		}
		return see, nil
	}
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		return func(v T) []string {
			if value, ok := tags[l.ID(v)].Tags[key]; ok {
				return []string{value}
			}
			return nil
		}, nil
	}
	if name == "tag-key" {
		return func(v T) (keys []string) {
			for k := range tags[l.ID(v)].Tags {
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

// matches tells whether s matches a pattern. In it, "*" stands for any characters, "?" for
// one, and a backslash makes the next character stand for itself.
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

// One is a field that has one value.
func One(s string) []string { return []string{s} }

// Truth is a field that is true or false.
func Truth(b bool) []string { return []string{strconv.FormatBool(b)} }

// Always is a field that has the same value in all resources.
func Always[T any](s string) func(T) []string {
	return func(T) []string { return []string{s} }
}

// Describe lists the table's resources that q asks for, each in its shape on
// the wire.
func Describe[T, W any](ctx context.Context, db store.DB, t *store.Table[T], l Of[T], q Question, shape func(T, []types.Tag) W) ([]W, *string, error) {
	type result struct {
		out  []W
		next *string
	}
	r, err := handler.View(ctx, db, func(tx store.Tx) (r result, err error) {
		all, err := t.List(tx, "")
		if err != nil {
			return r, fmt.Errorf("list %ss: %w", l.Type, err)
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return r, err
		}
		chosen, next, err := l.Answer(all, q, tags)
		if err != nil {
			return r, err
		}
		// Without any, the list is empty, not missing: clients read it without a check.
		r.out, r.next = []W{}, next
		for _, v := range chosen {
			r.out = append(r.out, shape(v, request.TagType.To(tags[l.ID(v)].Tags)))
		}
		return r, nil
	})
	return r.out, r.next, err
}
