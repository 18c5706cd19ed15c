package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/policy/session"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/sts"
	"github.com/skylift/skylift/internal/service/sts/oidc"
	"github.com/skylift/skylift/internal/service/sts/token"
)

var stsService = service{make: (*builder).sts}

// sealedBySTS and sealedMessages are the purposes of what STS seals: session tokens, and what denied calls are told in secret.
const (
	sealedBySTS    = "sts"
	sealedMessages = "sts-message"
)

// sts makes STS.
func (b *builder) sts(context.Context) (part, error) {
	m := b.m
	b.mint = token.New(m.ns.Account, m.ring.For(sealedBySTS))
	api := sts.New(sts.Config{
		Account: m.ns.Account, IAM: stsIAM{b.identity, m}, Mint: b.mint, Tokens: oidc.New(m.Log), Messages: m.ring.For(sealedMessages),
	})
	return part{name: "sts", title: "STS", api: api, operations: api.Operations()}, nil
}

// encodeDenied makes what DecodeAuthorizationMessage reads.
func (m *machine) encodeDenied(message []byte) string {
	return sts.Encode(m.ring.For(sealedMessages), message)
}

// stsIAM is IAM as STS sees it.
type stsIAM struct {
	iam *iam.API
	m   *machine
}

func (i stsIAM) Role(ctx context.Context, arn string) (r session.Role, most int32, ok bool, err error) {
	role, ok, err := i.iam.RoleAt(ctx, arn)
	return role.ForSessions(), role.MaxSession, ok, err
}

func (i stsIAM) Managed(ctx context.Context, arn string) (bool, error) {
	return i.iam.HasPolicy(ctx, arn)
}

func (i stsIAM) Provider(ctx context.Context, issuer string) (oidc.Provider, bool, error) {
	p, ok, err := i.iam.ProviderOf(ctx, issuer)
	return oidc.Provider(p), ok, err
}

func (i stsIAM) HasKey(ctx context.Context, id string) (bool, error) {
	if id == i.m.root.Key.AccessKeyID {
		return true, nil
	}
	return i.iam.HasKey(ctx, id)
}
