package ecr

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestAllFaultsAreToldAtOnce sends calls that are wrong in many places: one message names each, in order.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	ops := open(t).Operations()
	filters := []types.ImageTagMutabilityExclusionFilter{{Filter: new("*a*b*"), FilterType: "WILDCARD"}, {Filter: new("*c*d*"), FilterType: "WILDCARD"}}
	for _, tt := range []struct {
		in    any
		code  string
		words []string
	}{
		{&ecr.CreateRepositoryInput{
			RepositoryName: new("a"), RegistryId: new("999999999999"), ImageTagMutability: "MUTABLE", ImageTagMutabilityExclusionFilters: filters,
			EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionType: "KMS", KmsKey: new("k")},
			Tags:                    []types.Tag{{Key: new("aws:x"), Value: new("")}, {Key: new("aws:y"), Value: new("")}},
		}, "InvalidParameterException", []string{
			"'repositoryName'", "'encryptionConfiguration.kmsKey'", "'registryId'", "there are none without", "'*a*b*'", "'*c*d*'", "only AES256", "'aws:x'", "'aws:y'",
		}},
		{
			&ecr.PutImageTagMutabilityInput{RepositoryName: new("a"), ImageTagMutability: "IMMUTABLE", ImageTagMutabilityExclusionFilters: filters},
			"InvalidParameterException",
			[]string{"'repositoryName'", "there are none without", "'*a*b*'", "'*c*d*'"},
		},
	} {
		wiretest.Told(t, "ecr", ops, tt.in, tt.code, tt.words...)
	}
}
