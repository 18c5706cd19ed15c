// Package layers answers the operations by which a program pushes and pulls an image through ECR's API, without docker.
package layers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/registry/parts"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/wire"
)

// blobs is the registry.
type blobs interface {
	Layer(ctx context.Context, repo string, dgst digest.Digest) (size int64, there bool, err error)
	StartUpload(ctx context.Context, repo string) (id string, err error)
	Upload(ctx context.Context, repo, id string, first int64, part []byte) error
	FinishUpload(ctx context.Context, repo, id string, digests ...digest.Digest) error
	Put(ctx context.Context, p registry.Pushed, record func(context.Context, registry.Manifest) error) (registry.Manifest, error)
}

// links makes URLs by which a layer may be downloaded.
type links interface {
	To(repo, digest, caller string) string
}

// pushes finds repositories for who pushes to them.
type pushes interface {
	ForPush(ctx context.Context, repo string) error
}

// API has a handler for every operation about layers, and PutImage.
type API struct {
	records *record.Records
	pushes  pushes
	blobs   blobs
	links   links
}

// New returns the API. By p a push may make its repository.
func New(records *record.Records, p pushes, b blobs, l links) *API { return &API{records, p, b, l} }

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	const on = "repository: repositoryName"
	return []wire.Operation{
		wire.Op("BatchCheckLayerAvailability", a.BatchCheckLayerAvailability).On(on).Takes("registryId repositoryName layerDigests"),
		wire.Op("CompleteLayerUpload", a.CompleteLayerUpload).On(on).Takes("registryId repositoryName uploadId layerDigests"),
		wire.Op("GetDownloadUrlForLayer", a.GetDownloadUrlForLayer).On(on).Takes("registryId repositoryName layerDigest"),
		wire.Op("InitiateLayerUpload", a.InitiateLayerUpload).On(on).Takes("registryId repositoryName"),
		wire.Op("PutImage", a.PutImage).On(on).Takes("registryId repositoryName imageManifest imageManifestMediaType imageTag imageDigest").
			Checks(func(in *sdk.PutImageInput) []error { return putFaults(in) }),
		wire.Op("UploadLayerPart", a.UploadLayerPart).On(on).Takes("registryId repositoryName uploadId partFirstByte partLastByte layerPartBlob").
			Checks(func(in *sdk.UploadLayerPartInput) []error { return partFaults(in) }),
	}
}

// check refuses a repository that isn't there.
func (a *API) check(ctx context.Context, registryID, name *string) error {
	if err := a.records.Check(registryID, name); err != nil {
		return err
	}
	_, err := a.records.Find(ctx, *name)
	return err
}

// checkPush refuses a repository that isn't there, and that a push doesn't make.
func (a *API) checkPush(ctx context.Context, registryID, name *string) error {
	if err := a.records.Check(registryID, name); err != nil {
		return err
	}
	err := a.pushes.ForPush(ctx, *name)
	if e, ok := errors.AsType[*registry.Error](err); ok && e.Status == http.StatusForbidden {
		return awserr.New("AccessDeniedException", "%s", e.Message)
	}
	return record.ForCaller(err)
}

