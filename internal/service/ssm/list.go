package ssm

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// options are those that a filter's key has, the usual one first. A key for a tag
// has those of "tag:".
type options map[string][]string

var describing = options{
	"Name": {"Equals", "BeginsWith", "Contains"}, "Path": {"OneLevel", "Recursive"}, "Type": {"Equals", "BeginsWith"}, "KeyId": {"Equals", "BeginsWith"},
	"Tier": {"Equals"}, "DataType": {"Equals"}, "tag:": {"Equals"},
}

var byPath = options{"Type": {"Equals", "BeginsWith"}, "KeyId": {"Equals", "BeginsWith"}, "Label": {"Equals"}}

func (o options) of(key string) []string {
	if strings.HasPrefix(key, "tag:") {
		key = "tag:"
	}
	return o[key]
}

// faults is what is wrong with filters.
func (o options) faults(filters []types.ParameterStringFilter) (f awserr.Faults) {
	for _, filter := range filters {
		has := o.of(*filter.Key)
		switch {
		case has == nil:
			f.Add(&types.InvalidFilterKey{Message: new("The following filter key is not valid: " + *filter.Key + ". Valid filter keys include: [" + strings.Join(o.keys(), ", ") + "].")})
		case filter.Option != nil && !slices.Contains(has, *filter.Option):
			f.Add(&types.InvalidFilterOption{Message: new(fmt.Sprintf("The following filter option is not valid: %s. Valid options include: [%s].", *filter.Option, strings.Join(has, ", ")))})
		case len(filter.Values) == 0 && !strings.HasPrefix(*filter.Key, "tag:"):
			f.Add(&types.InvalidFilterValue{Message: new("The following filter values are missing : null for filter key " + *filter.Key)})
		case *filter.Key == "Path":
			for _, v := range filter.Values {
				f.Add(pathFault(v))
			}
		}
	}
	return f
}

