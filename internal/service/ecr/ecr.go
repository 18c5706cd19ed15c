// Package ecr keeps repositories and the images in them, as Amazon ECR does.
//
// Its records decide what the registry serves: an image that is not recorded
// cannot be pulled, one that is deleted cannot be pulled any more, and a tag
// means the same to the API, to docker and to ECS at any moment.
package ecr

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// content reads the manifests that were pushed. The registry implements it.
type content interface {
	Manifest(ctx context.Context, repo, digest string) (content []byte, mediaType string, err error)
}

// API has a handler for every operation.
type API struct {
	records *Records
	content content
}

// New makes the API of records; manifests reads what was pushed.
func New(records *Records, manifests content) *API {
	return &API{records: records, content: manifests}
}

// What is kept without effect, and why.
const (
	scanning   = "imageScanningConfiguration{scanOnPush}"
	notScanned = "images are not scanned"
)

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("BatchDeleteImage", a.BatchDeleteImage).On("repository: repositoryName").Takes("registryId repositoryName imageIds{*}"),
		wire.Op("BatchGetImage", a.BatchGetImage).On("repository: repositoryName").Takes("registryId repositoryName imageIds{*} acceptedMediaTypes"),
		wire.Op("CreateRepository", a.CreateRepository).On("repository: repositoryName").Takes("registryId repositoryName encryptionConfiguration{encryptionType} imageTagMutability imageTagMutabilityExclusionFilters{*} tags{*}").
			Keeps(scanning, notScanned).
			Checks(func(in *ecr.CreateRepositoryInput) []error { return a.newRepositoryFaults(in) }),
		wire.Op("DeleteRepository", a.DeleteRepository).On("repository: repositoryName").Takes("registryId repositoryName force"),
		wire.Op("DescribeImages", a.DescribeImages).On("repository: repositoryName").Takes("registryId repositoryName filter{*} imageIds{*} maxResults nextToken"),
		wire.Op("DescribeRepositories", a.DescribeRepositories).On("repository: repositoryNames").Takes("registryId repositoryNames maxResults nextToken"),
		wire.Op("GetAuthorizationToken", a.GetAuthorizationToken).Takes("registryIds"),
		wire.Op("ListImages", a.ListImages).On("repository: repositoryName").Takes("registryId repositoryName filter{*} maxResults nextToken"),
		wire.Op("ListTagsForResource", a.ListTagsForResource).On("repository: resourceArn").Takes("resourceArn"),
		wire.Op("PutImageScanningConfiguration", a.PutImageScanningConfiguration).On("repository: repositoryName").Takes("registryId repositoryName").
			Keeps(scanning, notScanned),
		wire.Op("PutImageTagMutability", a.PutImageTagMutability).On("repository: repositoryName").Takes("registryId repositoryName imageTagMutability imageTagMutabilityExclusionFilters{*}").
			Checks(func(in *ecr.PutImageTagMutabilityInput) []error {
				return mutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
			}),
		wire.Op("TagResource", a.TagResource).On("repository: resourceArn").Takes("resourceArn tags{*}"),
		wire.Op("UntagResource", a.UntagResource).On("repository: resourceArn").Takes("resourceArn tagKeys"),
	}
}

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: new(fmt.Sprintf(format, args...))}
}

func constraint(field, rule string) error {
	return invalid("Invalid parameter at '%s' failed to satisfy constraint: '%s'", field, rule)
}

const namePattern = `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`

var validName = regexp.MustCompile("^(?:" + namePattern + ")$")

func checkName(field, name string) error {
	switch {
	case len(name) < 2:
		return constraint(field, "must have length greater than or equal to 2")
	case len(name) > 256:
		return constraint(field, "must have length less than or equal to 256")
	case !validName.MatchString(name):
		return constraint(field, "must satisfy regular expression '"+namePattern+"'")
	}
	return nil
}

// check refuses a name that no repository can have, and any registry but ours.
func (a *API) check(registryID, name *string) error {
	if err := checkName("repositoryName", aws.ToString(name)); err != nil {
		return err
	}
	if registryID != nil && *registryID != a.records.ns.Account {
		return &types.RepositoryNotFoundException{Message: new(fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", *name, *registryID))}
	}
	return nil
}

// ownRegistry refuses any registry but ours, in requests that name no repository.
func (a *API) ownRegistry(field string, registryID *string) error {
	if registryID != nil && *registryID != a.records.ns.Account {
		return invalid("Invalid parameter at '%s': there is no registry with id '%s', only '%s'", field, *registryID, a.records.ns.Account)
	}
	return nil
}

// forCaller turns an error that records return to the registry into the API's type of it.
func forCaller(err error) error {
	if e, ok := errors.AsType[*registry.Error](err); ok && e.Code == "NAME_UNKNOWN" {
		return &types.RepositoryNotFoundException{Message: &e.Message}
	}
	return err
}

// view runs f on a snapshot. Its errors are of the API's types.
func view[T any](ctx context.Context, a *API, f func(tx store.Tx) (T, error)) (T, error) {
	out, err := handler.View(ctx, a.records.db, f)
	return out, forCaller(err)
}

// update runs f in a transaction. Its errors are of the API's types.
func update[T any](ctx context.Context, a *API, f func(tx store.Tx) (T, error)) (T, error) {
	out, err := handler.Update(ctx, a.records.db, f)
	return out, forCaller(err)
}

// change changes a repository's record and returns it.
func (a *API) change(ctx context.Context, name string, change func(*Repository) error) (Repository, error) {
	return update(ctx, a, func(tx store.Tx) (Repository, error) {
		return handler.Change(tx, repositories, name, a.records.none, change)
	})
}

// imagesOf lists a repository's images, with their tags, in order of digests.
func (a *API) imagesOf(ctx context.Context, name string) ([]tagged, error) {
	return view(ctx, a, func(tx store.Tx) (list []tagged, err error) {
		repo, err := a.records.repository(tx, name)
		if err != nil {
			return nil, err
		}
		of := make(map[string][]string) // by digest
		for t, err := range tags.Peek(tx, tagKey(repo.ID, "")) {
			if err != nil {
				return nil, fmt.Errorf("list tags of %s: %w", name, err)
			}
			of[t.Digest] = append(of[t.Digest], t.Name)
		}
		for img, err := range images.Scan(tx, imageKey(repo.ID, ""), "") {
			if err != nil {
				return nil, fmt.Errorf("list images of %s: %w", name, err)
			}
			list = append(list, tagged{img, of[img.Digest]})
		}
		return list, nil
	})
}
