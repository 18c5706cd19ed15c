package resourcegroupstaggingapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/store"
)

func TestTagAndUntag(t *testing.T) {
	t.Parallel()
	a, shops := two(t)
	cluster, group, fresh, none := here.ARN("ecs", "cluster/a"), here.ARN("logs", "log-group:/web"), here.ARN("ecs", "service/a/new"), here.ARN("ecs", "cluster/none")
	queue, elsewhere := here.ARN("sqs", "jobs"), arn.Namespace{Region: "eu-west-1", Account: here.Account}.ARN("ecs", "cluster/a")
	failures := map[string]string{
		none: "CartNotFound 400", queue: "InvalidParameterException 400", elsewhere: "InvalidParameterException 400",
	}
	all := []string{cluster, none, group, queue, fresh, elsewhere, cluster}
	tagged, err := a.TagResources(t.Context(), &sdk.TagResourcesInput{ResourceARNList: all, Tags: map[string]string{"team": "green", "ö": "x y"}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(failures, said(tagged.FailedResourcesMap)); d != "" {
		t.Errorf("TagResources failed for (-want +got):\n%s", d)
	}
	want := map[string]map[string]string{
		cluster: {"team": "green", "stage": "prod", "ö": "x y"}, group: {"team": "green", "stage": "test", "ö": "x y"}, fresh: {"team": "green", "ö": "x y"},
	}
	check := func(when string) {
		t.Helper()
		got := map[string]map[string]string{cluster: shops["ecs"].carts[cluster], group: shops["logs"].carts[group], fresh: shops["ecs"].carts[fresh]}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("tags %s (-want +got):\n%s", when, d)
		}
	}
	check("after TagResources")

	untagged, err := a.UntagResources(t.Context(), &sdk.UntagResourcesInput{ResourceARNList: all, TagKeys: []string{"team", "ö", "none"}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(failures, said(untagged.FailedResourcesMap)); d != "" {
		t.Errorf("UntagResources failed for (-want +got):\n%s", d)
	}
	want = map[string]map[string]string{cluster: {"stage": "prod"}, group: {"stage": "test"}, fresh: {}}
	check("after UntagResources")
}

// TestOwnPermission: the caller needs that of the resource's service, too.
func TestOwnPermission(t *testing.T) {
	t.Parallel()
	a, shops := two(t)
	cluster, group := here.ARN("ecs", "cluster/a"), here.ARN("logs", "log-group:/web")
	before := maps.Clone(shops["logs"].carts[group])
	var asked []string
	ctx := caller.WithJudge(t.Context(), func(_ context.Context, action, resource string, keys map[string][]string) error {
		asked = append(asked, fmt.Sprint(action, " ", resource, " ", keys))
		if resource == group {
			return awserr.New("AccessDeniedException", "no")
		}
		return nil
	})
	all := []string{cluster, group}
	tagged, err := a.TagResources(ctx, &sdk.TagResourcesInput{ResourceARNList: all, Tags: map[string]string{"Team": "green"}})
	if err != nil || len(tagged.FailedResourcesMap) != 1 || tagged.FailedResourcesMap[group].ErrorCode != "AccessDeniedException" {
		t.Errorf("TagResources: %v, %v", tagged, err)
	}
	untagged, err := a.UntagResources(ctx, &sdk.UntagResourcesInput{ResourceARNList: all, TagKeys: []string{"stage"}})
	if err != nil || len(untagged.FailedResourcesMap) != 1 || untagged.FailedResourcesMap[group].ErrorCode != "AccessDeniedException" {
		t.Errorf("UntagResources: %v, %v", untagged, err)
	}
	if d := cmp.Diff(before, shops["logs"].carts[group]); d != "" {
		t.Errorf("tags changed that the caller may not change (-want +got):\n%s", d)
	}
	want := []string{
		"ecs:TagResource " + cluster + " map[aws:requesttag/team:[green] aws:tagkeys:[Team]]", "logs:TagResource " + group + " map[aws:requesttag/team:[green] aws:tagkeys:[Team]]",
		"ecs:UntagResource " + cluster + " map[aws:tagkeys:[stage]]", "logs:UntagResource " + group + " map[aws:tagkeys:[stage]]",
	}
	if d := cmp.Diff(want, asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
}

func said(failed map[string]types.FailureInfo) map[string]string {
	out := map[string]string{}
	for ref, f := range failed {
		out[ref] = fmt.Sprint(f.ErrorCode, " ", f.StatusCode)
	}
	return out
}

// What is wrong with the whole call changes no resource.
func TestTagRefuses(t *testing.T) {
	t.Parallel()
	cluster := here.ARN("ecs", "cluster/a")
	a, shops := two(t)
	before := maps.Clone(shops["ecs"].carts[cluster])
	for part, in := range map[string]sdk.TagResourcesInput{
		"'AWS:x'":                     {ResourceARNList: []string{cluster}, Tags: map[string]string{"AWS:x": "y"}},
		"key 'a!'":                    {ResourceARNList: []string{cluster}, Tags: map[string]string{"a!": "y"}},
		"value '<b>' of tag 'a'":      {ResourceARNList: []string{cluster}, Tags: map[string]string{"a": "<b>"}},
		"cluster/a not a valid Amazo": {ResourceARNList: []string{cluster, "cluster/a"}, Tags: map[string]string{"a": "b"}},
	} {
		_, err := a.TagResources(t.Context(), &in)
		wantInvalid(t, part, err, part)
	}
	_, err := a.UntagResources(t.Context(), &sdk.UntagResourcesInput{ResourceARNList: []string{cluster}, TagKeys: []string{"team", "aws:x"}})
	wantInvalid(t, "UntagResources", err, "'aws:x'")
	if d := cmp.Diff(before, shops["ecs"].carts[cluster]); d != "" {
		t.Errorf("tags changed (-before +after):\n%s", d)
	}
}

// A fault of ours is no answer about a resource: the call fails, as a whole, and can be repeated.
func TestOurFault(t *testing.T) {
	t.Parallel()
	a, shops := two(t)
	shops["ecs"].broken = store.ErrFull
	ctx, cluster := t.Context(), []string{here.ARN("ecs", "cluster/a")}
	_, get := a.GetResources(ctx, &sdk.GetResourcesInput{})
	_, keys := a.GetTagKeys(ctx, &sdk.GetTagKeysInput{})
	_, tag := a.TagResources(ctx, &sdk.TagResourcesInput{ResourceARNList: cluster, Tags: map[string]string{"a": "b"}})
	_, untag := a.UntagResources(ctx, &sdk.UntagResourcesInput{ResourceARNList: cluster, TagKeys: []string{"a"}})
	for name, err := range map[string]error{"GetResources": get, "GetTagKeys": keys, "TagResources": tag, "UntagResources": untag} {
		if !errors.Is(err, store.ErrFull) {
			t.Errorf("%s: got %v, want the store's error", name, err)
		}
	}
}
