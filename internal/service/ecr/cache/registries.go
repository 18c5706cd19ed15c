package cache

import (
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// known is a registry that rules may name.
type known struct {
	kind  types.UpstreamRegistry
	host  *regexp.Regexp
	login bool // it gives nothing to nobody
}

// registries are AWS's (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreatePullThroughCacheRule.html),
// but for Amazon ECR, which would need a role of AWS.
var registries = []known{
	{types.UpstreamRegistryEcrPublic, regexp.MustCompile(`^public\.ecr\.aws$`), false},
	{types.UpstreamRegistryQuay, regexp.MustCompile(`^quay\.io$`), false},
	{types.UpstreamRegistryK8s, regexp.MustCompile(`^registry\.k8s\.io$`), false},
	{types.UpstreamRegistryDockerHub, regexp.MustCompile(`^registry-1\.docker\.io$`), true},
	{types.UpstreamRegistryGitHubContainerRegistry, regexp.MustCompile(`^ghcr\.io$`), true},
	{types.UpstreamRegistryGitLabContainerRegistry, regexp.MustCompile(`^registry\.gitlab\.com$`), true},
	{types.UpstreamRegistryAzureContainerRegistry, regexp.MustCompile(`^[a-zA-Z0-9]{5,50}\.azurecr\.io$`), true},
	{types.UpstreamRegistryChainguard, regexp.MustCompile(`^cgr\.dev$`), true},
}

// ecrHost is a registry of Amazon ECR.
var ecrHost = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr[.-]`)

// at returns the registry with a host.
func at(host string) (known, bool) {
	for _, k := range registries {
		if k.host.MatchString(host) {
			return k, true
		}
	}
	return known{}, false
}
