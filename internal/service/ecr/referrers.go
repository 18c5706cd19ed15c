package ecr

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/registry/manifest"
	"github.com/skylift/skylift/internal/service/ecr/record"
)

// referrerPages is how lists of artifacts are cut
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImageReferrers.html).
var referrerPages = handler.Pages{
	Default: 50, Most: 50,
	BadSize: func(size int) error {
		if size < 1 {
			return record.Constraint("maxResults", "must have value greater than or equal to 1")
		}
		return record.Constraint("maxResults", "must have value less than or equal to 50")
	},
	BadToken: record.Pages.BadToken,
}

// ListImageReferrers lists the artifacts that say of an image that they are about it, as the registry's referrers API does. All are
// active, because none is archived. What the registry has that the repository may stand for isn't asked.
func (a *API) ListImageReferrers(ctx context.Context, in *ecr.ListImageReferrersInput) (*ecr.ListImageReferrersOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	subject := aws.ToString(in.SubjectId.ImageDigest)
	if !record.IsDigest(subject) {
		return nil, record.Invalid("Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'")
	}
	page, err := referrerPages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := a.records.Images(ctx, *in.RepositoryName)
	if err != nil {
		return nil, err
	}
	about := slices.DeleteFunc(list, func(img record.Tagged) bool { return img.Subject != subject || !wanted(img.Image, in.Filter) })
	part, next := handler.Cut(page, about, func(img record.Tagged) string { return img.Digest })
	out := &ecr.ListImageReferrersOutput{Referrers: []types.ImageReferrer{}, NextToken: next}
	for _, img := range part {
		body, _, err := a.content.Manifest(ctx, img.Repo, img.Digest)
		if errors.Is(err, registry.ErrNoManifest) {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		m, err := manifest.Read(body)
		if err != nil {
			return nil, err
		}
		out.Referrers = append(out.Referrers, types.ImageReferrer{
			Digest: &img.Digest, MediaType: &img.MediaType, ArtifactType: handler.Optional(img.ArtifactType), Size: &img.ManifestSize,
			Annotations: m.Annotations, ArtifactStatus: types.ArtifactStatusActive,
		})
	}
	return out, nil
}

// wanted tells whether a filter lets an artifact through.
func wanted(img record.Image, f *types.ListImageReferrersFilter) bool {
	if f == nil {
		return true
	}
	active := f.ArtifactStatus == "" || f.ArtifactStatus == types.ArtifactStatusFilterActive || f.ArtifactStatus == types.ArtifactStatusFilterAny
	return active && (len(f.ArtifactTypes) == 0 || slices.Contains(f.ArtifactTypes, img.ArtifactType))
}
