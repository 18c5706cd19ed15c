package e2e

import "testing"

// Tags of several services are set, found and taken off by the commands for all services.
func TestTagging(t *testing.T) {
	t.Parallel()
	need(t)
	s := start(t)
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"resourcegroupstaggingapi"}, args...), "--output", "text", "--query", query)...)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	cluster := s.aws(t, "ecs", "create-cluster", "--cluster-name", "tagged", "--tags", "key=team,value=red", "--query", "cluster.clusterArn", "--output", "text")
	repository := s.aws(t, "ecr", "create-repository", "--repository-name", "tagged", "--query", "repository.repositoryArn", "--output", "text")
	want("the cluster", run("ResourceTagMappingList[].ResourceARN", "get-resources", "--tag-filters", "Key=team,Values=red"), cluster)
	want("failures", run("FailedResourcesMap.*.ErrorCode", "tag-resources", "--resource-arn-list", repository, cluster+"-none", "--tags", "team=red,stage=prod"), "ResourceNotFoundException")
	// The command asks for one page after the other.
	want("both", run("ResourceTagMappingList[].ResourceARN", "get-resources", "--tag-filters", "Key=team,Values=red,blue", "--page-size", "1"), repository+"\n"+cluster)
	want("of a type", run("ResourceTagMappingList[].Tags[].Value", "get-resources", "--resource-type-filters", "ecr:repository"), "prod\tred")
	want("keys", run("TagKeys", "get-tag-keys"), "stage\tteam")
	want("values", run("TagValues", "get-tag-values", "--key", "team"), "red")
	run("@", "untag-resources", "--resource-arn-list", repository, cluster, "--tag-keys", "team", "stage")
	want("without tags", run("ResourceTagMappingList[].[ResourceARN,length(Tags)]", "get-resources"), repository+"\t0\n"+cluster+"\t0")
	code, _ := s.awsErr(t, "resourcegroupstaggingapi", "get-resources", "--include-compliance-details")
	want("compliance", code, "InvalidParameterException")
}
