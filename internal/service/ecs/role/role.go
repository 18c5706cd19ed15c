// Package role is about the roles that containers of tasks act as: how they are named, and whether ECS can assume them.
package role

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Invalid is what ECS says of a role that can be none.
const Invalid = "Role is not valid"

// CredentialsPath is below what a task's containers find the credentials of their role, at ecs.EndpointHost
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html).
const CredentialsPath = "/v2/credentials/"

// names is what may name a role: its ARN, or its name alone
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html).
var names = regexp.MustCompile(`^(arn:aws:iam::\d{12}:role/[\x21-\x7e]+|[\w+=,.@-]{1,64})$`)

// Valid says whether a text can name a role.
func Valid(name string) bool { return names.MatchString(name) }

// ARN returns the ARN of a role of the account that is named, by its ARN or by its name; nil when none is.
func ARN(ns arn.Namespace, name *string) (*string, error) {
	switch s := aws.ToString(name); {
	case s == "":
		return nil, nil
	case !Valid(s):
		return nil, ecs.Client(Invalid)
	case !strings.HasPrefix(s, "arn:"):
		return aws.String("arn:aws:iam::" + ns.Account + ":role/" + s), nil
	case !strings.HasPrefix(s, "arn:aws:iam::"+ns.Account+":"):
		return nil, &types.AccessDeniedException{Message: aws.String("Cross-account pass role is not allowed.")}
	}
	return name, nil
}

// Roles is what ECS asks about roles.
type Roles interface {
	// Assume says by an error, session.ErrDenied, that ECS may not act as the role for the task with that ARN.
	Assume(ctx context.Context, role, task string) error
}

// NotAssumed is what ECS says of a role that a task can't have
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html).
func NotAssumed(role string) string {
	return "ECS was unable to assume the role '" + role + "' that was provided for this task. Please verify that the role being passed has the proper trust relationship and " +
		"permissions and that your IAM user has permissions to pass this role."
}

// Denied says in ECS's words why a task with that ARN can't have a role; "" when it can. Roles may be absent: then no task can
// have one.
func Denied(ctx context.Context, roles Roles, role, task string) (why string, err error) {
	if role == "" {
		return "", nil
	}
	err = session.ErrDenied
	if roles != nil {
		err = roles.Assume(ctx, role, task)
	}
	if errors.Is(err, session.ErrDenied) {
		return NotAssumed(role), nil
	}
	if err != nil {
		return "", fmt.Errorf("assume role %s: %w", role, err)
	}
	return "", nil
}
