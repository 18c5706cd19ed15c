package resourcegroupstaggingapi

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/skylift/skylift/internal/handler"
)

// Limits of a page
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
const (
	maxResourcesPerPage          = 100
	minTagsPerPage, mostTagsPage = 100, 500
)

// pages is how resources are listed. A token is good for 15 minutes
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/overview.html).
var pages = handler.Pages{
	Default: 50, Most: maxResourcesPerPage,
	BadSize: func(size int) error {
		return invalid("ResourcesPerPage is %d: it must be between 1 and %d.", size, maxResourcesPerPage)
	},
	BadToken: func(string) error { return invalid("The PaginationToken is not one that was returned.") },
	OtherQuery: func(string) error {
		return invalid("The PaginationToken is from a request with other parameters: repeat that request.")
	},
	Life: 15 * time.Minute,
	Expired: func(string) error {
		return &types.PaginationTokenExpiredException{Message: new("The PaginationToken has expired: it is valid for 15 minutes. Start again without it.")}
	},
}

// wordPages is how keys and values are listed. AWS does not say how many are on a page.
var wordPages = handler.Pages{Default: 1000, BadToken: pages.BadToken, OtherQuery: pages.OtherQuery, Life: pages.Life, Expired: pages.Expired}

var tagType = handler.TagType[types.Tag]{Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }}

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
	all = handler.Rest(q.page, all, func(r resource) string { return r.arn })
	out := &tagging.GetResourcesOutput{ResourceTagMappingList: []types.ResourceTagMapping{}, PaginationToken: new("")}
	if n := q.fit(all); n < len(all) {
		all, out.PaginationToken = all[:n], q.page.Next(all[n-1].arn)
	}
	for _, r := range all {
		out.ResourceTagMappingList = append(out.ResourceTagMappingList, types.ResourceTagMapping{ResourceARN: new(r.arn), Tags: tagType.To(r.tags)})
	}
	return out, nil
}

// fit says how many of resources are on the page: at least one. A resource is not divided between pages, and one without
// tags counts as one tag.
func (q question) fit(resources []resource) int {
	tags := 0
	for n, r := range resources {
		tags += max(1, len(r.tags))
		if n == q.page.Size || n > 0 && q.tags > 0 && tags > q.tags {
			return n
		}
	}
	return len(resources)
}

// question is what a GetResources call asks for.
type question struct {
	arns    map[string]bool // nil for all
	types   []resourceType  // none for all
	filters []types.TagFilter
	page    handler.Page
	tags    int // on a page; 0 is any number
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
	if n := in.TagsPerPage; n != nil {
		if *n < minTagsPerPage || *n > mostTagsPage {
			return q, invalid("TagsPerPage is %d: it must be between %d and %d.", *n, minTagsPerPage, mostTagsPage)
		}
		q.tags = int(*n)
	}
	size := in.ResourcesPerPage
	if in.ResourceARNList != nil {
		size = new(int32(maxResourcesPerPage)) // as many as can be asked for
	}
	q.page, err = pages.Open(size, in.PaginationToken, "resources", in.ResourceTypeFilters, in.TagFilters)
	return q, err
}

// meets says whether a call asks for a resource: it has one of the types, and its tags meet every filter. Any of a
// filter's values meets it; when it has none, every value does.
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
	page, err := wordPages.Open(nil, in.PaginationToken, "keys")
	if err != nil {
		return nil, err
	}
	words, next, err := a.words(ctx, page, func(r resource, add func(string)) {
		for k := range r.tags {
			add(k)
		}
	})
	return &tagging.GetTagKeysOutput{TagKeys: words, PaginationToken: next}, err
}

// GetTagValues lists the values of all tags with a key, in order.
func (a *API) GetTagValues(ctx context.Context, in *tagging.GetTagValuesInput) (*tagging.GetTagValuesOutput, error) {
	page, err := wordPages.Open(nil, in.PaginationToken, "values", in.Key)
	if err != nil {
		return nil, err
	}
	words, next, err := a.words(ctx, page, func(r resource, add func(string)) {
		if v, ok := r.tags[*in.Key]; ok {
			add(v)
		}
	})
	return &tagging.GetTagValuesOutput{TagValues: words, PaginationToken: next}, err
}

// words lists the words that of adds for all resources, each word once.
func (a *API) words(ctx context.Context, page handler.Page, of func(r resource, add func(string))) ([]string, *string, error) {
	all, err := a.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	set := map[string]bool{}
	for _, r := range all {
		of(r, func(word string) { set[word] = true })
	}
	words, next := handler.Cut(page, append([]string{}, slices.Collect(maps.Keys(set))...), func(s string) string { return s })
	if next == nil {
		next = new("") // as AWS has it
	}
	return words, next, nil
}
