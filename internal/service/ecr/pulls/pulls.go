// Package pulls asks whether an image may be pulled from the registry, by the actions that Amazon ECR judges a pull by
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html).
package pulls

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/service/ecr"
)

// Registry is the own one.
type Registry struct {
	Host      string
	Namespace arn.Namespace
}

// Owns says whether an image is there.
func (r Registry) Owns(ref string) bool { return strings.HasPrefix(ref, r.Host+"/") }

// Allowed asks the judge in ctx whether an image may be pulled. Error: *ecr.CannotPullError, in ECS's words.
func (r Registry) Allowed(ctx context.Context, ref string) error {
	if !r.Owns(ref) {
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(ref, r.Host+"/"), "@")
	name, _, _ = strings.Cut(name, ":")
	for _, action := range []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"} {
		err := caller.Allowed(ctx, action, r.Namespace.ARN("ecr", "repository/"+name), nil)
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			return &ecr.CannotPullError{Reason: fmt.Sprintf("The task can’t pull the image. Check that the role has the permissions to pull images from the registry. Error response from daemon: pull access denied for %s/%s, repository does not exist or may require 'docker login': denied: %s", r.Host, name, e.ErrorMessage())}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
