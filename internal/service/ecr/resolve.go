package ecr

import (
	"context"
	"errors"
	"fmt"

	"github.com/skylift/skylift/internal/registry"
)

// CannotPullError says in ECS's words why an image cannot be pulled.
type CannotPullError struct{ Reason string }

func (e *CannotPullError) Error() string { return "CannotPullContainerError: " + e.Reason }

// ResolveImage returns ref with the digest that its tag stands for now. The
// error is a *CannotPullError when there is no such image. Ok is false when
// the image is another registry's.
func (a *API) ResolveImage(ctx context.Context, ref string) (digestRef string, ok bool, err error) {
	name, version, ok := a.records.Named(ref)
	if !ok {
		return "", false, nil
	}
	digest, err := a.images.Resolve(ctx, name, version)
	if refusal, is := errors.AsType[*registry.Error](err); is {
		return "", true, cannotPull(ref, refusal)
	}
	if err != nil {
		return "", true, fmt.Errorf("resolve image %s: %w", ref, err)
	}
	return a.records.URI(name) + "@" + digest, true, nil
}

func cannotPull(ref string, refusal *registry.Error) error {
	why := ref + ": not found"
	switch refusal.Code {
	case "NAME_UNKNOWN":
		why = "pull access denied, repository does not exist or may require authorization: " + refusal.Message
	case "DENIED":
		why = "pull access denied, repository does not exist or may require authorization: denied: " + refusal.Message
	case "TOOMANYREQUESTS", "UNAVAILABLE":
		why = ref + ": " + refusal.Message
	}
	return &CannotPullError{fmt.Sprintf("pull image manifest has been retried 1 time(s): failed to resolve ref %s: %s", ref, why)}
}
