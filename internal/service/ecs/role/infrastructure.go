package role

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Infrastructure lets ECS act as a role of a service's load balancers.
type Infrastructure interface {
	// As returns a context in which the role is judged that ECS assumes for services; session.ErrDenied says that it can't.
	As(ctx context.Context, role string) (context.Context, error)
}

// MayLook says by an error whether ECS may look, as a role, at what a member of a request names. Its words are ECS's
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html).
func MayLook(ctx context.Context, is Infrastructure, role, member string) error {
	for _, action := range []string{"elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeRules"} {
		if why, err := refused(ctx, is, role, action, "*"); why != "" || err != nil {
			return blamed(err, "Unable to assume role and validate the specified "+member+". Please verify that the ECS service role being passed has the proper permissions. "+why)
		}
	}
	return nil
}

// MayShift says by an error whether ECS may change a listener rule as a role.
func MayShift(ctx context.Context, is Infrastructure, role, rule string) error {
	why, err := refused(ctx, is, role, "elasticloadbalancing:ModifyRule", rule)
	if why == "" && err == nil {
		return nil
	}
	return blamed(err, "Unable to assume role and modify the listener rule "+rule+". "+why)
}

func blamed(err error, text string) error {
	if err != nil {
		return err
	}
	return ecs.Invalid("%s", text)
}

// refused says why ECS may not take an action as a role; "" when it may, or when no role is named.
func refused(ctx context.Context, is Infrastructure, role, action, resource string) (why string, err error) {
	if role == "" {
		return "", nil
	}
	as, err := is.As(ctx, role)
	if errors.Is(err, session.ErrDenied) {
		return "ECS was unable to assume the role '" + role + "'.", nil
	}
	if err != nil {
		return "", fmt.Errorf("assume role %s: %w", role, err)
	}
	if err := caller.Allowed(as, action, resource, nil); err != nil {
		return denial(err)
	}
	return "", nil
}

// denial returns the words of a refusal; any other error is one.
func denial(err error) (string, error) {
	if api, is := errors.AsType[smithy.APIError](err); is {
		return api.ErrorMessage(), nil
	}
	return "", err
}
