package resourcegroupstaggingapi

import (
	"context"
	"maps"
	"slices"
	"strings"

	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
)

// Limits of a page
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
const (
	resourcesPerPage             = 50 // where the caller does not say it
	maxResourcesPerPage          = 100
	minTagsPerPage, mostTagsPage = 100, 500
	// wordsPerPage is how many keys or values are on a page, of which AWS says nothing.
	wordsPerPage = 1000
)

// GetResources lists resources that have tags or had some, in the order of their ARNs.
func (a *API) GetResources(ctx context.Context, in *tagging.GetResourcesInput) (*tagging.GetResourcesOutput, error) {
	q, err := ask(in)
	if err != nil {
		return nil, err
	}
	all, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r resource) bool { return !q.meets(r) })
	tags := 0
	fits := func(n int, r resource) bool { // a resource is not divided between pages, and one without tags counts as one tag
		tags += max(1, len(r.tags))
		return n < q.resources && (q.tags == 0 || tags <= q.tags)
	}
	all, next, err := page(all, func(r resource) string { return r.arn }, in.PaginationToken, q.hash, fits)
	if err != nil {
		return nil, err
	}
	out := &tagging.GetResourcesOutput{ResourceTagMappingList: []types.ResourceTagMapping{}, PaginationToken: next}
	for _, r := range all {
		out.ResourceTagMappingList = append(out.ResourceTagMappingList, types.ResourceTagMapping{ResourceARN: new(r.arn), Tags: shape(r.tags)})
	}
	return out, nil
}

func shape(tags map[string]string) []types.Tag {
	out := []types.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

// question is what a call of GetResources asks for.
type question struct {
	arns            map[string]bool // nil for all
	types           []resourceType  // none for all
	filters         []types.TagFilter
	resources, tags int // on a page; 0 tags is any number
	hash            string
}

// resourceType is a type such as ecs:service; typ is "" for all of a service.
type resourceType struct{ service, typ string }

func ask(in *tagging.GetResourcesInput) (q question, err error) {
	if len(in.ResourceARNList) > 0 {
		switch {
		case len(in.ResourceTypeFilters) > 0:
			return q, invalid("ResourceARNList and ResourceTypeFilters can't be in one request: leave one out.")
		case in.ResourcesPerPage != nil || in.TagsPerPage != nil || in.PaginationToken != nil && *in.PaginationToken != "":
			return q, invalid("ResourceARNList can't be in one request with ResourcesPerPage, TagsPerPage or PaginationToken: leave those out.")
		}
		q.arns = map[string]bool{}
		for _, s := range in.ResourceARNList {
			q.arns[s] = true
		}
	}
	for _, f := range in.ResourceTypeFilters {
		service, typ, typed := strings.Cut(f, ":")
		if service == "" || typed && typ == "" || strings.Contains(typ, ":") {
			return q, invalid("The resource type '%s' in ResourceTypeFilters is not valid: want service or service:type, such as ecs:service.", f)
		}
		q.types = append(q.types, resourceType{service, typ})
	}
	for i, f := range in.TagFilters {
		if f.Key == nil {
			return q, invalid("TagFilters[%d] has no Key: a filter must have one, its Values are optional.", i)
		}
	}
	q.filters = in.TagFilters
	if q.resources, q.tags, err = sizes(in); err != nil {
		return q, err
	}
	q.hash = hash([]any{"resources", in.ResourceTypeFilters, in.TagFilters})
	return q, nil
}

// sizes returns how many resources and tags are on a page at most; 0 tags is any number.
func sizes(in *tagging.GetResourcesInput) (resources, tags int, err error) {
	resources = resourcesPerPage
	if in.ResourceARNList != nil {
		resources = maxResourcesPerPage // as many as can be asked for
	}
	if n := in.ResourcesPerPage; n != nil {
		if *n < 1 || *n > maxResourcesPerPage {
			return 0, 0, invalid("ResourcesPerPage is %d: it must be between 1 and %d.", *n, maxResourcesPerPage)
		}
		resources = int(*n)
	}
	if n := in.TagsPerPage; n != nil {
		if *n < minTagsPerPage || *n > mostTagsPage {
			return 0, 0, invalid("TagsPerPage is %d: it must be between %d and %d.", *n, minTagsPerPage, mostTagsPage)
		}
		tags = int(*n)
	}
	return resources, tags, nil
}

// meets says whether a resource is one of those asked for: of one of the types, and with tags that meet every filter.
// A filter is met by any of its values; without values, by any.
func (q question) meets(r resource) bool {
	if q.arns != nil && !q.arns[r.arn] {
		return false
	}
	if len(q.types) > 0 && !slices.ContainsFunc(q.types, func(t resourceType) bool { return r.of(t.service, t.typ) }) {
		return false
	}
	for _, f := range q.filters {
		value, ok := r.tags[*f.Key]
		if !ok || len(f.Values) > 0 && !slices.Contains(f.Values, value) {
			return false
		}
	}
	return true
}

// GetTagKeys lists the keys of all tags, in order.
func (a *API) GetTagKeys(ctx context.Context, in *tagging.GetTagKeysInput) (*tagging.GetTagKeysOutput, error) {
	words, next, err := a.words(ctx, in.PaginationToken, hash([]any{"keys"}), func(r resource, add func(string)) {
		for k := range r.tags {
			add(k)
		}
	})
	return &tagging.GetTagKeysOutput{TagKeys: words, PaginationToken: next}, err
}

// GetTagValues lists the values of all tags with a key, in order.
func (a *API) GetTagValues(ctx context.Context, in *tagging.GetTagValuesInput) (*tagging.GetTagValuesOutput, error) {
	words, next, err := a.words(ctx, in.PaginationToken, hash([]any{"values", in.Key}), func(r resource, add func(string)) {
		if v, ok := r.tags[*in.Key]; ok {
			add(v)
		}
	})
	return &tagging.GetTagValuesOutput{TagValues: words, PaginationToken: next}, err
}

// words lists what of adds of all resources, each word once.
func (a *API) words(ctx context.Context, from *string, question string, of func(r resource, add func(string))) ([]string, *string, error) {
	all, err := a.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	set := map[string]bool{}
	for _, r := range all {
		of(r, func(word string) { set[word] = true })
	}
	words := append([]string{}, slices.Collect(maps.Keys(set))...)
	return page(words, func(s string) string { return s }, from, question, func(n int, _ string) bool { return n < wordsPerPage })
}
