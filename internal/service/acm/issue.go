package acm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/acm/authority"
	"github.com/skylift/skylift/internal/service/acm/domain"
	"github.com/skylift/skylift/internal/store"
)

// renewBefore is how long before its end a certificate is renewed
// (https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html).
const renewBefore = 45 * 24 * time.Hour

// lookAgain is how often a certificate is looked at that should be renewed and isn't used.
const lookAgain = 12 * time.Hour

// Due issues a certificate that was requested, and renews one that ends soon. It returns how long it is until it must be
// called again; 0 is never.
func (a *API) Due(ctx context.Context, arn string) (again time.Duration, err error) {
	now := time.Now()
	var c Certificate
	var there, used bool
	err = a.db.View(ctx, func(tx store.Tx) error {
		if c, there, err = handler.Find(tx, Certificates, arn); err != nil || !there {
			return err
		}
		used, err = a.used(tx, c)
		return err
	})
	if err != nil || !there {
		return 0, err
	}
	wanted, again, err := c.wanted(now, used)
	switch {
	case err != nil || !wanted:
		return again, err
	case a.outside != nil:
		return 0, a.order(ctx, c)
	}
	return 0, a.issue(ctx, c, now)
}

// used tells whether a certificate is worth to be renewed: somebody has it.
func (a *API) used(tx store.Tx, c Certificate) (bool, error) {
	users, err := a.users.UsersOf(tx, c.ARN)
	return len(users) > 0 || c.Request != nil && c.Request.Exported, err
}

// wanted tells whether a certificate is to be issued now, or else when to look again.
func (c Certificate) wanted(now time.Time, used bool) (wanted bool, again time.Duration, err error) {
	if c.Request == nil {
		return false, 0, nil
	}
	leaf, err := c.parsed()
	switch {
	case err != nil:
		return false, 0, err
	case leaf == nil && c.Status != types.CertificateStatusPendingValidation:
		return false, 0, nil
	}
	if leaf != nil && !c.Request.RenewAt.After(c.Request.RenewedAt) {
		if left := leaf.NotAfter.Add(-early(leaf)).Sub(now); left > 0 {
			return false, left, nil
		}
		if !used {
			return false, lookAgain, nil
		}
	}
	if wait := c.Request.NextTry.Sub(now); wait > 0 {
		return false, wait, nil
	}
	return true, 0, nil
}

// early is how long before its end a certificate is renewed: when a third of its time is left, at the most.
func early(leaf *x509.Certificate) time.Duration {
	return min(renewBefore, leaf.NotAfter.Sub(leaf.NotBefore)/3)
}

// issue gives c a new key and a certificate for it, unless somebody did meanwhile.
func (a *API) issue(ctx context.Context, c Certificate, now time.Time) error {
	ca, err := a.Authority(ctx)
	if err != nil {
		return err
	}
	key, err := authority.NewKey(c.Algorithm)
	if err != nil {
		return a.fail(ctx, c, fmt.Errorf("make a key for %s: %w", c.ARN, err))
	}
	if err := c.gains(ca, now); err != nil {
		return err
	}
	leaf, err := ca.Issue(c.Names, key.Public(), now)
	if err != nil {
		return a.fail(ctx, c, err)
	}
	return a.keep(ctx, c, [][]byte{leaf, ca.Root.Raw}, key, now)
}

// keep writes the certificate that was issued for c, with those that lead to its root, unless somebody did meanwhile.
func (a *API) keep(ctx context.Context, c Certificate, chain [][]byte, key crypto.Signer, now time.Time) error {
	sealed, err := a.sealed(c.ARN, key)
	if err != nil {
		return err
	}
	return a.db.Update(ctx, func(tx store.Tx) error {
		has, there, err := handler.Find(tx, Certificates, c.ARN)
		if err != nil || !there || !bytes.Equal(has.Leaf, c.Leaf) {
			return err
		}
		r := *has.Request
		if len(has.Leaf) > 0 {
			r.RenewedAt = latest(now, r.RenewAt)
		}
		r.Tries, r.Trouble, r.NextTry = 0, "", time.Time{}
		has.Request, has.Status, has.IssuedAt = &r, types.CertificateStatusIssued, now
		has.Leaf, has.Chain, has.Sealed = chain[0], chain[1:], sealed
		return Certificates.Put(tx, has.ARN, has)
	})
}

