package ecr

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// BatchGetImage returns the manifests of images, those among them that another registry has which the repository stands for.
func (a *API) BatchGetImage(ctx context.Context, in *ecr.BatchGetImageInput) (*ecr.BatchGetImageOutput, error) {
	if err := a.checkBatch(in.RegistryId, in.RepositoryName, in.ImageIds); err != nil {
		return nil, err
	}
	out := &ecr.BatchGetImageOutput{Images: []types.Image{}, Failures: []types.ImageFailure{}}
	for _, id := range in.ImageIds {
		img, failure, err := a.getImage(ctx, *in.RepositoryName, id, in.AcceptedMediaTypes)
		if err != nil {
			return nil, err
		}
		if failure != nil {
			out.Failures = append(out.Failures, *failure)
			continue
		}
		out.Images = append(out.Images, *img)
	}
	return out, nil
}

func (a *API) getImage(ctx context.Context, name string, id types.ImageIdentifier, accepted []string) (*types.Image, *types.ImageFailure, error) {
	digest, kind, failure, err := a.locate(ctx, name, id)
	if err != nil || failure != nil {
		return nil, failure, err
	}
	notFound := record.Failed(id, types.ImageFailureCodeImageNotFound, "Requested image not found")
	manifest, mediaType, err := a.content.Manifest(ctx, name, digest)
	if errors.Is(err, registry.ErrNoManifest) {
		return nil, notFound, nil // it was deleted meanwhile
	}
	if err != nil {
		return nil, nil, err
	}
	mediaType = cmp.Or(kind, mediaType)
	if len(accepted) > 0 && !slices.Contains(accepted, mediaType) {
		return nil, notFound, nil
	}
	return &types.Image{
		ImageId:                &types.ImageIdentifier{ImageDigest: &digest, ImageTag: id.ImageTag},
		ImageManifest:          new(string(manifest)),
		ImageManifestMediaType: &mediaType,
		RegistryId:             &a.records.NS.Account,
		RepositoryName:         &name,
	}, nil, nil
}

// locate returns the digest of the image that an identifier means, which the resolver may have to bring first, and its media type, if
// that is recorded.
func (a *API) locate(ctx context.Context, name string, id types.ImageIdentifier) (digest, mediaType string, failure *types.ImageFailure, err error) {
	img, err := record.View(ctx, a.records, func(tx store.Tx) (img record.Image, err error) {
		repo, err := a.records.Get(tx, name)
		if err != nil {
			return img, err
		}
		img, failure, err = record.Identify(tx, repo, id)
		return img, err
	})
	_, noRepository := errors.AsType[*types.RepositoryNotFoundException](err)
	missing := noRepository || failure != nil && failure.FailureCode == types.ImageFailureCodeImageNotFound
	byDigest := aws.ToString(id.ImageDigest) != ""
	if !missing && (err != nil || failure != nil || byDigest) {
		return img.Digest, img.MediaType, failure, err
	}
	found, resolving := a.images.Resolve(ctx, name, cmp.Or(aws.ToString(id.ImageTag), aws.ToString(id.ImageDigest)))
	refusal, refused := errors.AsType[*registry.Error](resolving)
	switch {
	case refused && upstreamFailures[refusal.Code] != "":
		return "", "", record.Failed(id, upstreamFailures[refusal.Code], refusal.Message), nil
	case refused:
		return img.Digest, img.MediaType, failure, err
	case resolving != nil:
		return "", "", nil, resolving
	case byDigest && found != *id.ImageDigest:
		return "", "", record.Failed(id, types.ImageFailureCodeImageTagDoesNotMatchDigest, "Image tag does not match the provided digest"), nil
	}
	if found != img.Digest {
		img.MediaType = "" // it is the one that was here before
	}
	return found, img.MediaType, nil, nil
}

// upstreamFailures are what a refusal of the registry that a repository stands for is to BatchGetImage
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageFailure.html).
var upstreamFailures = map[string]types.ImageFailureCode{
	"DENIED": types.ImageFailureCodeUpstreamAccessDenied, "TOOMANYREQUESTS": types.ImageFailureCodeUpstreamTooManyRequests, "UNAVAILABLE": types.ImageFailureCodeUpstreamUnavailable,
}
