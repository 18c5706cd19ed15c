package ecs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// families registers three families: web:1 to web:3, of which 2 is INACTIVE,
// web-2:1, and old:1, which is INACTIVE.
func families(w *ecstest.World) {
	w.T.Helper()
	for _, family := range []string{"web", "old", "web-2", "web", "web"} {
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.Family = &family })
	}
	for _, ref := range []string{"web:2", "old:1"} {
		if _, err := w.API.DeregisterTaskDefinition(w.T.Context(), &sdk.DeregisterTaskDefinitionInput{TaskDefinition: &ref}); err != nil {
			w.T.Fatal(err)
		}
	}
}

// TestListTaskDefinitions lists revisions by family and status in both orders,
// with pages as a paginator asks for them.
func TestListTaskDefinitions(t *testing.T) {
	tests := []struct {
		name string
		in   sdk.ListTaskDefinitionsInput
		want string
	}{
		{"all", sdk.ListTaskDefinitionsInput{}, "web:1 web:3 web-2:1"},
		{"newest first", sdk.ListTaskDefinitionsInput{Sort: types.SortOrderDesc}, "web-2:1 web:3 web:1"},
		{"family", sdk.ListTaskDefinitionsInput{FamilyPrefix: aws.String("web")}, "web:1 web:3"},
		{"not a family", sdk.ListTaskDefinitionsInput{FamilyPrefix: aws.String("we")}, ""},
		{"inactive", sdk.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusInactive}, "old:1 web:2"},
		{"inactive of a family", sdk.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusInactive, FamilyPrefix: aws.String("web"), Sort: types.SortOrderDesc}, "web:2"},
		{"going", sdk.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusDeleteInProgress}, ""},
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		families(w)
		for _, tt := range tests {
			for size := int32(1); size <= 4; size++ {
				tt.in.MaxResults = &size
				var got []string
				pages := sdk.NewListTaskDefinitionsPaginator(listing{w}, &tt.in)
				for pages.HasMorePages() {
					out, err := pages.NextPage(w.T.Context())
					if err != nil {
						w.T.Fatal(err)
					}
					if len(out.TaskDefinitionArns) > int(size) {
						w.T.Errorf("%s: a page of %d has %v", tt.name, size, out.TaskDefinitionArns)
					}
					for _, arn := range out.TaskDefinitionArns {
						got = append(got, strings.TrimPrefix(arn, ours+"task-definition/"))
					}
				}
				if got := strings.Join(got, " "); got != tt.want {
					w.T.Errorf("%s, pages of %d: got %s, want %s", tt.name, size, got, tt.want)
				}
			}
		}
	})
}

// listing is what the SDK's paginators need.
type listing struct{ w *ecstest.World }

func (l listing) ListTaskDefinitions(c context.Context, in *sdk.ListTaskDefinitionsInput, _ ...func(*sdk.Options)) (*sdk.ListTaskDefinitionsOutput, error) {
	return l.w.API.ListTaskDefinitions(c, in)
}

func (l listing) ListTaskDefinitionFamilies(c context.Context, in *sdk.ListTaskDefinitionFamiliesInput, _ ...func(*sdk.Options)) (*sdk.ListTaskDefinitionFamiliesOutput, error) {
	return l.w.API.ListTaskDefinitionFamilies(c, in)
}

