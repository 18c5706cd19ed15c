package iam

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every policy, instance profile and provider that has tags or had some. Those of users and
// roles are changed by the tagging API and not listed, as on AWS
// (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html).
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	k := a.finder.Kit
	err := handler.EachTagged(tx, record.Policies, each, func(p *record.Policy) (string, handler.Tags) { return k.ARN("policy" + p.Path + p.Name), p.Tags })
	if err != nil {
		return err
	}
	err = handler.EachTagged(tx, record.Profiles, each, func(p *record.Profile) (string, handler.Tags) {
		return k.ARN("instance-profile" + p.Path + p.Name), p.Tags
	})
	if err != nil {
		return err
	}
	return handler.EachTagged(tx, record.Providers, each, func(p *record.Provider) (string, handler.Tags) { return k.ARN("oidc-provider/" + p.Issuer), p.Tags })
}

// Tag is TagPolicy, TagRole and the like for callers that know nothing of IAM's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) (err error) {
	given := record.TagType.To(tags)
	switch kind, name := a.kind(arn); kind {
	case "user":
		_, err = a.TagUser(ctx, &iam.TagUserInput{UserName: &name, Tags: given})
	case "role":
		_, err = a.TagRole(ctx, &iam.TagRoleInput{RoleName: &name, Tags: given})
	case "policy":
		_, err = a.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: &arn, Tags: given})
	case "instance-profile":
		_, err = a.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{InstanceProfileName: &name, Tags: given})
	case "oidc-provider":
		_, err = a.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, Tags: given})
	default:
		return untaggable(arn)
	}
	return err
}

// Untag is UntagPolicy, UntagRole and the like for callers that know nothing of IAM's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) (err error) {
	switch kind, name := a.kind(arn); kind {
	case "user":
		_, err = a.UntagUser(ctx, &iam.UntagUserInput{UserName: &name, TagKeys: keys})
	case "role":
		_, err = a.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: keys})
	case "policy":
		_, err = a.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: &arn, TagKeys: keys})
	case "instance-profile":
		_, err = a.UntagInstanceProfile(ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: &name, TagKeys: keys})
	case "oidc-provider":
		_, err = a.UntagOpenIDConnectProvider(ctx, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, TagKeys: keys})
	default:
		return untaggable(arn)
	}
	return err
}

// kind returns which kind of thing an ARN names, and its name without the path.
func (a *API) kind(arn string) (kind, name string) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(arn, a.finder.ARN("")), "/")
	return kind, rest[strings.LastIndexByte(rest, '/')+1:]
}

func untaggable(arn string) error {
	return awserr.New("InvalidInput", "%s", fmt.Sprintf("%s is no resource of IAM that can have tags.", arn))
}
