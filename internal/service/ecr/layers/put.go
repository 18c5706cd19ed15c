package layers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/registry/manifest"
	"github.com/skylift/skylift/internal/service/ecr/record"
)

// manifestTypes are the media types of what the registry keeps.
var manifestTypes = []string{
	v1.MediaTypeImageManifest, v1.MediaTypeImageIndex,
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
}

// validTag is the form of a tag of the OCI distribution specification.
var validTag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// putFaults is what is wrong with a request, whatever the repository has.
func putFaults(in *sdk.PutImageInput) (f awserr.Faults) {
	if in.ImageTag != nil && !validTag.MatchString(*in.ImageTag) {
		f.Add(record.Constraint("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'"))
	}
	if in.ImageManifest != nil {
		_, err := mediaType(in)
		f.Add(err)
	}
	return f
}

// mediaType is what kind of manifest is put.
func mediaType(in *sdk.PutImageInput) (string, error) {
	var says struct{ MediaType string }
	if err := json.Unmarshal([]byte(*in.ImageManifest), &says); err != nil {
		return "", record.Constraint("ImageManifest", "Invalid JSON syntax")
	}
	given := aws.ToString(in.ImageManifestMediaType)
	switch {
	case says.MediaType == "" && given == "":
		return "", record.Invalid("Invalid parameter at 'imageManifestMediaType': it must be there, because the image manifest has no mediaType")
	case says.MediaType != "" && given != "" && given != says.MediaType:
		return "", record.Invalid("Invalid parameter at 'imageManifestMediaType': the image manifest has the mediaType '%s'", says.MediaType)
	case given == "":
		given = says.MediaType
	}
	if slices.Contains(manifestTypes, given) {
		return given, nil
	}
	return "", record.Constraint("imageManifestMediaType", "must satisfy enum value set: ["+strings.Join(manifestTypes, ", ")+"]")
}

// PutImage pushes a manifest whose layers were uploaded before, or gives an image another tag.
func (a *API) PutImage(ctx context.Context, in *sdk.PutImageInput) (*sdk.PutImageOutput, error) {
	if err := a.checkPush(ctx, in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if err := putFaults(in).First(); err != nil {
		return nil, err
	}
	kind, err := mediaType(in)
	if err != nil {
		return nil, err
	}
	body := []byte(*in.ImageManifest)
	dgst := digest.FromBytes(body).String()
	if in.ImageDigest != nil && *in.ImageDigest != dgst {
		return nil, &types.ImageDigestDoesNotMatchException{Message: new(fmt.Sprintf("The specified image digest '%s' does not match the digest '%s' of the image manifest", *in.ImageDigest, dgst))}
	}
	p := registry.Pushed{Repo: *in.RepositoryName, Tag: aws.ToString(in.ImageTag), MediaType: kind, Body: body}
	if _, err := a.blobs.Put(ctx, p, a.records.PushNew); err != nil {
		return nil, a.notPut(err, p, dgst)
	}
	return &sdk.PutImageOutput{Image: &types.Image{
		ImageId: &types.ImageIdentifier{ImageDigest: &dgst, ImageTag: in.ImageTag}, ImageManifest: in.ImageManifest, ImageManifestMediaType: &kind,
		RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName,
	}}, nil
}

// notPut is what the API says of a manifest that the registry refuses.
func (a *API) notPut(err error, p registry.Pushed, dgst string) error {
	if bad, ok := errors.AsType[*manifest.InvalidError](err); ok {
		return record.Constraint("ImageManifest", bad.Reason)
	}
	if refused, ok := errors.AsType[*registry.Refusal](err); ok {
		return a.missing(refused, p)
	}
	e, ok := errors.AsType[*registry.Error](err)
	switch {
	case errors.Is(err, record.ErrImageExists):
		what := fmt.Sprintf("Image with digest '%s'", dgst)
		if p.Tag != "" {
			what += fmt.Sprintf(" and tag '%s'", p.Tag)
		}
		return &types.ImageAlreadyExistsException{Message: new(fmt.Sprintf("%s already exists in the repository with name '%s' in registry with id '%s'", what, p.Repo, a.records.NS.Account))}
	case ok && e.Code == "TAG_INVALID":
		return &types.ImageTagAlreadyExistsException{Message: &e.Message}
	}
	return ours(record.ForCaller(err))
}

// missing is what the API says of a manifest that names what the repository lacks.
func (a *API) missing(refused *registry.Refusal, p registry.Pushed) error {
	lacking := refused.Missing()
	if len(lacking) == 0 {
		return record.Constraint("ImageManifest", refused.Error())
	}
	says, err := manifest.Read(p.Body)
	if err != nil {
		return record.Constraint("ImageManifest", err.Error())
	}
	const words = "%s with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist"
	if len(says.Manifests) > 0 {
		return &types.ReferencedImagesNotFoundException{Message: new(fmt.Sprintf(words, "Images", strings.Join(lacking, ", "), p.Repo, a.records.NS.Account))}
	}
	return &types.LayersNotFoundException{Message: new(fmt.Sprintf(words, "Layers", strings.Join(lacking, ", "), p.Repo, a.records.NS.Account))}
}