func (o options) keys() (all []string) {
	for k := range o {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func pathFault(path string) error {
	if !strings.HasPrefix(path, "/") {
		return invalid(`The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "/". It can't be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/".`)
	}
	return public(path)
}

func describeFaults(in *ssm.DescribeParametersInput) []error {
	f := describing.faults(in.ParameterFilters)
	if len(in.Filters) > 0 && len(in.ParameterFilters) > 0 {
		f.Add(invalid("You can use either Filters or ParameterFilters in a single request."))
	}
	return f
}

func byPathFaults(in *ssm.GetParametersByPathInput) []error {
	f := byPath.faults(in.ParameterFilters)
	f.Add(pathFault(*in.Path))
	return f
}

// below says whether name is below a path: on the next level, or on any.
func below(name, path string, deep bool) bool {
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(path, "/")+"/")
	return ok && rest != "" && (deep || !strings.Contains(rest, "/"))
}

// meets says whether f meets every filter; of a filter, one of its values is enough.
func meets(f found, filters []types.ParameterStringFilter) bool {
	return !slices.ContainsFunc(filters, func(filter types.ParameterStringFilter) bool { return !meetsOne(f, filter) })
}

func meetsOne(f found, filter types.ParameterStringFilter) bool {
	option := deref(filter.Option)
	key, isTag := strings.CutPrefix(*filter.Key, "tag:")
	has := map[string]string{
		"Name": f.Name, "Type": string(f.Type), "KeyId": f.KeyID, "Tier": string(f.Parameter.Tier), "DataType": f.DataType,
	}[*filter.Key]
	if isTag {
		value, there := f.Tags[key]
		if !there || len(filter.Values) == 0 {
			return there
		}
		has = value
	}
	return slices.ContainsFunc(filter.Values, func(want string) bool {
		switch {
		case *filter.Key == "Path":
			return below(f.Name, want, option == "Recursive")
		case *filter.Key == "Label":
			return slices.Contains(f.Labels, want)
		case option == "BeginsWith":
			return strings.HasPrefix(has, want)
		case option == "Contains":
			return strings.Contains(has, want)
		}
		return has == want
	})
}

// latest yields the parameters whose names begin with prefix and come behind after,
// each with its latest version.
func latest(tx store.Tx, prefix, after string, now time.Time) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		for p, err := range Parameters.Scan(tx, prefix, after) {
			if err == nil && p.expired(now) {
				continue
			}
			f := found{Parameter: p}
			if err == nil {
				f, err = selected(tx, p, "")
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

func nameOf(f found) string { return f.Name }

// DescribeParameters lists parameters without their values.
func (a *API) DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
	if err := awserr.Faults(describeFaults(in)).First(); err != nil {
		return nil, err
	}
	page, err := pages(10, 50).Open(in.MaxResults, in.NextToken, in.Filters, in.ParameterFilters)
	if err != nil {
		return nil, err
	}
	filters := in.ParameterFilters
	for _, f := range in.Filters { // the older form
		filter := types.ParameterStringFilter{Key: new(string(f.Key)), Values: f.Values}
		if f.Key == types.ParametersFilterKeyName {
			filter.Option = new("BeginsWith")
		}
		filters = append(filters, filter)
	}
	now := time.Now()
	return handler.View(ctx, a.db, func(tx store.Tx) (*ssm.DescribeParametersOutput, error) {
		list, next, err := handler.Fill(page, handler.Keep(latest(tx, "", page.After, now), func(f found) bool { return meets(f, filters) }), nameOf)
		out := &ssm.DescribeParametersOutput{Parameters: []types.ParameterMetadata{}, NextToken: next}
		for _, f := range list {
			out.Parameters = append(out.Parameters, types.ParameterMetadata{
				Name: &f.Name, ARN: new(a.arn(f.Name)), Type: f.Type, LastModifiedDate: &f.ModifiedAt, LastModifiedUser: &f.ModifiedBy, Version: f.Number,
				Tier: f.Parameter.Tier, Policies: f.policies(), DataType: &f.DataType,
				KeyId: handler.Optional(f.KeyID), Description: handler.Optional(f.Description), AllowedPattern: handler.Optional(f.Pattern),
			})
		}
		return out, err
	})
}

// GetParametersByPath returns the parameters below a path: on its next level, or on
// all. With a filter for labels it returns the versions that have one.
func (a *API) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput) (*ssm.GetParametersByPathOutput, error) {
	if err := awserr.Faults(byPathFaults(in)).First(); err != nil {
		return nil, err
	}
	page, err := pages(10, 10).Open(in.MaxResults, in.NextToken, in.Path, in.Recursive, in.ParameterFilters)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	out := &ssm.GetParametersByPathOutput{Parameters: []types.Parameter{}}
	list, err := handler.View(ctx, a.db, func(tx store.Tx) (list []found, err error) {
		all := handler.Keep(latest(tx, strings.TrimSuffix(*in.Path, "/")+"/", page.After, now), func(f found) bool {
			return below(f.Name, *in.Path, deref(in.Recursive))
		})
		all = handler.Keep(withLabel(tx, all, in.ParameterFilters), func(f found) bool { return meets(f, in.ParameterFilters) })
		list, out.NextToken, err = handler.Fill(page, all, nameOf)
		return list, err
	})
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		p, err := a.parameter(ctx, f, in.WithDecryption)
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, *p)
	}
	return out, nil
}

// withLabel yields, where filters ask for labels, the versions that have them.
func withLabel(tx store.Tx, all iter.Seq2[found, error], filters []types.ParameterStringFilter) iter.Seq2[found, error] {
	n := slices.IndexFunc(filters, func(f types.ParameterStringFilter) bool { return *f.Key == "Label" })
	if n < 0 {
		return all
	}
	return func(yield func(found, error) bool) {
		for f, err := range all {
			for _, label := range filters[n].Values {
				if err == nil {
					if v, none := labelled(tx, f.Parameter, label); none == nil {
						f = v
						break
					}
				}
			}
			if !yield(f, err) {
				return
			}
		}
	}
}
