package logs

import (
	"context"
	"fmt"
	"maps"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/store"
)

const maxTags = 50

// TagResource sets tags of a group.
func (a *API) TagResource(ctx context.Context, in *cwl.TagResourceInput) (*cwl.TagResourceOutput, error) {
	name, err := a.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = a.updateGroup(ctx, name, func(g *Group) error {
		tags := map[string]string{}
		maps.Copy(tags, g.Tags)
		maps.Copy(tags, in.Tags)
		if len(tags) > maxTags {
			return &types.TooManyTagsException{
				Message:      new(fmt.Sprintf("A log group can have at most %d tags.", maxTags)),
				ResourceName: in.ResourceArn,
			}
		}
		g.Tags = tags
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cwl.TagResourceOutput{}, nil
}

// UntagResource removes tags of a group.
func (a *API) UntagResource(ctx context.Context, in *cwl.UntagResourceInput) (*cwl.UntagResourceOutput, error) {
	name, err := a.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = a.updateGroup(ctx, name, func(g *Group) error {
		for _, k := range in.TagKeys {
			delete(g.Tags, k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cwl.UntagResourceOutput{}, nil
}

// ListTagsForResource returns the tags of a group.
func (a *API) ListTagsForResource(ctx context.Context, in *cwl.ListTagsForResourceInput) (*cwl.ListTagsForResourceOutput, error) {
	name, err := a.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &cwl.ListTagsForResourceOutput{Tags: map[string]string{}}
	err = a.db.View(ctx, func(tx store.Tx) error {
		g, err := getGroup(tx, name)
		maps.Copy(out.Tags, g.Tags)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// tagged reads the name of a group out of the ARN that tags are asked by.
func (a *API) tagged(arn *string) (string, error) {
	name, err := a.identified(*arn)
	if err == nil && name == *arn {
		return "", invalid("The specified resource ARN '%s' is not valid: want arn:aws:logs:region:account:log-group:name", name)
	}
	return name, err
}
