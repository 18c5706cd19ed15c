package secretsmanager

import (
	"context"

	"github.com/skylift/skylift/internal/store"
)

// Identify returns the ARN of the secret that ref names.
func (a *API) Identify(ctx context.Context, ref string) (arn string, err error) {
	s, err := a.read(ctx, ref)
	if err != nil {
		return "", err
	}
	return a.arn(s), nil
}

// VersionID returns the id of the version of a secret with that id or label; without both, of the current one.
func (a *API) VersionID(tx store.Tx, ref string, id, stage *string) (string, error) {
	s, err := a.live(tx, ref)
	if err != nil {
		return "", err
	}
	v, err := version(tx, s, id, stage)
	return v.ID, err
}
