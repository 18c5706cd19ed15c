package efs

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every resource that has tags or had some, unless it is being deleted.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	for f, err := range FileSystems.Peek(tx, "") {
		if err != nil {
			return fmt.Errorf("list tagged file systems: %w", err)
		}
		if f.Tags != nil && !f.Deleted {
			each(a.ns.ARN(serviceName, "file-system/"+f.ID), tagMap(f.Tags))
		}
	}
	for p, err := range AccessPoints.Peek(tx, "") {
		if err != nil {
			return fmt.Errorf("list tagged access points: %w", err)
		}
		if p.Tags != nil {
			each(a.ns.ARN(serviceName, "access-point/"+p.ID), tagMap(p.Tags))
		}
	}
	return nil
}

func tagMap(tags []Tag) map[string]string {
	set := make(map[string]string, len(tags))
	for _, t := range tags {
		set[t.Key] = t.Value
	}
	return set
}

// Tag is TagResource for callers that know nothing of EFS's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	in := &efs.TagResourceInput{ResourceId: &arn}
	for k, v := range tags {
		in.Tags = append(in.Tags, types.Tag{Key: &k, Value: &v})
	}
	_, err := a.TagResource(ctx, in)
	return err
}

// Untag is UntagResource for callers that know nothing of EFS's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &efs.UntagResourceInput{ResourceId: &arn, TagKeys: keys})
	return err
}
