package ecr

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every repository that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	for repo, err := range repositories.Scan(tx, "", "") {
		if err != nil {
			return fmt.Errorf("list tagged repositories: %w", err)
		}
		if repo.Tags != nil {
			each(a.records.ns.ARN("ecr", "repository/"+repo.Name), repo.Tags)
		}
	}
	return nil
}

// Tag is TagResource for callers that know nothing of ECR's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	in := &ecr.TagResourceInput{ResourceArn: &arn}
	for k, v := range tags {
		in.Tags = append(in.Tags, types.Tag{Key: &k, Value: &v})
	}
	_, err := a.TagResource(ctx, in)
	return err
}

// Untag is UntagResource for callers that know nothing of ECR's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
	return err
}
