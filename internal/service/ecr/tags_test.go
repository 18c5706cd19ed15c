package ecr

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

func TestTags(t *testing.T) {
	t.Parallel()
	a := open(t)
	resource := a.create(t, "app").RepositoryArn
	_, err := a.TagResource(t.Context(), &ecr.TagResourceInput{ResourceArn: resource, Tags: []types.Tag{{Key: new("b"), Value: new("2")}, {Key: new("a"), Value: new("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.UntagResource(t.Context(), &ecr.UntagResourceInput{ResourceArn: resource, TagKeys: []string{"b", "never"}}); err != nil {
		t.Fatal(err)
	}
	out, err := a.ListTagsForResource(t.Context(), &ecr.ListTagsForResourceInput{ResourceArn: resource})
	if err != nil || len(out.Tags) != 1 || *out.Tags[0].Key != "a" || *out.Tags[0].Value != "1" {
		t.Errorf("got %+v: %v", out, err)
	}
	for key, code := range map[string]string{
		strings.Repeat("ж", 128): "", strings.Repeat("ж", 129): "InvalidTagParameterException", "AWS:x": "InvalidTagParameterException", "": "InvalidTagParameterException",
	} {
		_, err := a.TagResource(t.Context(), &ecr.TagResourceInput{ResourceArn: resource, Tags: []types.Tag{{Key: &key, Value: new(strings.Repeat("ж", 256))}}})
		if code != "" || err != nil {
			wantError(t, err, code, "")
		}
	}
	_, err = a.ListTagsForResource(t.Context(), &ecr.ListTagsForResourceInput{ResourceArn: new("nonsense")})
	wantError(t, err, codeInvalid, "'resourceArn'")
}
