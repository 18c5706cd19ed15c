package resourcegroupstaggingapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	tagging "github.com/skylift/skylift/internal/service/resourcegroupstaggingapi"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

var here = arn.Namespace{Region: "us-west-2", Account: "123456789012"}

// shop is a service whose resources are carts; a nil set of tags is one that never had any.
type shop struct {
	carts  map[string]map[string]string
	broken error
}

func (s *shop) Tagged(_ store.Tx, each func(arn string, tags map[string]string)) error {
	for ref, tags := range s.carts {
		if tags != nil {
			each(ref, maps.Clone(tags))
		}
	}
	return s.broken
}

func (s *shop) get(ref string) (map[string]string, error) {
	tags, ok := s.carts[ref]
	if s.broken != nil {
		return nil, s.broken
	}
	if !ok {
		return nil, awserr.New("CartNotFound", "There is no %s", ref)
	}
	return tags, nil
}

func (s *shop) Tag(_ context.Context, ref string, tags map[string]string) error {
	had, err := s.get(ref)
	if err != nil {
		return err
	}
	all := maps.Clone(tags)
	for k, v := range had {
		if _, ok := all[k]; !ok {
			all[k] = v
		}
	}
	s.carts[ref] = all
	return nil
}

func (s *shop) Untag(_ context.Context, ref string, keys []string) error {
	tags, err := s.get(ref)
	for _, k := range keys {
		delete(tags, k)
	}
	return err
}

func api(t *testing.T, sources map[string]tagging.Source) *tagging.API {
	t.Helper()
	return tagging.New(memstore.New(), here, sources)
}

// two services have five resources with tags, one that had some, and one that never had any.
func two(t *testing.T) (*tagging.API, map[string]*shop) {
	t.Helper()
	shops := map[string]*shop{
		"ecs": {carts: map[string]map[string]string{
			here.ARN("ecs", "cluster/a"):     {"team": "red", "stage": "prod"},
			here.ARN("ecs", "service/a/web"): {"team": "blue", "stage": "prod"},
			here.ARN("ecs", "service/a/job"): {"team": "red"},
			here.ARN("ecs", "service/a/new"): nil,
		}},
		"logs": {carts: map[string]map[string]string{
			here.ARN("logs", "log-group:/web"): {"stage": "test"},
			here.ARN("logs", "log-group:job"):  {"Team": "red", "note": ""},
			here.ARN("logs", "log-group:old"):  {},
		}},
	}
	return api(t, map[string]tagging.Source{"ecs": shops["ecs"], "logs": shops["logs"]}), shops
}

// short is the service and resource of the ARNs.
func short(list []types.ResourceTagMapping) string {
	var out []string
	for _, r := range list {
		a, _ := arn.Parse(*r.ResourceARN)
		out = append(out, a.Resource)
	}
	return strings.Join(out, " ")
}

func filter(key string, values ...string) types.TagFilter {
	return types.TagFilter{Key: &key, Values: values}
}

