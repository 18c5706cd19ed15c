package record

import (
	"cmp"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// NotIdentified makes an error of a failure to find one image, which the batch operations only list.
func (r *Records) NotIdentified(repo Repository, f *types.ImageFailure) error {
	switch f.FailureCode {
	case types.ImageFailureCodeImageNotFound, types.ImageFailureCodeImageTagDoesNotMatchDigest:
		return &types.ImageNotFoundException{Message: new(fmt.Sprintf(
			"The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
			cmp.Or(aws.ToString(f.ImageId.ImageDigest), "null"), cmp.Or(aws.ToString(f.ImageId.ImageTag), "null"), repo.Name, r.NS.Account))}
	default:
		return Invalid("%s", *f.FailureReason)
	}
}
