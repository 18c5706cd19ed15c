package resourcegroupstaggingapi

import (
	"testing"

	"github.com/skylift/skylift/internal/arn"
)

func TestActions(t *testing.T) {
	t.Parallel()
	for of, want := range map[arn.ARN][2]string{
		{Service: "ec2"}:                                      {"CreateTags", "DeleteTags"},
		{Service: "elasticloadbalancing"}:                     {"AddTags", "RemoveTags"},
		{Service: "ssm"}:                                      {"AddTagsToResource", "RemoveTagsFromResource"},
		{Service: "s3"}:                                       {"PutBucketTagging", "PutBucketTagging"},
		{Service: "ecr"}:                                      {"TagResource", "UntagResource"},
		{Service: "iam", Resource: "policy/a/b"}:              {"TagPolicy", "UntagPolicy"},
		{Service: "iam", Resource: "instance-profile/a"}:      {"TagInstanceProfile", "UntagInstanceProfile"},
		{Service: "iam", Resource: "oidc-provider/a.test"}:    {"TagOpenIDConnectProvider", "UntagOpenIDConnectProvider"},
		{Service: "iam", Resource: "role/aws-service-role/a"}: {"TagRole", "UntagRole"},
	} {
		if got := [2]string{taggers.by(of), untaggers.by(of)}; got != want {
			t.Errorf("%v: got %v, want %v", of, got, want)
		}
	}
}
