package tags

import (
	"context"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// Tagged calls each with the ARN and the tags of every resource that has tags or had some.
func (a *API) Tagged(tx store.Tx, each func(arn string, tags map[string]string)) error {
	return handler.EachTagged(tx, ec2.TagSets, each, func(s *ec2.TagSet) (string, handler.Tags) {
		return a.ns.ARN("ec2", s.Type+"/"+s.Resource), s.Tags
	})
}

// Tag is CreateTags for callers that know nothing of EC2's types.
func (a *API) Tag(ctx context.Context, arn string, tags map[string]string) error {
	id, err := resourceID(arn)
	if err != nil {
		return err
	}
	_, err = a.CreateTags(ctx, &sdk.CreateTagsInput{Resources: []string{id}, Tags: request.TagType.To(tags)})
	return err
}

// Untag is DeleteTags for callers that know nothing of EC2's types.
func (a *API) Untag(ctx context.Context, arn string, keys []string) error {
	id, err := resourceID(arn)
	if err != nil || len(keys) == 0 { // DeleteTags without tags takes all of them
		return err
	}
	in := &sdk.DeleteTagsInput{Resources: []string{id}}
	for _, k := range keys {
		in.Tags = append(in.Tags, types.Tag{Key: &k})
	}
	_, err = a.DeleteTags(ctx, in)
	return err
}

// resourceID returns the id in an ARN such as arn:aws:ec2:us-west-2:123456789012:vpc/vpc-0123456789abcdef0.
func resourceID(ref string) (string, error) {
	r, err := arn.Parse(ref)
	if err != nil {
		return "", awserr.New("InvalidParameterValue", "%s", err)
	}
	typ, id, _ := strings.Cut(r.Resource, "/")
	prefix, _, _ := strings.Cut(id, "-")
	for _, k := range request.Kinds {
		if k.Type == typ && k.Prefix == prefix {
			return id, nil
		}
	}
	return "", awserr.New("InvalidParameterValue", "The ARN '%s' names nothing that can be tagged: want its type and id, such as vpc/vpc-0123456789abcdef0", ref)
}
