package sts

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/wire/authz"
)

// How long sessions of users last, in seconds; those of root are cut to rootSession
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html).
const (
	usualUser   = 43200
	rootSession = 3600
)

// GetSessionToken gives a user temporary credentials.
func (a *API) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	s, err := a.ofUser(ctx, caller.OfUser, "GetSessionToken")
	if err != nil {
		return nil, err
	}
	creds, err := a.issue(s, lasting(s, in.DurationSeconds))
	return &sts.GetSessionTokenOutput{Credentials: creds}, err
}

// federating returns the question about tags of a federated user.
func (a *API) federating(_ context.Context, in *sts.GetFederationTokenInput) (list []authz.Question) {
	if len(in.Tags) > 0 {
		list = append(list, authz.Question{Action: session.Tag, Resource: a.federated(*in.Name)})
	}
	return list
}

func (a *API) federated(name string) string {
	return "arn:aws:sts::" + a.Account + ":federated-user/" + name
}

// GetFederationToken gives credentials to somebody whom a user vouches for. They allow what the user and the session policies both do: nothing
// without one.
func (a *API) GetFederationToken(ctx context.Context, in *sts.GetFederationTokenInput) (*sts.GetFederationTokenOutput, error) {
	s, err := a.ofUser(ctx, caller.Federated, "GetFederationToken")
	if err != nil {
		return nil, err
	}
	s.Name = *in.Name
	if err := inherit(&s, nil, in.Tags, nil); err != nil {
		return nil, err
	}
	packed, err := a.narrow(ctx, &s, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	creds, err := a.issue(s, lasting(s, in.DurationSeconds))
	if err != nil {
		return nil, err
	}
	return &sts.GetFederationTokenOutput{
		Credentials: creds, PackedPolicySize: packed, //nolint:staticcheck // older clients read it
		FederatedUser: &types.FederatedUser{Arn: aws.String(a.federated(s.Name)), FederatedUserId: aws.String(a.Account + ":" + s.Name)},
	}, nil
}

// ofUser begins a session of the caller, who must have a long-term key.
func (a *API) ofUser(ctx context.Context, kind caller.Kind, operation string) (caller.Session, error) {
	c := caller.From(ctx)
	if c.Session != nil {
		return caller.Session{}, denied("Cannot call %s with session credentials", operation)
	}
	s := caller.Session{Kind: kind, EntityID: c.UserID}
	if !strings.HasSuffix(c.ARN, ":root") {
		s.Entity = c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]
	}
	return s, nil
}

// lasting is how long such a session lasts.
func lasting(s caller.Session, asked *int32) int32 {
	seconds := int32(usualUser)
	if asked != nil {
		seconds = *asked
	}
	if s.Entity == "" {
		seconds = min(seconds, rootSession)
	}
	return seconds
}
