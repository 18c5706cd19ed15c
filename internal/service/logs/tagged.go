package logs

import (
	"context"
	"strings"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every group that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, groups, each, func(g *Group) (string, handler.Tags) { return a.groupARN(g.Name), g.Tags })
}

// Tag is TagResource for callers that know nothing of CloudWatch Logs' types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.TagResource(ctx, &cwl.TagResourceInput{ResourceArn: &arn, Tags: tags})
	return err
}

// Untag is UntagResource for callers that know nothing of CloudWatch Logs' types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &cwl.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
	return err
}

// Known returns the tags of the group with that ARN, or of the stream's group; none when there is no such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	group, _, _ := strings.Cut(arn, ":log-stream:")
	name, err := a.identified(group)
	if err != nil {
		return nil, nil, nil //nolint:nilerr // it names nothing here
	}
	tags, err = handler.TagsOf(tx, groups, name, func(g *Group) handler.Tags { return g.Tags })
	return tags, nil, err
}
