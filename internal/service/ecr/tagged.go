package ecr

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every repository that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, record.RepositoryRows, each, func(r *record.Repository) (string, handler.Tags) {
		return a.records.ARN(r.Name), r.Tags
	})
}

// Tag is TagResource for callers that know nothing of ECR's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: &arn, Tags: record.TagType.To(tags)})
	return err
}

// Untag is UntagResource for callers that know nothing of ECR's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
	return err
}

// Known returns the tags of the repository with that ARN; none when there is no such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	if name, bad := a.resource(&arn); bad == nil {
		tags, err = handler.TagsOf(tx, record.RepositoryRows, name, func(r *record.Repository) handler.Tags { return r.Tags })
	}
	return tags, nil, err
}
