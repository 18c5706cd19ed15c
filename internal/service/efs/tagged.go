package efs

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/efs"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every resource that has tags or had some, unless it is being deleted.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return errors.Join(
		handler.EachTagged(tx, FileSystems, each, func(f *FileSystem) (string, handler.Tags) {
			if f.Deleted {
				return "", nil
			}
			return a.arnOf(f.ID), f.Tags
		}),
		handler.EachTagged(tx, AccessPoints, each, func(p *AccessPoint) (string, handler.Tags) {
			return a.ns.ARN(serviceName, "access-point/"+p.ID), p.Tags
		}),
	)
}

// Tag is TagResource for callers that know nothing of EFS's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.TagResource(ctx, &efs.TagResourceInput{ResourceId: &arn, Tags: tagType.To(tags)})
	return err
}

// Untag is UntagResource for callers that know nothing of EFS's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &efs.UntagResourceInput{ResourceId: &arn, TagKeys: keys})
	return err
}

// Known returns the tags of the resource with that ARN; none when there is no such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	id := a.local(&arn)
	if strings.HasPrefix(id, "fsap-") {
		tags, err = handler.TagsOf(tx, AccessPoints, id, func(p *AccessPoint) handler.Tags { return p.Tags })
	} else {
		tags, err = handler.TagsOf(tx, FileSystems, id, func(f *FileSystem) handler.Tags { return f.Tags })
	}
	return tags, nil, err
}
