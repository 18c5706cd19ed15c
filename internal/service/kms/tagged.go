package kms

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/authz"
)

// TagResource sets tags of a key.
func (a *API) TagResource(ctx context.Context, in *kms.TagResourceInput) (*kms.TagResourceOutput, error) {
	_, err := a.edit(ctx, in.KeyId, "TagResource", func(_ store.Tx, k *Key) (err error) {
		if err := a.staying(*k); err != nil {
			return err
		}
		k.Tags, err = tagRules.Add(k.Tags, tagType.From(in.Tags))
		return err
	})
	return &kms.TagResourceOutput{}, err
}

// UntagResource removes tags of a key.
func (a *API) UntagResource(ctx context.Context, in *kms.UntagResourceInput) (*kms.UntagResourceOutput, error) {
	if err := tagRules.Keys(in.TagKeys); err != nil {
		return nil, err
	}
	_, err := a.edit(ctx, in.KeyId, "UntagResource", func(_ store.Tx, k *Key) error {
		k.Tags = handler.Without(k.Tags, in.TagKeys)
		return a.staying(*k)
	})
	return &kms.UntagResourceOutput{}, err
}

// ListResourceTags lists the tags of a key.
func (a *API) ListResourceTags(ctx context.Context, in *kms.ListResourceTagsInput) (*kms.ListResourceTagsOutput, error) {
	page, err := pages(50, 50).Open(in.Limit, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*kms.ListResourceTagsOutput, error) {
		k, err := a.own(tx, *in.KeyId)
		if err != nil {
			return nil, err
		}
		list, next := handler.Cut(page, handler.Sorted(k.Tags), func(t handler.Tag) string { return t.Key })
		out := &kms.ListResourceTagsOutput{Tags: tagType.To(nil), NextMarker: next, Truncated: next != nil}
		for _, t := range list {
			out.Tags = append(out.Tags, tagType.Make(&t.Key, &t.Value))
		}
		return out, nil
	})
}

// Tagged calls each with the ARN and the tags of every key that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, Keys, each, func(k *Key) (string, handler.Tags) { return a.keyARN(k.ID), k.Tags })
}

// Tag is TagResource for callers that know nothing of KMS's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.TagResource(ctx, &kms.TagResourceInput{KeyId: &arn, Tags: tagType.To(tags)})
	return err
}

// Untag is UntagResource for callers that know nothing of KMS's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	_, err := a.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &arn, TagKeys: keys})
	return err
}

// Known returns the tags of the key with that ARN, and the condition keys that it tells; of an alias, whose account it is. The ARN may have
// authz.VersionMark and a grant's id behind it.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	arn, _, _ = strings.Cut(arn, authz.VersionMark)
	id, err := a.local(arn)
	if err != nil {
		return nil, nil, nil //nolint:nilerr // it names nothing here
	}
	keys = map[string]string{"kms:CallerAccount": a.ns.Account}
	k, there, err := handler.Find(tx, Keys, id)
	if err != nil || !there {
		return nil, keys, err
	}
	keys["kms:KeySpec"], keys["kms:KeyUsage"], keys["kms:KeyOrigin"], keys["kms:MultiRegion"] = string(k.Spec), string(k.Usage), string(types.OriginTypeAwsKms), "false"
	return k.Tags, keys, nil
}
