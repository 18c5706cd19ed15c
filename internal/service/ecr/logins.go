package ecr

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/service/ecr/login"
)

// How long a login is good for: one that a user gets, and one that a pull by ECS gets.
const (
	loginLife = 12 * time.Hour
	pullLife  = 15 * time.Minute
)

// GetAuthorizationToken gives a login for docker that is good for 12 hours. Whoever has
// it may do what the caller may do at that moment.
func (a *API) GetAuthorizationToken(ctx context.Context, in *ecr.GetAuthorizationTokenInput) (*ecr.GetAuthorizationTokenOutput, error) {
	ids := in.RegistryIds //nolint:staticcheck // deprecated on AWS, and sent by get-login
	for _, id := range ids {
		if err := a.records.OwnRegistry("registryIds", &id); err != nil {
			return nil, err
		}
	}
	expires := time.Now().Add(loginLife).UTC().Truncate(time.Second)
	encoded := base64.StdEncoding.EncodeToString([]byte(login.User + ":" + a.records.Password(expires, new(caller.From(ctx)))))
	return &ecr.GetAuthorizationTokenOutput{AuthorizationData: []types.AuthorizationData{{
		AuthorizationToken: &encoded,
		ExpiresAt:          &expires,
		ProxyEndpoint:      new("http://" + a.records.Host),
	}}}, nil
}

// PullAuth returns a login that is good for 15 minutes, for an image of this
// registry. Ok is false when the image is another registry's.
func (a *API) PullAuth(_ context.Context, ref string) (name, password string, ok bool) {
	if _, _, ok := a.records.Named(ref); !ok {
		return "", "", false
	}
	return login.User, a.records.Password(time.Now().Add(pullLife), nil), true
}