// BatchCheckLayerAvailability says which layers a repository has.
func (a *API) BatchCheckLayerAvailability(ctx context.Context, in *sdk.BatchCheckLayerAvailabilityInput) (*sdk.BatchCheckLayerAvailabilityOutput, error) {
	if err := a.check(ctx, in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	out := &sdk.BatchCheckLayerAvailabilityOutput{Layers: []types.Layer{}, Failures: []types.LayerFailure{}}
	for _, d := range in.LayerDigests {
		if code, why := fault(d); code != "" {
			out.Failures = append(out.Failures, types.LayerFailure{LayerDigest: &d, FailureCode: code, FailureReason: &why})
			continue
		}
		size, there, err := a.blobs.Layer(ctx, *in.RepositoryName, digest.Digest(d))
		if err != nil {
			return nil, err
		}
		layer := types.Layer{LayerDigest: &d, LayerAvailability: types.LayerAvailabilityUnavailable}
		if there {
			layer.LayerAvailability, layer.LayerSize = types.LayerAvailabilityAvailable, &size
		}
		out.Layers = append(out.Layers, layer)
	}
	return out, nil
}

// fault says what is wrong with the digest of a layer.
func fault(d string) (code types.LayerFailureCode, why string) {
	switch {
	case d == "":
		return types.LayerFailureCodeMissingLayerDigest, "Invalid request parameters: layer digest cannot be null"
	case digest.Digest(d).Validate() != nil || digest.Digest(d).Algorithm() != digest.SHA256:
		return types.LayerFailureCodeInvalidLayerDigest, "Invalid request parameters: layer digest should be a sha256 digest"
	}
	return "", ""
}

// InitiateLayerUpload begins an upload. One that nobody continues for a day is forgotten.
func (a *API) InitiateLayerUpload(ctx context.Context, in *sdk.InitiateLayerUploadInput) (*sdk.InitiateLayerUploadOutput, error) {
	if err := a.checkPush(ctx, in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	id, err := a.blobs.StartUpload(ctx, *in.RepositoryName)
	if err != nil {
		return nil, ours(err)
	}
	return &sdk.InitiateLayerUploadOutput{UploadId: &id, PartSize: new(int64(parts.MaxPart))}, nil
}

// partFaults is what is wrong with a part, whatever was sent before it.
func partFaults(in *sdk.UploadLayerPartInput) (f awserr.Faults) {
	if len(in.LayerPartBlob) > parts.MaxPart {
		f.Add(record.Constraint("layerPartBlob", fmt.Sprintf("must have length less than or equal to %d", parts.MaxPart)))
	}
	return f
}

// UploadLayerPart adds a part to an upload.
func (a *API) UploadLayerPart(ctx context.Context, in *sdk.UploadLayerPartInput) (*sdk.UploadLayerPartOutput, error) {
	if err := a.check(ctx, in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if err := partFaults(in).First(); err != nil {
		return nil, err
	}
	first, last := aws.ToInt64(in.PartFirstByte), aws.ToInt64(in.PartLastByte)
	if len(in.LayerPartBlob) == 0 || last-first != int64(len(in.LayerPartBlob))-1 {
		return nil, &types.InvalidLayerPartException{
			Message:    new(fmt.Sprintf("The layer part has %d bytes, and its first and last byte are %d and %d", len(in.LayerPartBlob), first, last)),
			RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName, UploadId: in.UploadId,
		}
	}
	if err := a.blobs.Upload(ctx, *in.RepositoryName, *in.UploadId, first, in.LayerPartBlob); err != nil {
		return nil, a.refused(err, *in.RepositoryName, *in.UploadId)
	}
	return &sdk.UploadLayerPartOutput{LastByteReceived: &last, RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName, UploadId: in.UploadId}, nil
}

// CompleteLayerUpload makes a layer of an upload.
func (a *API) CompleteLayerUpload(ctx context.Context, in *sdk.CompleteLayerUploadInput) (*sdk.CompleteLayerUploadOutput, error) {
	if err := a.check(ctx, in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	digests := make([]digest.Digest, len(in.LayerDigests))
	for i, d := range in.LayerDigests {
		if _, why := fault(d); why != "" {
			return nil, record.Invalid("%s", why)
		}
		digests[i] = digest.Digest(d)
	}
	if err := a.blobs.FinishUpload(ctx, *in.RepositoryName, *in.UploadId, digests...); err != nil {
		if errors.Is(err, parts.ErrExists) {
			return nil, &types.LayerAlreadyExistsException{Message: new(fmt.Sprintf("The layer with digest '%s' already exists in the repository with name '%s' in registry with id '%s'", digests[0], *in.RepositoryName, a.records.NS.Account))}
		}
		return nil, a.refused(err, *in.RepositoryName, *in.UploadId)
	}
	return &sdk.CompleteLayerUploadOutput{LayerDigest: new(digests[0].String()), RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName, UploadId: in.UploadId}, nil
}

// refused is what the API says of an upload that the registry refuses.
func (a *API) refused(err error, repo, id string) error {
	gap, is := errors.AsType[*parts.GapError](err)
	switch {
	case is:
		e := &types.InvalidLayerPartException{
			Message:    new(fmt.Sprintf("The first byte of the layer part must be %d: it follows the last byte of the previous part", gap.Received)),
			RegistryId: &a.records.NS.Account, RepositoryName: &repo, UploadId: &id,
		}
		if gap.Received > 0 {
			e.LastValidByteReceived = new(gap.Received - 1)
		}
		return e
	case errors.Is(err, parts.ErrUnknown):
		return &types.UploadNotFoundException{Message: new(fmt.Sprintf("The upload with id '%s' does not exist in the repository with name '%s' in registry with id '%s'", id, repo, a.records.NS.Account))}
	case errors.Is(err, parts.ErrMany):
		return &types.LimitExceededException{Message: new(fmt.Sprintf("A layer can have at most %d parts and %d MiB", parts.MaxParts, parts.MaxLayer>>20))}
	case errors.Is(err, parts.ErrEmpty):
		return &types.EmptyUploadException{Message: new("The specified layer upload does not contain any layer parts")}
	case errors.Is(err, parts.ErrSmall):
		return &types.LayerPartTooSmallException{Message: new("All layer parts except the last part should be at least 5MB")}
	case errors.Is(err, parts.ErrDigest):
		return &types.InvalidLayerException{Message: new("The digest of the uploaded layer does not match the digest specified")}
	}
	return ours(err)
}

// ours is what the API says when the registry has no room for now.
func ours(err error) error {
	if errors.Is(err, parts.ErrDiskFull) {
		return &types.ServerException{Message: new(parts.ErrDiskFull.Error())}
	}
	if e, ok := errors.AsType[*registry.Error](err); ok && e.Status >= http.StatusInternalServerError {
		return &types.ServerException{Message: &e.Message}
	}
	return err
}

// GetDownloadUrlForLayer returns a link to a layer.
func (a *API) GetDownloadUrlForLayer(ctx context.Context, in *sdk.GetDownloadUrlForLayerInput) (*sdk.GetDownloadUrlForLayerOutput, error) {
	if err := a.check(ctx, in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if _, why := fault(*in.LayerDigest); why != "" {
		return nil, record.Invalid("%s", why)
	}
	_, there, err := a.blobs.Layer(ctx, *in.RepositoryName, digest.Digest(*in.LayerDigest))
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, &types.LayersNotFoundException{Message: new(fmt.Sprintf("The layer with digest '%s' does not exist within the repository with name '%s' in the registry with id '%s'", *in.LayerDigest, *in.RepositoryName, a.records.NS.Account))}
	}
	return &sdk.GetDownloadUrlForLayerOutput{DownloadUrl: new(a.links.To(*in.RepositoryName, *in.LayerDigest, caller.From(ctx).ARN)), LayerDigest: in.LayerDigest}, nil
}
