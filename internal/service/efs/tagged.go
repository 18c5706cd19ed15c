package efs

import (
	"context"
	"errors"

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
			return a.ns.ARN(serviceName, "file-system/"+f.ID), f.Tags
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
