// Package sts answers who a caller is.
package sts

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/wire"
)

// API is the Security Token Service.
type API struct{}

// New returns the service.
func New() *API { return &API{} }

// Operations lists what is implemented.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("GetCallerIdentity", a.GetCallerIdentity),
	}
}

// GetCallerIdentity tells callers whose key they sign with.
func (a *API) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	c := caller.From(ctx)
	return &sts.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}
