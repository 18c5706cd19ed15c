package acm

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

var tagType = handler.TagType[types.Tag]{
	Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
}

// tagRules leaves the lengths and letters of tags to the wire, as AWS's model has them.
var tagRules = handler.TagRules{
	Most: 50, TooMany: func() error {
		return &types.TooManyTagsException{Message: new("A certificate can have at most 50 tags.")}
	},
	Reserved: func(key string) error {
		return &types.InvalidTagException{Message: new("The tag key '" + key + "' is not valid: keys that begin with 'aws:' are reserved.")}
	},
	Twice: func(key string) error {
		return &types.InvalidTagException{Message: new("The tag key '" + key + "' is there twice.")}
	},
}

// AddTagsToCertificate sets tags of a certificate.
func (a *API) AddTagsToCertificate(ctx context.Context, in *acm.AddTagsToCertificateInput) (*acm.AddTagsToCertificateOutput, error) {
	return &acm.AddTagsToCertificateOutput{}, a.edit(ctx, *in.CertificateArn, func(_ store.Tx, c *Certificate) (err error) {
		c.Tags, err = tagRules.Add(c.Tags, tagType.From(in.Tags))
		return err
	})
}

// RemoveTagsFromCertificate removes tags of a certificate. One that is given with a value goes only if it has that.
func (a *API) RemoveTagsFromCertificate(ctx context.Context, in *acm.RemoveTagsFromCertificateInput) (*acm.RemoveTagsFromCertificateOutput, error) {
	if err := tagRules.Faults(tagType.From(in.Tags)).First(); err != nil {
		return nil, err
	}
	return &acm.RemoveTagsFromCertificateOutput{}, a.edit(ctx, *in.CertificateArn, func(_ store.Tx, c *Certificate) error {
		var keys []string
		for _, t := range in.Tags {
			if t.Value == nil || c.Tags[*t.Key] == *t.Value {
				keys = append(keys, *t.Key)
			}
		}
		c.Tags = handler.Without(c.Tags, keys)
		return nil
	})
}

// ListTagsForCertificate lists the tags of a certificate.
func (a *API) ListTagsForCertificate(ctx context.Context, in *acm.ListTagsForCertificateInput) (*acm.ListTagsForCertificateOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*acm.ListTagsForCertificateOutput, error) {
		c, err := get(tx, *in.CertificateArn)
		return &acm.ListTagsForCertificateOutput{Tags: tagType.To(c.Tags)}, err
	})
}

// Tagged calls each with the ARN and the tags of every certificate that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, Certificates, each, func(c *Certificate) (string, handler.Tags) { return c.ARN, c.Tags })
}

// Tag is AddTagsToCertificate for callers that know nothing of ACM's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	_, err := a.AddTagsToCertificate(ctx, &acm.AddTagsToCertificateInput{CertificateArn: &arn, Tags: tagType.To(tags)})
	return err
}

// Untag is RemoveTagsFromCertificate for callers that know nothing of ACM's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	in := &acm.RemoveTagsFromCertificateInput{CertificateArn: &arn}
	for _, k := range keys {
		in.Tags = append(in.Tags, types.Tag{Key: &k})
	}
	_, err := a.RemoveTagsFromCertificate(ctx, in)
	return err
}

// Known returns the tags of the certificate with that ARN; none when there is no such one.
func (a *API) Known(tx store.Tx, arn string) (tags, keys map[string]string, err error) {
	c, err := get(tx, arn)
	if _, none := errors.AsType[smithy.APIError](err); none {
		return nil, nil, nil
	}
	return c.Tags, nil, err
}
