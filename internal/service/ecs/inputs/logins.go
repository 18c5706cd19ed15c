package inputs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs/definition"
)

// Logins returns what is logged in with to bring each container's image, by container, and a context in which the execution role is
// judged. Errors: *Error.
func (r *Reader) Logins(ctx context.Context, f For) (as context.Context, all map[string]engine.Auth, err error) {
	if as, err = r.As(ctx, f); err != nil {
		return ctx, nil, err
	}
	all = map[string]engine.Auth{}
	token := false
	for _, c := range f.ContainerDefinitions {
		switch own := r.Registry.Owns(aws.ToString(c.Image)); {
		case own && !token:
			if err := r.mayLogin(as); err != nil {
				return ctx, nil, err
			}
			token = true
		case !own && definition.Login(c) != "":
			if all[*c.Name], err = r.login(as, definition.Login(c), *c.Name); err != nil {
				return ctx, nil, err
			}
		}
	}
	return as, all, nil
}

// mayLogin asks whether the role may log in to the own registry.
func (r *Reader) mayLogin(ctx context.Context) error {
	err := caller.Allowed(ctx, "ecr:GetAuthorizationToken", "*", nil)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return &Error{ofRegistry + e.ErrorCode() + ": " + e.ErrorMessage()}
	}
	return err
}

// login reads a secret with a user name and a password
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html).
func (r *Reader) login(ctx context.Context, secret, container string) (engine.Auth, error) {
	about := fmt.Sprintf(" (repositoryCredentials of container %s)", container)
	v, err := r.Secrets.Secret(ctx, secret)
	if err != nil {
		return engine.Auth{}, because(ofLogins, err, about)
	}
	var is struct{ Username, Password string }
	if json.Unmarshal([]byte(v.Text), &is) != nil || is.Username == "" || is.Password == "" { // its error may have the password in it
		return engine.Auth{}, &Error{fmt.Sprintf("%ssecret %s is not a JSON object with the members username and password%s", ofLogins, secret, about)}
	}
	return engine.Auth{Username: is.Username, Password: is.Password}, nil
}
