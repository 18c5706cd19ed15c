package cache

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/registry/upstream"
	"github.com/skylift/skylift/internal/service/ecr/record"
)

// AWS's words.
const (
	badLogin   = "The authentication to the upstream registry failed. Verify that the credentials provided in the pull through cache rule are correct, and try again."
	noSecret   = "The ARN of the secret specified in the pull through cache rule was not found. Update the pull through cache rule with a valid secret ARN and try again."
	hidden     = "The secret is unable to be accessed. Verify the resource permissions for the secret and try again."
	unreadable = "The secret is accessible but is unable to be decrypted. Verify the resource permissions and try again."
)

// secretTime is how long a secret may take to be read.
const secretTime = 20 * time.Second

// login reads the login that a secret has: username and accessToken
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-creating-secret.html). Without a secret there is none. ECR
// reads it for itself, whoever pulls.
func (a *API) login(ctx context.Context, secret string) (user, password string, err error) {
	if secret == "" {
		return "", "", nil
	}
	own, stop := context.WithTimeout(context.Background(), secretTime)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	text, err := a.secrets.Secret(own, secret)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		switch e.ErrorCode() {
		case "ResourceNotFoundException":
			return "", "", &types.SecretNotFoundException{Message: new(noSecret)}
		case "DecryptionFailure":
			return "", "", &types.UnableToDecryptSecretValueException{Message: new(unreadable)}
		}
		return "", "", &types.UnableToAccessSecretException{Message: new(hidden)}
	}
	if err != nil {
		return "", "", err
	}
	var has struct{ Username, AccessToken string }
	if json.Unmarshal([]byte(text), &has) != nil || has.Username == "" || has.AccessToken == "" {
		return "", "", &types.UnableToAccessSecretException{Message: new("The secret must be JSON with the keys 'username' and 'accessToken'.")}
	}
	return has.Username, has.AccessToken, nil
}

// remote returns a repository of a rule's upstream registry.
func (a *API) remote(ctx context.Context, r record.Rule, repo string) (*upstream.Remote, error) {
	user, password, err := a.login(ctx, r.Credential)
	if err != nil {
		return nil, err
	}
	place, ok := a.places[r.Host]
	if !ok {
		place = url.URL{Scheme: "https", Host: r.Host}
	}
	return upstream.Open(upstream.Source{Registry: place, Repo: repo, User: user, Password: password}), nil
}
