package ecr

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry"
)

// annotated stands for the registry: every manifest has its digest as an annotation.
type annotated struct{}

func (annotated) Manifest(_ context.Context, _, dgst string) ([]byte, string, error) {
	return fmt.Appendf(nil, `{"schemaVersion":2,"annotations":{"it":%q}}`, dgst), imageType, nil
}

func TestListImageReferrers(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.content = annotated{}
	a.create(t, "app")
	subject := a.push(t, "app", "image", "1")
	refer := func(content, kind, subject string) string {
		t.Helper()
		d := digest.FromString(content).String()
		if err := a.records.Push(t.Context(), registry.Manifest{Repo: "app", Digest: d, MediaType: imageType, ArtifactType: kind, Subject: subject, ManifestSize: 7, PushedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	signature, sbom := refer("signature", "signature", subject), refer("sbom", "sbom", subject)
	refer("another's", "signature", digest.FromString("another").String())
	list := func(in ecr.ListImageReferrersInput) (*ecr.ListImageReferrersOutput, error) {
		in.RepositoryName = new("app")
		if in.SubjectId == nil {
			in.SubjectId = &types.SubjectIdentifier{ImageDigest: &subject}
		}
		return a.ListImageReferrers(t.Context(), &in)
	}
	for name, tt := range map[string]struct {
		filter *types.ListImageReferrersFilter
		want   []string
	}{
		"all":           {nil, []string{signature, sbom}},
		"of a type":     {&types.ListImageReferrersFilter{ArtifactTypes: []string{"sbom", "other"}}, []string{sbom}},
		"any status":    {&types.ListImageReferrersFilter{ArtifactStatus: "ANY"}, []string{signature, sbom}},
		"archived":      {&types.ListImageReferrersFilter{ArtifactStatus: "ARCHIVED"}, nil},
		"of no subject": {&types.ListImageReferrersFilter{ArtifactTypes: []string{"none"}}, nil},
	} {
		out, err := list(ecr.ListImageReferrersInput{Filter: tt.filter})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, r := range out.Referrers {
			got = append(got, *r.Digest)
		}
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	first, err := list(ecr.ListImageReferrersInput{MaxResults: new(int32(1))})
	if err != nil || len(first.Referrers) != 1 || first.NextToken == nil {
		t.Fatalf("a page of one: %+v, %v", first, err)
	}
	second, err := list(ecr.ListImageReferrersInput{MaxResults: new(int32(1)), NextToken: first.NextToken})
	if err != nil || len(second.Referrers) != 1 || second.NextToken != nil {
		t.Fatalf("the page behind: %+v, %v", second, err)
	}
	last := max(signature, sbom)
	want := types.ImageReferrer{
		Digest: &last, MediaType: new(imageType), ArtifactType: new(map[string]string{signature: "signature", sbom: "sbom"}[last]), Size: new(int64(7)),
		Annotations: map[string]string{"it": last}, ArtifactStatus: "ACTIVE",
	}
	if d := cmp.Diff(want, second.Referrers[0], cmpopts.IgnoreUnexported(types.ImageReferrer{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	_, err = list(ecr.ListImageReferrersInput{SubjectId: &types.SubjectIdentifier{ImageDigest: new("latest")}})
	wantError(t, err, "InvalidParameterException", "image digest should satisfy the regex")
	_, err = list(ecr.ListImageReferrersInput{MaxResults: new(int32(51))})
	wantError(t, err, "InvalidParameterException", "less than or equal to 50")
	_, err = a.ListImageReferrers(t.Context(), &ecr.ListImageReferrersInput{RepositoryName: new("none"), SubjectId: &types.SubjectIdentifier{ImageDigest: &subject}})
	wantError(t, err, "RepositoryNotFoundException", "The repository with name 'none' does not exist")
}