// gains says why there is nothing to gain by renewing c now: the root ends too soon.
func (c Certificate) gains(ca authority.Authority, now time.Time) error {
	leaf, err := c.parsed()
	until := ca.Until(now)
	if err != nil || leaf == nil || until.Before(ca.Root.NotAfter) || until.After(leaf.NotAfter) {
		return err
	}
	return fmt.Errorf("renew %s: the instance's root certificate ends %s, and no certificate that it signs holds longer", c.ARN, ca.Root.NotAfter.Format(time.RFC3339))
}

// fail gives up a request that can't succeed. A certificate that is there stays, and
// the error is returned.
func (a *API) fail(ctx context.Context, c Certificate, why error) error {
	if len(c.Leaf) > 0 {
		return why
	}
	reason := types.FailureReasonOther
	if slices.ContainsFunc(c.Names, func(n string) bool { return !domain.Valid(n) }) {
		reason = types.FailureReasonInvalidPublicDomain
	}
	return a.giveUp(ctx, c.ARN, types.CertificateStatusFailed, reason)
}

// giveUp ends a request whose certificate was never issued.
func (a *API) giveUp(ctx context.Context, arn string, status types.CertificateStatus, reason types.FailureReason) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		has, there, err := handler.Find(tx, Certificates, arn)
		if err != nil || !there || len(has.Leaf) > 0 {
			return err
		}
		has.Status, has.Failure = status, reason
		return Certificates.Put(tx, has.ARN, has)
	})
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// RenewCertificate renews a certificate that was issued, before it would be.
func (a *API) RenewCertificate(ctx context.Context, in *acm.RenewCertificateInput) (*acm.RenewCertificateOutput, error) {
	now := time.Now()
	return &acm.RenewCertificateOutput{}, a.edit(ctx, *in.CertificateArn, func(tx store.Tx, c *Certificate) error {
		if c.Request == nil {
			return invalid("The certificate %s was imported, and is renewed by importing it again.", c.ARN)
		}
		if _, err := issued(tx, c.ARN); err != nil {
			return err
		}
		if c.Request.RenewAt.After(c.Request.RenewedAt) {
			return &types.RequestInProgressException{Message: new("The certificate request is in progress.")}
		}
		switch used, err := a.used(tx, *c); {
		case err != nil:
			return err
		case !used:
			return invalid("The certificate %s is not eligible for renewal: it is neither in use nor exported.", c.ARN)
		}
		c.Request.RenewAt = latest(now, c.Request.RenewedAt.Add(time.Nanosecond))
		return nil
	})
}

// Root returns the root certificate of the instance's own authority.
func (a *API) Root(ctx context.Context) ([]byte, error) {
	ca, err := a.Authority(ctx)
	if err != nil {
		return nil, err
	}
	return ca.Root.Raw, nil
}

// Authority returns the instance's own, which is made now where there is none.
func (a *API) Authority(ctx context.Context) (authority.Authority, error) {
	kept, there, err := a.readRoot(ctx)
	if err != nil {
		return authority.Authority{}, err
	}
	if !there {
		if kept, err = a.makeRoot(ctx); err != nil {
			return authority.Authority{}, err
		}
	}
	cert, err := x509.ParseCertificate(kept.Certificate)
	if err != nil {
		return authority.Authority{}, fmt.Errorf("read the root certificate: %w", err)
	}
	key, err := a.opened(rootKey, kept.Sealed)
	return authority.Authority{Root: cert, Key: key}, err
}

func (a *API) readRoot(ctx context.Context) (kept root, there bool, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		kept, there, err = handler.Find(tx, roots, rootKey)
		return err
	})
	return kept, there, err
}

// makeRoot writes a new root, unless another process was first, and returns what is kept.
func (a *API) makeRoot(ctx context.Context) (root, error) {
	ca, err := authority.New(a.name, time.Now())
	if err != nil {
		return root{}, err
	}
	sealed, err := a.sealed(rootKey, ca.Key)
	if err != nil {
		return root{}, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (root, error) {
		kept, there, err := handler.Find(tx, roots, rootKey)
		if err != nil || there {
			return kept, err
		}
		kept = root{ca.Root.Raw, sealed}
		return kept, roots.Put(tx, rootKey, kept)
	})
}
