// Package sts is the AWS Security Token Service: it gives temporary credentials to who may have them, and says who a caller is.
//
// Nothing is stored: a session is in its token (sts/token). Who may assume a role is policy/session's to decide, what a role or user may
// do is asked of IAM at each call, and tokens of identity providers are sts/oidc's to verify.
package sts

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/sts/oidc"
	"github.com/skylift/skylift/internal/service/sts/token"
	"github.com/skylift/skylift/internal/wire"
)

// IAM is what STS asks of it.
type IAM interface {
	// Role returns the role with that ARN, and how long its sessions may last in seconds; ok is false when there is none.
	Role(ctx context.Context, arn string) (r session.Role, most int32, ok bool, err error)
	// Managed says whether there is a managed policy with that ARN.
	Managed(ctx context.Context, arn string) (bool, error)
	// Provider returns the OpenID Connect provider of an issuer, which is a URL without its scheme; ok is false when there is none.
	Provider(ctx context.Context, issuer string) (p oidc.Provider, ok bool, err error)
	// HasKey says whether it is the access key of a user or of root.
	HasKey(ctx context.Context, id string) (bool, error)
}

// Config is what STS works with.
type Config struct {
	Account  string // 12 digits
	IAM      IAM
	Mint     *token.Mint
	Tokens   *oidc.Verifier
	Messages *seal.Sealer // of what denied calls say in secret; see Messages
}

// API is the Security Token Service.
type API struct{ Config }

// New returns the service.
func New(c Config) *API { return &API{c} }

// Why operations lack condition keys that the reference has for them.
const (
	noSAML   = "nobody comes by SAML"
	byIssuer = "the keys of an issuer are there for roles that trust it, under the issuer's own name"
)

// ofOthers are the keys that the reference has for AssumeRole and that are about what callers of other operations bring.
const ofOthers = "accounts.google.com:aud accounts.google.com:sub cognito-identity.amazonaws.com:amr cognito-identity.amazonaws.com:aud cognito-identity.amazonaws.com:sub " +
	"graph.facebook.com:app_id graph.facebook.com:id www.amazon.com:app_id www.amazon.com:user_id"

// Operations lists what is implemented. To assume a role is judged by the handler: the role's trust policy has a say, and whether there is
// such a role isn't told.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AssumeRole", a.AssumeRole).On("role: RoleArn").Open().Asks(assuming).
			Keys("sts:ExternalId: ExternalId", "sts:RoleSessionName: RoleSessionName", "sts:SourceIdentity: SourceIdentity", "sts:TransitiveTagKeys: TransitiveTagKeys").
			Lacks("iam:ResourceTag", "the handler has them").Lacks("saml:namequalifier saml:sub saml:sub_type", noSAML).Lacks(ofOthers, byIssuer).
			Takes("DurationSeconds ExternalId Policy PolicyArns{*} RoleArn RoleSessionName SourceIdentity Tags{*} TransitiveTagKeys"),
		wire.Op("AssumeRoleWithWebIdentity", a.AssumeRoleWithWebIdentity).On("role: RoleArn").Unsigned().Lacks("*", byIssuer).
			Takes("DurationSeconds Policy PolicyArns{*} RoleArn RoleSessionName WebIdentityToken"),
		wire.Op("DecodeAuthorizationMessage", a.DecodeAuthorizationMessage).Takes("EncodedMessage"),
		wire.Op("GetAccessKeyInfo", a.GetAccessKeyInfo).Takes("AccessKeyId"),
		wire.Op("GetCallerIdentity", a.GetCallerIdentity).Open(),
		wire.Op("GetFederationToken", a.GetFederationToken).On("federated-user: Name").Asks(a.federating).
			Takes("DurationSeconds Name Policy PolicyArns{*} Tags{*}"),
		wire.Op("GetSessionToken", a.GetSessionToken).Open().Takes("DurationSeconds"),
	}
}

// GetCallerIdentity tells callers who they are.
func (a *API) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	c := caller.From(ctx)
	return &sts.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// now is the time as STS tells it, in whole seconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
