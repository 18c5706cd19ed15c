package sts

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/sts/oidc"
)

// AssumeRoleWithWebIdentity gives credentials of a role to who has a token of a provider that the role trusts. Nobody signs it.
func (a *API) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	if !roleARN.MatchString(*in.RoleArn) {
		return nil, invalid("%s is invalid", *in.RoleArn)
	}
	claims, err := a.Tokens.Verify(ctx, *in.WebIdentityToken, func(issuer string) (oidc.Provider, bool, error) { return a.IAM.Provider(ctx, issuer) })
	if err != nil {
		return nil, tokenFault(err)
	}
	if err := limits(claims); err != nil {
		return nil, err
	}
	s := caller.Session{Kind: caller.OfRole, Name: *in.RoleSessionName, SourceIdentity: claims.SourceIdentity, Provider: claims.Provider.ARN}
	var tags []types.Tag
	for key, value := range claims.Tags {
		tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	if err := inherit(&s, nil, tags, claims.Transitive); err != nil {
		return nil, err
	}
	packed, err := a.narrow(ctx, &s, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	who := session.From(ctx)
	who.Principal, who.Policies = policy.Principal{Type: policy.WebIdentity, ARN: claims.Provider.ARN}, policy.Policies{}
	who.Keys = who.Keys.With(claims.Keys())
	role, most, refused, err := a.assumed(ctx, *in.RoleArn, session.Request{
		Caller: who, Action: session.AssumeByToken, Name: s.Name, SourceIdentity: s.SourceIdentity, Tags: tagged(s), Transitive: s.Transitive,
	})
	if err != nil {
		return nil, err
	}
	if refused != "" {
		return nil, denied("Not authorized to perform %s", refused)
	}
	creds, user, err := a.enter(role, s, in.DurationSeconds, most, false)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleWithWebIdentityOutput{
		Credentials: creds, AssumedRoleUser: user, PackedPolicySize: packed, SourceIdentity: handler.Optional(s.SourceIdentity), //nolint:staticcheck // older clients read it
		SubjectFromWebIdentityToken: &claims.Subject, Audience: &claims.Audience, Provider: &claims.Provider.ARN,
	}, nil
}

// What STS takes as a source identity, and as a tag's key and value
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html).
var (
	sourceForm = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	keyForm    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$`)
	valueForm  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
)

// mostTags is how many tags a session may have.
const mostTags = 50

// limits holds what a token gives its session to what a request may give it.
func limits(c oidc.Claims) error {
	not := func(format string, args ...any) error {
		return &types.InvalidIdentityTokenException{Message: aws.String(fmt.Sprintf(format, args...))}
	}
	if c.SourceIdentity != "" && !sourceForm.MatchString(c.SourceIdentity) {
		return not("The source identity in the token must have 2 to 64 characters, of letters, digits and _+=,.@-")
	}
	if len(c.Tags) > mostTags || len(c.Transitive) > mostTags {
		return not("The token has more than %d session tags or transitive tag keys", mostTags)
	}
	for key, value := range c.Tags {
		if !keyForm.MatchString(key) || !valueForm.MatchString(value) {
			return not("A session tag in the token must have a key of 1 to 128 characters and a value of at most 256, of letters, digits, blanks and _.:/=+-@")
		}
	}
	return nil
}

// tokenFault says what is wrong with a token, by STS's code.
func tokenFault(err error) error {
	e, ok := errors.AsType[*oidc.Fault](err)
	switch {
	case !ok:
		return fmt.Errorf("verify a token: %w", err)
	case e.Expired:
		return &types.ExpiredTokenException{Message: &e.Message}
	}
	return &types.InvalidIdentityTokenException{Message: &e.Message}
}