// TestListTaskDefinitionFamilies lists families by the beginning of their names
// and by whether they have an ACTIVE revision.
func TestListTaskDefinitionFamilies(t *testing.T) {
	tests := []struct {
		prefix string
		status types.TaskDefinitionFamilyStatus
		want   string
	}{
		{"", "", "old web web-2"},
		{"", types.TaskDefinitionFamilyStatusAll, "old web web-2"},
		{"", types.TaskDefinitionFamilyStatusActive, "web web-2"},
		{"", types.TaskDefinitionFamilyStatusInactive, "old"},
		{"we", types.TaskDefinitionFamilyStatusActive, "web web-2"},
		{"web-", "", "web-2"},
		{"x", "", ""},
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		families(w)
		for _, tt := range tests {
			for size := int32(1); size <= 4; size++ {
				var got []string
				pages := sdk.NewListTaskDefinitionFamiliesPaginator(listing{w}, &sdk.ListTaskDefinitionFamiliesInput{FamilyPrefix: &tt.prefix, Status: tt.status, MaxResults: &size})
				for pages.HasMorePages() {
					out, err := pages.NextPage(w.T.Context())
					if err != nil {
						w.T.Fatal(err)
					}
					got = append(got, out.Families...)
				}
				if got := strings.Join(got, " "); got != tt.want {
					w.T.Errorf("%q %s, pages of %d: got %s, want %s", tt.prefix, tt.status, size, got, tt.want)
				}
			}
		}
	})
}

// TestDescribeTaskDefinition names a revision in each way.
func TestDescribeTaskDefinition(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		families(w)
		tags := []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.Family, in.Tags = aws.String("tagged"), tags })
		describe := func(ref string, include ...types.TaskDefinitionField) *sdk.DescribeTaskDefinitionOutput {
			out, err := w.API.DescribeTaskDefinition(w.T.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: &ref, Include: include})
			if err != nil {
				w.T.Fatalf("%s: %v", ref, err)
			}
			return out
		}
		for ref, want := range map[string]int32{
			"web": 3, "web:1": 1, "web:2": 2, "web-2": 1, "old:1": 1,
			ours + "task-definition/web": 3, ours + "task-definition/web:2": 2,
		} {
			if d := describe(ref).TaskDefinition; d.Revision != want || (d.Status == types.TaskDefinitionStatusInactive) != (d.DeregisteredAt != nil) {
				w.T.Errorf("%s: revision %d %s, deregistered %v, want %d", ref, d.Revision, d.Status, d.DeregisteredAt, want)
			}
		}
		if diff := cmp.Diff(tags, describe("tagged", types.TaskDefinitionFieldTags).Tags, cmp.AllowUnexported(types.Tag{})); diff != "" {
			w.T.Errorf("tags: %s", diff)
		}
		if got := describe("tagged").Tags; got != nil {
			w.T.Errorf("tags that nobody asked for: %v", got)
		}
		for _, ref := range []string{"old", "gone", "web:4", ours + "task-definition/old"} {
			_, err := w.API.DescribeTaskDefinition(w.T.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: &ref})
			wantError(w.T, err, "ClientException", "Unable to describe task definition.")
		}
	})
}

// TestDeleteTaskDefinitions deletes what may be deleted, and says of each other
// why not.
func TestDeleteTaskDefinitions(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		families(w)
		refs := []string{"web:1", ours + "task-definition/web:2", "old:1", "web:9"}
		out, err := w.API.DeleteTaskDefinitions(w.T.Context(), &sdk.DeleteTaskDefinitionsInput{TaskDefinitions: refs})
		if err != nil {
			w.T.Fatal(err)
		}
		var got []string
		for _, d := range out.TaskDefinitions {
			got = append(got, *d.TaskDefinitionArn+" "+string(d.Status))
			if d.DeleteRequestedAt == nil {
				w.T.Errorf("%s has no deleteRequestedAt", *d.TaskDefinitionArn)
			}
		}
		for _, f := range out.Failures {
			got = append(got, *f.Arn+" "+*f.Reason)
		}
		want := []string{
			ours + "task-definition/web:2 DELETE_IN_PROGRESS",
			ours + "task-definition/old:1 DELETE_IN_PROGRESS",
			ours + "task-definition/web:1 The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
			"web:9 The specified task definition does not exist. Specify a valid account, family, revision and try again.",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.T.Error(diff)
		}
		w.After(ecstest.Sec(30))
		left, err := w.API.ListTaskDefinitionFamilies(w.T.Context(), &sdk.ListTaskDefinitionFamiliesInput{})
		if err != nil || strings.Join(left.Families, " ") != "web web-2" {
			w.T.Errorf("nothing uses old:1, and left are %v, %v", left, err)
		}
	})
}
