package acm

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/acm/authority"
	"github.com/skylift/skylift/internal/service/acm/order"
	"github.com/skylift/skylift/internal/store"
)

const (
	// orderWithin bounds an order: authorities take minutes at most.
	orderWithin = 10 * time.Minute
	// validateWithin is how long a domain may take to be validated
	// (https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html).
	validateWithin = 72 * time.Hour
	// lookOut is how often it is looked whether there is something to ask an authority for: it costs it nothing.
	lookOut = 15 * time.Second
)

// unready is why the authority isn't asked.
type unready struct{ error }

// order has the authority outside issue a certificate for c. What fails is tried again later, and kept with c.
func (a *API) order(ctx context.Context, c Certificate) error {
	ctx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	key, err := authority.NewKey(c.Algorithm)
	if err != nil {
		return a.fail(ctx, c, fmt.Errorf("make a key for %s: %w", c.ARN, err))
	}
	chain, err := a.ordered(ctx, c, key)
	if err != nil {
		return a.postpone(context.WithoutCancel(ctx), c, err, time.Now())
	}
	return a.keep(ctx, c, chain, key, time.Now())
}

func (a *API) ordered(ctx context.Context, c Certificate, key crypto.Signer) ([][]byte, error) {
	way, err := a.answers.Way(c.Names)
	if err != nil {
		return nil, unready{err}
	}
	own, err := a.account(ctx)
	if err != nil {
		return nil, err
	}
	// What an interrupted order left is of no use any more.
	if err := a.db.Update(ctx, func(tx store.Tx) error { return forget(tx, c.ARN) }); err != nil {
		return nil, err
	}
	return a.outside.Issue(ctx, own, c.Names, key, way, challenged{a, c.ARN})
}

// account returns the key of the instance's account with the authority outside, which is made once.
func (a *API) account(ctx context.Context) (crypto.Signer, error) {
	name := a.outside.Directory()
	kept, there, err := a.readAccount(ctx, name)
	if err == nil && !there {
		kept, err = a.makeAccount(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("keep the key of the account with %s: %w", name, err)
	}
	return a.opened(accountLabel+name, kept.Sealed)
}

func (a *API) readAccount(ctx context.Context, name string) (kept account, there bool, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		kept, there, err = handler.Find(tx, accounts, name)
		return err
	})
	return kept, there, err
}

// makeAccount writes a new key, unless another order was first, and returns what is kept.
func (a *API) makeAccount(ctx context.Context, name string) (account, error) {
	key, err := authority.NewKey(types.KeyAlgorithmEcPrime256v1)
	if err != nil {
		return account{}, err
	}
	sealed, err := a.sealed(accountLabel+name, key)
	if err != nil {
		return account{}, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (account, error) {
		kept, there, err := handler.Find(tx, accounts, name)
		if err != nil || there {
			return kept, err
		}
		return account{sealed}, accounts.Put(tx, name, account{sealed})
	})
}

// accountLabel is what the key of an account is sealed as, before the directory's URL.
const accountLabel = "account "

// postpone keeps why an order failed, and when the next one is due. One that can't succeed, or has failed for too long,
// ends the request; a certificate that is there stays.
func (a *API) postpone(ctx context.Context, c Certificate, why error, now time.Time) error {
	if len(c.Leaf) == 0 {
		if reason := order.Hopeless(why); reason != "" {
			return a.giveUp(ctx, c.ARN, types.CertificateStatusFailed, reason)
		}
		if now.Sub(c.CreatedAt) > validateWithin {
			return a.giveUp(ctx, c.ARN, types.CertificateStatusValidationTimedOut, "")
		}
	}
	return a.db.Update(ctx, func(tx store.Tx) error {
		has, there, err := handler.Find(tx, Certificates, c.ARN)
		if err != nil || !there || has.Request == nil {
			return err
		}
		r := *has.Request
		r.Trouble = order.Said(why)
		if _, unasked := errors.AsType[unready](why); unasked {
			r.NextTry = now.Add(lookOut)
		} else {
			r.NextTry = now.Add(order.Pause(r.Tries))
			r.Tries++
		}
		has.Request = &r
		return Certificates.Put(tx, has.ARN, has)
	})
}

// Troubles says which certificates can't be issued or renewed for now, and why.
func Troubles(tx store.Tx) (out []string, err error) {
	for c, err := range Certificates.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		r := c.Request
		if r == nil || r.Trouble == "" || len(c.Leaf) == 0 && c.Status != types.CertificateStatusPendingValidation {
			continue
		}
		what := "issued"
		if len(c.Leaf) > 0 {
			what = "renewed"
		}
		out = append(out, fmt.Sprintf("the certificate of %s can't be %s: %s (the next try is at %s UTC)", c.Domain, what, r.Trouble, r.NextTry.UTC().Format(time.DateTime)))
	}
	return out, nil
}

// forget removes what is looked for for a certificate.
func forget(tx store.Tx, certificate string) error {
	left, err := Challenges.By(tx, "certificate", certificate)
	for _, c := range left {
		err = cmp.Or(err, Challenges.Delete(tx, c.Token))
	}
	return err
}

// challenged keeps the challenges of a certificate's order.
type challenged struct {
	a           *API
	certificate string
}

func (w challenged) Present(ctx context.Context, c order.Challenge) error {
	return w.a.db.Update(ctx, func(tx store.Tx) error { return Challenges.Put(tx, c.Token, Challenge{c, w.certificate}) })
}

func (w challenged) Await(ctx context.Context, c order.Challenge) error {
	return w.a.answers.Answered(ctx, Challenge{c, w.certificate})
}

func (w challenged) Remove(ctx context.Context, token string) error {
	return w.a.db.Update(ctx, func(tx store.Tx) error {
		_, there, err := handler.Find(tx, Challenges, token)
		if err != nil || !there {
			return err
		}
		return Challenges.Delete(tx, token)
	})
}
