package ecr

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry"
)

// elsewhere resolves what another registry has: digests by tag. Others are its refusals.
type elsewhere struct {
	has     map[string]string
	refuses map[string]error
}

func (e elsewhere) Resolve(_ context.Context, _, ref string) (string, error) {
	if err := e.refuses[ref]; err != nil {
		return "", err
	}
	if d, ok := e.has[ref]; ok {
		return d, nil
	}
	return "", registry.ManifestUnknown("Requested image not found")
}

// TestBatchGetImageThroughCache: what another registry has is given like what is here, and its refusals are failures.
func TestBatchGetImageThroughCache(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	here := a.push(t, "app", "here", "kept", "moved", "unreachable")
	there, other := digest.FromString("there").String(), digest.FromString("other").String()
	broken := errors.New("broken")
	a.Through(elsewhere{
		map[string]string{"new": there, there: there, "kept": here, "moved": there},
		map[string]error{"denied": registry.Denied("no"), "busy": registry.TooMany("busy"), "away": registry.Unavailable("away"), "unreachable": registry.ManifestUnknown("x"), "broken": broken},
	})
	tag := func(s string) types.ImageIdentifier { return types.ImageIdentifier{ImageTag: &s} }
	by := func(d string) types.ImageIdentifier { return types.ImageIdentifier{ImageDigest: &d} }
	both := func(s, d string) types.ImageIdentifier { return types.ImageIdentifier{ImageTag: &s, ImageDigest: &d} }
	for name, tt := range map[string]struct {
		id   types.ImageIdentifier
		want string // a digest, or a failure
	}{
		"new": {tag("new"), there}, "new by digest": {by(there), there}, "new by both": {both("new", there), there}, "new by another digest": {both("new", other), "ImageTagDoesNotMatchDigest"},
		"kept": {tag("kept"), here}, "moved": {tag("moved"), there}, "here by digest": {by(here), here}, "here by both": {both("moved", here), here}, "served as it is": {tag("unreachable"), here},
		"nowhere": {tag("nowhere"), "ImageNotFound"}, "nowhere by digest": {by(other), "ImageNotFound"}, "neither": {types.ImageIdentifier{}, "MissingDigestAndTag"},
		"denied": {tag("denied"), "UpstreamAccessDenied"}, "busy": {tag("busy"), "UpstreamTooManyRequests"}, "away": {tag("away"), "UpstreamUnavailable"},
	} {
		out, err := a.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{tt.id}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		for _, f := range out.Failures {
			got += string(f.FailureCode)
		}
		for _, i := range out.Images {
			got += *i.ImageId.ImageDigest
			if aws.ToString(i.ImageManifest) != *i.ImageId.ImageDigest {
				t.Errorf("%s: the manifest of %s is %s", name, *i.ImageId.ImageDigest, aws.ToString(i.ImageManifest))
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
	_, err := a.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{tag("broken")}})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	// The resolver makes the repository, too; where it doesn't, there is none.
	_, err = a.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("none"), ImageIds: []types.ImageIdentifier{tag("nowhere")}})
	wantError(t, err, "RepositoryNotFoundException", "The repository with name 'none' does not exist")
	out, err := a.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("made"), ImageIds: []types.ImageIdentifier{tag("new")}})
	if err != nil || len(out.Images) != 1 {
		t.Errorf("got %+v, %v", out, err)
	}
}
