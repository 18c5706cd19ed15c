package ecr

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
)

func TestImmutableTags(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	_, err := a.PutImageTagMutability(t.Context(), &ecr.PutImageTagMutabilityInput{RepositoryName: new("app"), ImageTagMutability: types.ImageTagMutabilityImmutable})
	if err != nil {
		t.Fatal(err)
	}
	first := a.push(t, "app", "first", "v1")
	a.push(t, "app", "first", "v2") // another tag for the same image is fine
	for _, content := range []string{"first", "second"} {
		err = a.records.Push(t.Context(), registry.Manifest{Repo: "app", Digest: digest.FromString(content).String(), Tags: []string{"v1"}})
		e, ok := errors.AsType[*registry.Error](err)
		want := "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable."
		if !ok || e.Code != "TAG_INVALID" || e.Status != 400 || e.Message != want {
			t.Errorf("%s: got %v, want %s", content, err, want)
		}
	}
	if got, err := a.records.Resolve(t.Context(), "app", "v1"); err != nil || got != first {
		t.Errorf("the tag moved to %s: %v", got, err)
	}
}

func exclude(forms ...string) (out []types.ImageTagMutabilityExclusionFilter) {
	for _, f := range forms {
		out = append(out, types.ImageTagMutabilityExclusionFilter{Filter: &f, FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard})
	}
	return out
}

// TestExcludedTags: the contrary holds for tags of these forms.
func TestExcludedTags(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	for _, tt := range []struct {
		mutability types.ImageTagMutability
		moves      map[string]bool
	}{
		{types.ImageTagMutabilityImmutableWithExclusion, map[string]bool{"latest": true, "latest1": false, "dev-7": true, "v1": false, "a-rc-b": true}},
		{types.ImageTagMutabilityMutableWithExclusion, map[string]bool{"latest": false, "latest1": true, "dev-7": false, "v1": true, "a-rc-b": false}},
	} {
		out, err := a.PutImageTagMutability(t.Context(), &ecr.PutImageTagMutabilityInput{
			RepositoryName: new("app"), ImageTagMutability: tt.mutability, ImageTagMutabilityExclusionFilters: exclude("latest", "dev-*", "*-rc-*"),
		})
		if err != nil || out.ImageTagMutability != tt.mutability || len(out.ImageTagMutabilityExclusionFilters) != 3 {
			t.Fatalf("got %+v: %v", out, err)
		}
		for tag, moves := range tt.moves {
			push := func(content string) error {
				return a.records.Push(t.Context(), registry.Manifest{Repo: "app", Digest: digest.FromString(content).String(), Tags: []string{tag}})
			}
			first, second := push(string(tt.mutability)+"first"), push(string(tt.mutability)+"second")
			if _, gone := a.records.Resolve(t.Context(), "app", tag); gone != nil || (second == nil) != moves {
				t.Errorf("%s, tag %s: first push %v, second %v; want it to move: %v", tt.mutability, tag, first, second, moves)
			}
		}
	}
	repos, err := a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"app"}})
	if err != nil || len(repos.Repositories[0].ImageTagMutabilityExclusionFilters) != 3 {
		t.Errorf("got %+v: %v", repos, err)
	}
	if _, err := a.PutImageTagMutability(t.Context(), &ecr.PutImageTagMutabilityInput{RepositoryName: new("app"), ImageTagMutability: types.ImageTagMutabilityImmutable}); err != nil {
		t.Error(err)
	}
	repos, err = a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"app"}})
	if err != nil || len(repos.Repositories[0].ImageTagMutabilityExclusionFilters) != 0 {
		t.Errorf("the filters outlived their setting: %+v: %v", repos, err)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		filter, tag string
		want        bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"*", "x", true},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "ac", false},
		{"*b*", "abc", true},
		{"*b*", "ac", false},
		{"**", "x", true},
	} {
		if got := lifecycle.Match(tt.filter, tt.tag); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.filter, tt.tag, got)
		}
	}
}

// Of many who push an immutable tag at once, one succeeds.
func TestImmutableTagIsPushedOnce(t *testing.T) {
	t.Parallel()
	a := open(t)
	_, err := a.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("app"), ImageTagMutability: types.ImageTagMutabilityImmutable})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var pushed atomic.Int32
	for i := range 20 {
		wg.Go(func() {
			m := registry.Manifest{Repo: "app", Digest: digest.FromString(fmt.Sprint(i)).String(), Tags: []string{"v1"}}
			if a.records.Push(t.Context(), m) == nil {
				pushed.Add(1)
			}
		})
	}
	wg.Wait()
	out, err := a.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("app")})
	if err != nil || pushed.Load() != 1 || len(out.ImageDetails) != 1 {
		t.Errorf("%d pushes succeeded, %d images: %v", pushed.Load(), len(out.ImageDetails), err)
	}
}
