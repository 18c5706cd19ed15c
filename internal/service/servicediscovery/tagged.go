package servicediscovery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
)

var tagType = handler.TagType[types.Tag]{
	Read: func(t types.Tag) (key, value *string) { return t.Key, t.Value },
	Make: func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} },
}

// tagRules leaves the lengths of tags to the wire, as AWS's model has them.
var tagRules = handler.TagRules{
	Most: maxTags, TooMany: func() error {
		return &types.TooManyTagsException{Message: new(fmt.Sprintf("A resource can have at most %d tags.", maxTags))}
	},
	Reserved: func(key string) error {
		return scope.Invalid("The tag key '%s' is not valid: keys that begin with 'aws:' are reserved.", key)
	},
	Twice: func(key string) error { return scope.Invalid("The tag key '%s' is there twice.", key) },
}

// retag returns the tags of a resource, and changes them unless change is nil.
func (a *API) retag(tx store.Tx, ref string, change func(handler.Tags) (handler.Tags, error)) (handler.Tags, error) {
	none := func(string) error {
		return &types.ResourceNotFoundException{Message: new(fmt.Sprintf("Resource with ARN %s was not found.", ref))}
	}
	r, err := arn.Parse(ref)
	if err != nil {
		return nil, scope.Invalid("'%s' is not an ARN.", ref)
	}
	kind, id, _ := strings.Cut(r.Resource, "/")
	switch {
	case ref != a.ARN(kind, id):
	case kind == scope.NamespaceKind:
		return handler.Retag(tx, record.Namespaces, id, none, func(n *record.Namespace) *handler.Tags { return &n.Tags }, change)
	case kind == scope.ServiceKind:
		return handler.Retag(tx, record.Services, id, none, func(s *record.Service) *handler.Tags { return &s.Tags }, change)
	}
	return nil, none(ref)
}

// ListTagsForResource lists the tags of a namespace or a service.
func (a *API) ListTagsForResource(ctx context.Context, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.ListTagsForResourceOutput, error) {
		tags, err := a.retag(tx, *in.ResourceARN, nil)
		return &sdk.ListTagsForResourceOutput{Tags: tagType.To(tags)}, err
	})
}

// TagResource sets tags of a namespace or a service.
func (a *API) TagResource(ctx context.Context, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.TagResourceOutput, error) {
		_, err := a.retag(tx, *in.ResourceARN, func(has handler.Tags) (handler.Tags, error) { return tagRules.Add(has, tagType.From(in.Tags)) })
		return &sdk.TagResourceOutput{}, err
	})
}

// UntagResource removes tags of a namespace or a service.
func (a *API) UntagResource(ctx context.Context, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.UntagResourceOutput, error) {
		_, err := a.retag(tx, *in.ResourceARN, func(has handler.Tags) (handler.Tags, error) { return handler.Without(has, in.TagKeys), nil })
		return &sdk.UntagResourceOutput{}, err
	})
}

// Tagged calls each with the ARN and the tags of every resource that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return errors.Join(
		handler.EachTagged(tx, record.Namespaces, each, func(n *record.Namespace) (string, handler.Tags) { return a.ARN(scope.NamespaceKind, n.ID), n.Tags }),
		handler.EachTagged(tx, record.Services, each, func(s *record.Service) (string, handler.Tags) { return a.ARN(scope.ServiceKind, s.ID), s.Tags }),
	)
}

// Tag is TagResource for callers that know nothing of Cloud Map's types.
func (a *API) Tag(ctx context.Context, ref string, tags map[string]string) error {
	_, err := a.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: &ref, Tags: tagType.To(tags)})
	return err
}

// Untag is UntagResource for callers that know nothing of Cloud Map's types.
func (a *API) Untag(ctx context.Context, ref string, keys []string) error {
	_, err := a.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: &ref, TagKeys: keys})
	return err
}

// Known returns the tags of the resource with that ARN; none when there is no such one.
func (a *API) Known(tx store.Tx, ref string) (tags, keys map[string]string, err error) {
	tags, err = a.retag(tx, ref, nil)
	if _, none := errors.AsType[smithy.APIError](err); none {
		return nil, nil, nil
	}
	return tags, nil, err
}
