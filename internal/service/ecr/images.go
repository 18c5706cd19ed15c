package ecr

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// ListImages lists the images of a repository. An image is listed once for each of its tags.
func (a *API) ListImages(ctx context.Context, in *ecr.ListImagesInput) (*ecr.ListImagesOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	page, err := record.Pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := a.records.Images(ctx, *in.RepositoryName)
	if err != nil {
		return nil, err
	}
	ids := []types.ImageIdentifier{}
	for _, img := range list {
		if f := in.Filter; f == nil || matches(img, f.TagStatus, f.ImageStatus) {
			ids = append(ids, img.Identifiers()...)
		}
	}
	part, next := handler.Cut(page, ids, func(id types.ImageIdentifier) string { return *id.ImageDigest + " " + aws.ToString(id.ImageTag) })
	return &ecr.ListImagesOutput{ImageIds: part, NextToken: next}, nil
}

// DescribeImages describes the images asked for, or all, page by page.
func (a *API) DescribeImages(ctx context.Context, in *ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if len(in.ImageIds) > 0 {
		return a.describeIdentified(ctx, in)
	}
	page, err := record.Pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := a.records.Images(ctx, *in.RepositoryName)
	if err != nil {
		return nil, err
	}
	details := []types.ImageDetail{}
	for _, img := range list {
		if f := in.Filter; f == nil || matches(img, f.TagStatus, f.ImageStatus) {
			details = append(details, a.detail(img))
		}
	}
	part, next := handler.Cut(page, details, func(d types.ImageDetail) string { return *d.ImageDigest })
	return record.View(ctx, a.records, func(tx store.Tx) (*ecr.DescribeImagesOutput, error) {
		repo, err := a.records.Get(tx, *in.RepositoryName)
		if err == nil {
			err = scanned(tx, repo, part)
		}
		return &ecr.DescribeImagesOutput{ImageDetails: part, NextToken: next}, err
	})
}

func (a *API) describeIdentified(ctx context.Context, in *ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
	if in.MaxResults != nil || in.NextToken != nil || in.Filter != nil {
		return nil, record.Invalid("Invalid request parameters: maxResults, nextToken and filter cannot be used with imageIds")
	}
	return record.View(ctx, a.records, func(tx store.Tx) (*ecr.DescribeImagesOutput, error) {
		out := &ecr.DescribeImagesOutput{}
		repo, err := a.records.Get(tx, *in.RepositoryName)
		if err != nil {
			return nil, err
		}
		for _, id := range in.ImageIds {
			img, failure, err := record.Identify(tx, repo, id)
			if err != nil {
				return nil, err
			}
			if failure != nil {
				return nil, a.records.NotIdentified(repo, failure)
			}
			if !slices.ContainsFunc(out.ImageDetails, func(d types.ImageDetail) bool { return *d.ImageDigest == img.Digest }) {
				out.ImageDetails = append(out.ImageDetails, a.detail(record.Tagged{Image: img, Tags: record.TagsOf(tx, img)}))
			}
		}
		return out, scanned(tx, repo, out.ImageDetails)
	})
}

// matches tells whether a filter lets the image through; all images are
// active, because none is archived.
func matches(img record.Tagged, tagged types.TagStatus, status types.ImageStatusFilter) bool {
	if status != "" && status != types.ImageStatusFilterActive && status != types.ImageStatusFilterAny {
		return false
	}
	some := len(img.Tags) > 0
	return (tagged != types.TagStatusTagged || some) && (tagged != types.TagStatusUntagged || !some)
}

func (a *API) detail(img record.Tagged) types.ImageDetail {
	return types.ImageDetail{
		ArtifactMediaType:      handler.Optional(img.ArtifactType),
		ImageDigest:            &img.Digest,
		ImageManifestMediaType: &img.MediaType,
		ImagePushedAt:          &img.PushedAt,
		ImageSizeInBytes:       &img.Size,
		ImageStatus:            types.ImageStatusActive,
		ImageTags:              img.Tags,
		RegistryId:             &a.records.NS.Account,
		RepositoryName:         &img.Repo,
		SubjectManifestDigest:  handler.Optional(img.Subject),
	}
}

func (a *API) checkBatch(registryID, name *string, ids []types.ImageIdentifier) error {
	if err := a.records.Check(registryID, name); err != nil {
		return err
	}
	if len(ids) == 0 {
		return record.Constraint("imageIds", "must have length greater than or equal to 1")
	}
	if len(ids) > 100 {
		return record.Constraint("imageIds", "must have length less than or equal to 100")
	}
	return nil
}

// BatchDeleteImage removes images by their digests, or tags. An image goes with its
// last tag. The registry reclaims the bytes.
func (a *API) BatchDeleteImage(ctx context.Context, in *ecr.BatchDeleteImageInput) (*ecr.BatchDeleteImageOutput, error) {
	if err := a.checkBatch(in.RegistryId, in.RepositoryName, in.ImageIds); err != nil {
		return nil, err
	}
	out := &ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{}, Failures: []types.ImageFailure{}}
	pending := in.ImageIds
	for len(pending) > 0 {
		failures, err := a.deleteAll(ctx, *in.RepositoryName, pending, out)
		if err != nil {
			return nil, err
		}
		// An image of the batch may have referred to another one of it.
		again := referencedOf(failures)
		if len(again) == 0 || len(again) == len(pending) {
			out.Failures = append(out.Failures, failures...)
			return out, nil
		}
		out.Failures = append(out.Failures, slices.DeleteFunc(failures, isReferenced)...)
		pending = again
	}
	return out, nil
}

func (a *API) deleteAll(ctx context.Context, name string, ids []types.ImageIdentifier, out *ecr.BatchDeleteImageOutput) (failures []types.ImageFailure, err error) {
	for _, id := range ids {
		gone, failure, err := a.records.DeleteImage(ctx, name, id, record.Always)
		if err != nil {
			return nil, record.ForCaller(err)
		}
		out.ImageIds = append(out.ImageIds, gone...)
		if failure != nil {
			failures = append(failures, *failure)
		}
	}
	return failures, nil
}

func isReferenced(f types.ImageFailure) bool {
	return f.FailureCode == types.ImageFailureCodeImageReferencedByManifestList
}

func referencedOf(failures []types.ImageFailure) (ids []types.ImageIdentifier) {
	for _, f := range failures {
		if isReferenced(f) {
			ids = append(ids, *f.ImageId)
		}
	}
	return ids
}
