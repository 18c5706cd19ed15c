package resourcegroupstaggingapi

import "testing"

func TestActions(t *testing.T) {
	t.Parallel()
	for service, want := range map[string][2]string{
		"ec2":                  {"CreateTags", "DeleteTags"},
		"elasticloadbalancing": {"AddTags", "RemoveTags"},
		"ssm":                  {"AddTagsToResource", "RemoveTagsFromResource"},
		"s3":                   {"PutBucketTagging", "PutBucketTagging"},
		"ecr":                  {"TagResource", "UntagResource"},
	} {
		if got := [2]string{taggers.by(service), untaggers.by(service)}; got != want {
			t.Errorf("%s: got %v, want %v", service, got, want)
		}
	}
}
