// Package ecr answers Amazon ECR's API about repositories and the images in them. Its records are in ecr/record.
package ecr

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/wire"
)

// content reads the manifests that were pushed. The registry implements it.
type content interface {
	Manifest(ctx context.Context, repo, digest string) (content []byte, mediaType string, err error)
}

// resolver says which image a tag or a digest stands for.
type resolver interface {
	Resolve(ctx context.Context, name, ref string) (digest string, err error)
}

// API has a handler for every operation.
type API struct {
	records *record.Records
	content content
	images  resolver // for what ECS pulls
}

// New makes the API of records; manifests reads what was pushed.
func New(records *record.Records, manifests content) *API {
	return &API{records: records, content: manifests, images: records}
}

// Through has what ECS pulls found by a resolver that knows of more images than records do.
func (a *API) Through(r resolver) { a.images = r }

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("BatchDeleteImage", a.BatchDeleteImage).On("repository: repositoryName").Takes("registryId repositoryName imageIds{*}"),
		wire.Op("BatchGetImage", a.BatchGetImage).On("repository: repositoryName").Takes("registryId repositoryName imageIds{*} acceptedMediaTypes"),
		wire.Op("CreateRepository", a.CreateRepository).Makes("repository: repositoryName").Takes("registryId repositoryName encryptionConfiguration{encryptionType} imageScanningConfiguration{scanOnPush} imageTagMutability imageTagMutabilityExclusionFilters{*} tags{*}").
			Checks(func(in *ecr.CreateRepositoryInput) []error { return a.newRepositoryFaults(in) }),
		wire.Op("DeleteRepository", a.DeleteRepository).On("repository: repositoryName").Takes("registryId repositoryName force"),
		wire.Op("DescribeImages", a.DescribeImages).On("repository: repositoryName").Takes("registryId repositoryName filter{*} imageIds{*} maxResults nextToken"),
		wire.Op("DescribeRepositories", a.DescribeRepositories).On("repository: repositoryNames").Takes("registryId repositoryNames maxResults nextToken"),
		wire.Op("GetAuthorizationToken", a.GetAuthorizationToken).Takes("registryIds"),
		wire.Op("ListImageReferrers", a.ListImageReferrers).On("repository: repositoryName").Takes("registryId repositoryName subjectId{*} filter{*} maxResults nextToken"),
		wire.Op("ListImages", a.ListImages).On("repository: repositoryName").Takes("registryId repositoryName filter{*} maxResults nextToken"),
		wire.Op("ListTagsForResource", a.ListTagsForResource).On("repository: resourceArn").Takes("resourceArn"),
		wire.Op("PutImageTagMutability", a.PutImageTagMutability).On("repository: repositoryName").Takes("registryId repositoryName imageTagMutability imageTagMutabilityExclusionFilters{*}").
			Checks(func(in *ecr.PutImageTagMutabilityInput) []error {
				return record.MutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
			}),
		wire.Op("TagResource", a.TagResource).On("repository: resourceArn").Takes("resourceArn tags{*}"),
		wire.Op("UntagResource", a.UntagResource).On("repository: resourceArn").Takes("resourceArn tagKeys"),
	}
}
