package logs

import (
	"context"
	"maps"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// tagRules is what Logs says of the tags of a resource. The wire has checked their lengths and letters. AWS reserves
// keys that begin with aws:
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html#log-group-tagging).
func tagRules(resource *string) handler.TagRules {
	return handler.TagRules{
		Most: 50,
		TooMany: func() error {
			return &types.TooManyTagsException{Message: new("A log group can have at most 50 tags."), ResourceName: resource}
		},
		Reserved: func(key string) error {
			return invalid("The tag key '%s' is not valid: keys that begin with 'aws:' are reserved.", key)
		},
	}
}

// TagResource sets tags of a group.
func (a *API) TagResource(ctx context.Context, in *cwl.TagResourceInput) (*cwl.TagResourceOutput, error) {
	name, err := a.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = a.updateGroup(ctx, name, func(g *Group) (err error) {
		g.Tags, err = tagRules(in.ResourceArn).Add(g.Tags, handler.Sorted(in.Tags))
		return err
	})
	return &cwl.TagResourceOutput{}, err
}

// UntagResource removes tags of a group.
func (a *API) UntagResource(ctx context.Context, in *cwl.UntagResourceInput) (*cwl.UntagResourceOutput, error) {
	name, err := a.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = a.updateGroup(ctx, name, func(g *Group) error {
		g.Tags = handler.Without(g.Tags, in.TagKeys)
		return nil
	})
	return &cwl.UntagResourceOutput{}, err
}

// ListTagsForResource returns the tags of a group.
func (a *API) ListTagsForResource(ctx context.Context, in *cwl.ListTagsForResourceInput) (*cwl.ListTagsForResourceOutput, error) {
	name, err := a.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*cwl.ListTagsForResourceOutput, error) {
		g, err := getGroup(tx, name)
		out := &cwl.ListTagsForResourceOutput{Tags: map[string]string{}}
		maps.Copy(out.Tags, g.Tags)
		return out, err
	})
}

// tagged returns the name of the group that an ARN names.
func (a *API) tagged(arn *string) (string, error) {
	name, err := a.identified(*arn)
	if err == nil && name == *arn {
		return "", invalid("The specified resource ARN '%s' is not valid: want arn:aws:logs:region:account:log-group:name", name)
	}
	return name, err
}