func TestGetResources(t *testing.T) {
	t.Parallel()
	const (
		cluster, job, web       = "cluster/a", "service/a/job", "service/a/web"
		webLog, jobLog, oldLog  = "log-group:/web", "log-group:job", "log-group:old"
		allTypes, noSuchService = "", "sqs"
	)
	for name, tc := range map[string]struct {
		in   sdk.GetResourcesInput
		want []string
	}{
		"all that have tags or had some": {sdk.GetResourcesInput{}, []string{cluster, job, web, webLog, jobLog, oldLog}},
		"key":                            {sdk.GetResourcesInput{TagFilters: []types.TagFilter{filter("team")}}, []string{cluster, job, web}},
		"keys are told apart by case":    {sdk.GetResourcesInput{TagFilters: []types.TagFilter{filter("Team")}}, []string{jobLog}},
		"value":                          {sdk.GetResourcesInput{TagFilters: []types.TagFilter{filter("team", "red")}}, []string{cluster, job}},
		"one of several values":          {sdk.GetResourcesInput{TagFilters: []types.TagFilter{filter("stage", "test", "prod")}}, []string{cluster, web, webLog}},
		"empty value":                    {sdk.GetResourcesInput{TagFilters: []types.TagFilter{filter("note", "")}}, []string{jobLog}},
		"all filters":                    {sdk.GetResourcesInput{TagFilters: []types.TagFilter{filter("team", "red", "blue"), filter("stage")}}, []string{cluster, web}},
		"filters that nothing meets":     {sdk.GetResourcesInput{TagFilters: []types.TagFilter{filter("team", "red"), filter("stage", "test")}}, nil},
		"service":                        {sdk.GetResourcesInput{ResourceTypeFilters: []string{"logs"}}, []string{webLog, jobLog, oldLog}},
		"type":                           {sdk.GetResourcesInput{ResourceTypeFilters: []string{"ecs:service"}}, []string{job, web}},
		"type behind a colon":            {sdk.GetResourcesInput{ResourceTypeFilters: []string{"logs:log-group"}}, []string{webLog, jobLog, oldLog}},
		"one of several types":           {sdk.GetResourcesInput{ResourceTypeFilters: []string{"ecs:cluster", "logs"}}, []string{cluster, webLog, jobLog, oldLog}},
		"no part of a type's name":       {sdk.GetResourcesInput{ResourceTypeFilters: []string{"ecs:serv"}}, nil},
		"service without resources":      {sdk.GetResourcesInput{ResourceTypeFilters: []string{noSuchService}}, nil},
		"type and tag":                   {sdk.GetResourcesInput{ResourceTypeFilters: []string{"ecs:service"}, TagFilters: []types.TagFilter{filter("stage")}}, []string{web}},
		"ARNs": {
			sdk.GetResourcesInput{ResourceARNList: []string{here.ARN("ecs", web), here.ARN("ecs", "service/a/none"), here.ARN("ecs", cluster)}},
			[]string{cluster, web},
		},
		"ARNs and tag": {
			sdk.GetResourcesInput{ResourceARNList: []string{here.ARN("ecs", web), here.ARN("ecs", cluster)}, TagFilters: []types.TagFilter{filter("team", "red")}},
			[]string{cluster},
		},
	} {
		a, _ := two(t)
		out, err := a.GetResources(t.Context(), &tc.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := short(out.ResourceTagMappingList), strings.Join(tc.want, " "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		if *out.PaginationToken != allTypes {
			t.Errorf("%s: there is a PaginationToken %q behind the last page", name, *out.PaginationToken)
		}
	}
}

// Tags come in the order of their keys; a resource without tags has an empty list.
func TestTagsOfResources(t *testing.T) {
	t.Parallel()
	a, _ := two(t)
	out, err := a.GetResources(t.Context(), &sdk.GetResourcesInput{ResourceARNList: []string{here.ARN("ecs", "cluster/a"), here.ARN("logs", "log-group:old")}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, r := range out.ResourceTagMappingList {
		if r.Tags == nil {
			t.Errorf("%s: Tags is nil, want an empty list", *r.ResourceARN)
		}
		got[*r.ResourceARN] = []string{}
		for _, tag := range r.Tags {
			got[*r.ResourceARN] = append(got[*r.ResourceARN], *tag.Key+"="+*tag.Value)
		}
	}
	want := map[string][]string{here.ARN("ecs", "cluster/a"): {"stage=prod", "team=red"}, here.ARN("logs", "log-group:old"): {}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("tags (-want +got):\n%s", d)
	}
}

// many has n resources with the tags k0, k1, … each.
func many(t *testing.T, n, tags int) (*tagging.API, *shop) {
	t.Helper()
	s := &shop{carts: map[string]map[string]string{}}
	for i := range n {
		set := map[string]string{}
		for j := range tags {
			set[fmt.Sprintf("k%d", j)] = fmt.Sprintf("v%d", i)
		}
		s.carts[here.ARN("ecs", fmt.Sprintf("service/a/%04d", i))] = set
	}
	return api(t, map[string]tagging.Source{"ecs": s}), s
}

func TestPagesOfResources(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		n, tags int
		in      sdk.GetResourcesInput
		want    []int
	}{
		"50 by default":                   {120, 1, sdk.GetResourcesInput{}, []int{50, 50, 20}},
		"as many as said":                 {7, 1, sdk.GetResourcesInput{ResourcesPerPage: new(int32(3))}, []int{3, 3, 1}},
		"a full last page":                {6, 1, sdk.GetResourcesInput{ResourcesPerPage: new(int32(3))}, []int{3, 3}},
		"none":                            {0, 0, sdk.GetResourcesInput{}, []int{0}},
		"by tags":                         {22, 10, sdk.GetResourcesInput{TagsPerPage: new(int32(100))}, []int{10, 10, 2}},
		"a resource is not divided":       {5, 40, sdk.GetResourcesInput{TagsPerPage: new(int32(100))}, []int{2, 2, 1}},
		"no tags count as one":            {150, 0, sdk.GetResourcesInput{TagsPerPage: new(int32(100)), ResourcesPerPage: new(int32(100))}, []int{100, 50}},
		"the sooner of the two":           {22, 10, sdk.GetResourcesInput{TagsPerPage: new(int32(100)), ResourcesPerPage: new(int32(6))}, []int{6, 6, 6, 4}},
		"100 tags of a single resource":   {2, 100, sdk.GetResourcesInput{TagsPerPage: new(int32(100))}, []int{1, 1}},
		"more than the limit of one page": {2, 120, sdk.GetResourcesInput{TagsPerPage: new(int32(100))}, []int{1, 1}},
	} {
		a, _ := many(t, tc.n, tc.tags)
		var got []int
		var arns []string
		for {
			out, err := a.GetResources(t.Context(), &tc.in)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, len(out.ResourceTagMappingList))
			for _, r := range out.ResourceTagMappingList {
				arns = append(arns, *r.ResourceARN)
			}
			if *out.PaginationToken == "" || len(got) > 10 {
				break
			}
			tc.in.PaginationToken = out.PaginationToken
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: sizes of pages (-want +got):\n%s", name, d)
		}
		if sorted := slices.Compact(slices.Sorted(slices.Values(arns))); !slices.Equal(arns, sorted) || len(arns) != tc.n {
			t.Errorf("%s: the pages have %d resources, want each of %d once, in order", name, len(arns), tc.n)
		}
	}
}

// A listing goes on where it was when resources before and behind that place come and go.
func TestPagesWhileResourcesChange(t *testing.T) {
	t.Parallel()
	a, s := many(t, 6, 1)
	in := &sdk.GetResourcesInput{ResourcesPerPage: new(int32(3))}
	first, err := a.GetResources(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	delete(s.carts, here.ARN("ecs", "service/a/0000"))
	delete(s.carts, here.ARN("ecs", "service/a/0002")) // the page ended with it
	s.carts[here.ARN("ecs", "service/a/0001a")] = map[string]string{"k": "v"}
	in.PaginationToken = first.PaginationToken
	second, err := a.GetResources(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := short(second.ResourceTagMappingList), "service/a/0003 service/a/0004 service/a/0005"; got != want {
		t.Errorf("second page is %q, want %q", got, want)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, _ := many(t, 3, 1)
		out, err := a.GetResources(t.Context(), &sdk.GetResourcesInput{ResourcesPerPage: new(int32(1))})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(*out.PaginationToken, "service") {
			t.Errorf("PaginationToken %q can be read", *out.PaginationToken)
		}
		again := func(in sdk.GetResourcesInput) error {
			_, err := a.GetResources(t.Context(), &in)
			return err
		}
		wantInvalid(t, "garbage", again(sdk.GetResourcesInput{PaginationToken: new("garbage")}), "PaginationToken")
		wantInvalid(t, "of another question", again(sdk.GetResourcesInput{PaginationToken: out.PaginationToken, TagFilters: []types.TagFilter{filter("k")}}), "other parameters")
		_, err = a.GetTagKeys(t.Context(), &sdk.GetTagKeysInput{PaginationToken: out.PaginationToken})
		wantInvalid(t, "of another operation", err, "other parameters")
		if err := again(sdk.GetResourcesInput{PaginationToken: new("")}); err != nil {
			t.Errorf("an empty token: %v", err)
		}
		time.Sleep(15 * time.Minute)
		if err := again(sdk.GetResourcesInput{PaginationToken: out.PaginationToken}); err != nil {
			t.Errorf("after 15 minutes: %v", err)
		}
		time.Sleep(time.Second)
		err = again(sdk.GetResourcesInput{PaginationToken: out.PaginationToken})
		if _, ok := errors.AsType[*types.PaginationTokenExpiredException](err); !ok {
			t.Errorf("after more than 15 minutes: got %v, want PaginationTokenExpiredException", err)
		}
	})
}

func wantInvalid(t *testing.T, name string, err error, part string) {
	t.Helper()
	e, ok := errors.AsType[*types.InvalidParameterException](err)
	if !ok || !strings.Contains(*e.Message, part) {
		t.Errorf("%s: got %v, want an InvalidParameterException that says %q", name, err, part)
	}
}

func TestGetResourcesRefuses(t *testing.T) {
	t.Parallel()
	one := []string{here.ARN("ecs", "cluster/a")}
	for part, in := range map[string]sdk.GetResourcesInput{
		"ResourceTypeFilters":       {ResourceARNList: one, ResourceTypeFilters: []string{"ecs"}},
		"ResourcesPerPage, TagsPer": {ResourceARNList: one, ResourcesPerPage: new(int32(5))},
		"TagsPerPage or":            {ResourceARNList: one, TagsPerPage: new(int32(100))},
		"or PaginationToken":        {ResourceARNList: one, PaginationToken: new("x")},
		"ResourcesPerPage is 0":     {ResourcesPerPage: new(int32(0))},
		"ResourcesPerPage is 101":   {ResourcesPerPage: new(int32(101))},
		"TagsPerPage is 99":         {TagsPerPage: new(int32(99))},
		"TagsPerPage is 501":        {TagsPerPage: new(int32(501))},
		"type ':service'":           {ResourceTypeFilters: []string{"ecs", ":service"}},
		"type 'ecs:'":               {ResourceTypeFilters: []string{"ecs:"}},
		"type 'ecs:service:web'":    {ResourceTypeFilters: []string{"ecs:service:web"}},
		"TagFilters[1] has no Key":  {TagFilters: []types.TagFilter{filter("a"), {Values: []string{"b"}}}},
	} {
		a, _ := two(t)
		_, err := a.GetResources(t.Context(), &in)
		wantInvalid(t, part, err, part)
	}
}

// What the model limits, and what Skylift does not have, is refused before a handler runs.
func TestRefusedOnTheWire(t *testing.T) {
	t.Parallel()
	a, _ := two(t)
	svc, err := wiretest.New("tagging", a.Operations())
	if err != nil {
		t.Fatal(err)
	}
	arns, keys, tags := make([]string, 21), make([]string, 51), map[string]string{}
	for i := range arns {
		arns[i] = here.ARN("ecs", fmt.Sprint("cluster/", i))
	}
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		tags[keys[i]] = "v"
	}
	for part, in := range map[string]any{
		"IncludeComplianceDetails":  &sdk.GetResourcesInput{IncludeComplianceDetails: new(true)},
		"ExcludeCompliantResources": &sdk.GetResourcesInput{ExcludeCompliantResources: new(true)},
		"resourceARNList":           &sdk.TagResourcesInput{ResourceARNList: arns, Tags: map[string]string{"k": "v"}},
		"tags":                      &sdk.TagResourcesInput{ResourceARNList: arns[:1], Tags: tags},
		"tagKeys":                   &sdk.UntagResourcesInput{ResourceARNList: arns[:1], TagKeys: keys},
		"key":                       &sdk.GetTagValuesInput{},
	} {
		_, err := svc.Decode(t, in)
		if e := awserr.ForCaller(err); e.ErrorCode() != "InvalidParameterException" || !strings.Contains(e.ErrorMessage(), part) {
			t.Errorf("%T: got %v, want an InvalidParameterException about %s", in, err, part)
		}
	}
	for _, in := range []any{
		&sdk.GetResourcesInput{IncludeComplianceDetails: new(false), ExcludeCompliantResources: new(false)},
		&sdk.TagResourcesInput{ResourceARNList: arns[:20], Tags: map[string]string{"k": ""}},
	} {
		if _, err := svc.Decode(t, in); err != nil {
			t.Errorf("%T: %v", in, err)
		}
	}
}

func TestKeysAndValues(t *testing.T) {
	t.Parallel()
	a, _ := two(t)
	keys, err := a.GetTagKeys(t.Context(), &sdk.GetTagKeysInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(keys.TagKeys, " "), "Team note stage team"; got != want || *keys.PaginationToken != "" {
		t.Errorf("keys are %q with token %q, want %q without", got, *keys.PaginationToken, want)
	}
	for key, want := range map[string][]string{"team": {"blue", "red"}, "note": {""}, "none": {}} {
		values, err := a.GetTagValues(t.Context(), &sdk.GetTagValuesInput{Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, values.TagValues); d != "" {
			t.Errorf("values of %s (-want +got):\n%s", key, d)
		}
	}
}

// The listing of values has pages; the empty value, which is the first, is not lost between them.
func TestPagesOfValues(t *testing.T) {
	t.Parallel()
	a, s := many(t, 2000, 1)
	s.carts[here.ARN("ecs", "cluster/a")] = map[string]string{"k0": ""}
	in := &sdk.GetTagValuesInput{Key: new("k0")}
	var sizes []int
	var all []string
	for len(sizes) < 10 {
		out, err := a.GetTagValues(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		sizes, all = append(sizes, len(out.TagValues)), append(all, out.TagValues...)
		if *out.PaginationToken == "" {
			break
		}
		in.PaginationToken = out.PaginationToken
	}
	if d := cmp.Diff([]int{1000, 1000, 1}, sizes); d != "" {
		t.Errorf("sizes of pages (-want +got):\n%s", d)
	}
	if all[0] != "" || len(slices.Compact(all)) != 2001 {
		t.Errorf("%d values that begin with %q, want 2001 that begin with the empty one", len(all), all[0])
	}
}
