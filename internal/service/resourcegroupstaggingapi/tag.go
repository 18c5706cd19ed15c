package resourcegroupstaggingapi

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
)

// tagRules is what every service says of tags (https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html).
var tagRules = handler.TagRules{
	Most: 50, TooMany: func() error { return invalid("A resource can have at most 50 tags.") },
	BadKey: func(key string) error {
		return invalid("The tag key '%s' is not valid: it may have 1 to 128 letters, digits, spaces and _ . : / = + - @.", key)
	},
	BadValue: func(key, value string) error {
		return invalid("The value '%s' of tag '%s' is not valid: it may have up to 256 letters, digits, spaces and _ . : / = + - @.", value, key)
	},
	Letters: regexp.MustCompile(`\A[\p{L}\p{Z}\p{N}_.:/=+\-@]*\z`),
	Reserved: func(key string) error {
		return invalid("The tag key '%s' is not valid: keys that begin with 'aws:' are reserved.", key)
	},
}

// TagResources gives tags to resources. Each is changed on its own, and the answer lists those that could not be changed.
func (a *API) TagResources(ctx context.Context, in *tagging.TagResourcesInput) (*tagging.TagResourcesOutput, error) {
	if err := tagRules.Faults(handler.Sorted(in.Tags)).First(); err != nil {
		return nil, err
	}
	keys := map[string][]string{"aws:tagkeys": slices.Sorted(maps.Keys(in.Tags))}
	for k, v := range in.Tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
	}
	failed, err := a.each(in.ResourceARNList, func(s Source, arn string) error {
		if err := allowed(ctx, taggers, arn, keys); err != nil {
			return err
		}
		return s.Tag(ctx, arn, in.Tags)
	})
	return &tagging.TagResourcesOutput{FailedResourcesMap: failed}, err
}

// UntagResources takes the tags with those keys from resources. A resource that has no such tag is left as it is.
func (a *API) UntagResources(ctx context.Context, in *tagging.UntagResourcesInput) (*tagging.UntagResourcesOutput, error) {
	for _, k := range in.TagKeys {
		if handler.Reserved(k) {
			return nil, tagRules.Reserved(k)
		}
	}
	keys := map[string][]string{"aws:tagkeys": in.TagKeys}
	failed, err := a.each(in.ResourceARNList, func(s Source, arn string) error {
		if err := allowed(ctx, untaggers, arn, keys); err != nil {
			return err
		}
		return s.Untag(ctx, arn, in.TagKeys)
	})
	return &tagging.UntagResourcesOutput{FailedResourcesMap: failed}, err
}

// taggers and untaggers are the actions by which services change tags, where it isn't TagResource and UntagResource.
var (
	taggers   = actions{"TagResource", map[string]string{"ec2": "CreateTags", "elasticloadbalancing": "AddTags", "ssm": "AddTagsToResource", "s3": "PutBucketTagging"}}
	untaggers = actions{"UntagResource", map[string]string{"ec2": "DeleteTags", "elasticloadbalancing": "RemoveTags", "ssm": "RemoveTagsFromResource", "s3": "PutBucketTagging"}}
)

type actions struct {
	usual string
	of    map[string]string // by service
}

// kinds are the types of IAM's resources, as its actions call them: TagPolicy, UntagRole.
var kinds = map[string]string{
	"user": "User", "role": "Role", "policy": "Policy", "instance-profile": "InstanceProfile", "oidc-provider": "OpenIDConnectProvider",
}

// by returns the action for a resource.
func (a actions) by(r arn.ARN) string {
	if action, ok := a.of[r.Service]; ok {
		return action
	}
	if r.Service == "iam" {
		kind, _, _ := strings.Cut(r.Resource, "/")
		return strings.TrimSuffix(a.usual, "Resource") + kinds[kind]
	}
	return a.usual
}

// allowed asks for the permission of the resource's own service, which the caller needs besides
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_TagResources.html).
func allowed(ctx context.Context, a actions, ref string, keys map[string][]string) error {
	r, err := arn.Parse(ref)
	if err != nil {
		return err
	}
	return caller.Allowed(ctx, r.Service+":"+a.by(r), strings.TrimSuffix(ref, ":*"), keys)
}

// each calls change for every resource and returns what the services refused. A fault of ours ends it. The caller may
// repeat the call, because making a change twice has no further effect.
func (a *API) each(arns []string, change func(s Source, arn string) error) (map[string]types.FailureInfo, error) {
	for _, ref := range arns {
		if _, err := arn.Parse(ref); err != nil {
			return nil, invalid("%s not a valid AmazonResourceName (ARN)", ref)
		}
	}
	failed := map[string]types.FailureInfo{}
	for _, ref := range slices.Compact(slices.Sorted(slices.Values(arns))) {
		s, err := a.source(ref)
		if err == nil {
			err = change(s, ref)
		}
		e, refused := errors.AsType[smithy.APIError](err)
		switch {
		case err == nil:
		case refused && e.ErrorFault() != smithy.FaultServer:
			failed[ref] = types.FailureInfo{ErrorCode: types.ErrorCode(e.ErrorCode()), ErrorMessage: new(e.ErrorMessage()), StatusCode: 400}
		default:
			return nil, err
		}
	}
	return failed, nil
}

// source returns the service that a resource belongs to.
func (a *API) source(ref string) (Source, error) {
	r, err := arn.Parse(ref)
	if err != nil {
		return nil, err
	}
	s, ok := a.sources[r.Service]
	switch {
	case !ok:
		return nil, invalid("The service '%s' has no resources that can be tagged.", r.Service)
	case r.Partition != "aws" || !a.here(r):
		return nil, invalid("The resource is not in region %s of account %s.", a.ns.Region, a.ns.Account)
	}
	return s, nil
}

// here tells whether a resource is one of the namespace's. ARNs of IAM have no region, and those of buckets have no account either.
func (a *API) here(r arn.ARN) bool {
	switch r.Service {
	case "iam":
		return r.Region == "" && r.Account == a.ns.Account
	case "s3":
		return r.Region == "" && r.Account == ""
	}
	return r.Region == a.ns.Region && r.Account == a.ns.Account
}
