// Package order gets certificates from an authority outside that speaks ACME
// (RFC 8555), as Let's Encrypt's does.
//
// It keeps nothing: the account's key and the answers to challenges are its caller's.
package order

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// How long the authority may take for one answer, and for a validation or an order.
const (
	answerWithin = 30 * time.Second
	checkWithin  = 2 * time.Minute
)

// Config is what an authority is reached by.
type Config struct {
	Directory string // URL (RFC 8555, 7.1.1); "": there is none
	Email     string // where it writes to; "": nowhere
	Roots     string // file of the roots that its own certificate is checked with (PEM); "": the system's
	Agent     string // names the program in its requests
}

// Kind is a way to show that a domain is one's own.
type Kind string

// The kinds of challenges (RFC 8555, 8.3 and 8.4).
const (
	HTTP Kind = acme.ChallengeTypeHTTP01 // a page of the domain's web server
	DNS  Kind = acme.ChallengeTypeDNS01  // a TXT record; the only kind for a name with a wildcard
)

// Challenge is what the authority looks for.
type Challenge struct {
	Kind  Kind
	Token string // its name among all challenges
	Where string // the page's path, or the record's name
	Name  string // the domain
	// Answer is the page's content, or the record's.
	Answer string
}

// Answers is where challenges are answered. Await returns once the answer is to be
// had; an error says why it won't be. Remove takes any token.
type Answers interface {
	Present(context.Context, Challenge) error
	Await(context.Context, Challenge) error
	Remove(ctx context.Context, token string) error
}

// Authority is an authority outside.
type Authority struct {
	config Config
	client *acme.Client

	mu      sync.Mutex
	account *acme.Account // nil: it isn't known yet
}

// New returns the authority of a configuration. It is asked nothing yet.
func New(c Config) (*Authority, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.Roots != "" {
		text, err := os.ReadFile(c.Roots)
		if err != nil {
			return nil, fmt.Errorf("read the roots of the ACME directory: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read the roots of the ACME directory: %s has no certificate in PEM form", c.Roots)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &Authority{config: c, client: &acme.Client{
		Directory: c.Directory, UserAgent: c.Agent, PollTimeout: checkWithin,
		HTTPClient: &http.Client{Transport: transport, Timeout: answerWithin},
	}}, nil
}

// Directory is the URL that names the authority.
func (a *Authority) Directory() string { return a.config.Directory }

// Issue gets a certificate for names and a key of theirs, as the account with the
// key own. It returns the certificate and those that lead to its root, in DER.
func (a *Authority) Issue(ctx context.Context, own crypto.Signer, names []string, key crypto.Signer, kind Kind, where Answers) ([][]byte, error) {
	account, err := a.registered(ctx, own)
	if err != nil {
		return nil, fmt.Errorf("register with %s: %w", a.config.Directory, err)
	}
	csr, err := acmez.NewCSR(key, names)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	params, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, fmt.Errorf("make an order: %w", err)
	}
	client := acmez.Client{Client: a.client, ChallengeSolvers: map[string]acmez.Solver{string(kind): solver{where}}}
	chains, err := client.ObtainCertificate(ctx, params)
	if is(err, acme.ProblemTypeAccountDoesNotExist) {
		a.forget() // the next order registers again
	}
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the authority gave no certificate")
	}
	return checked(chains[0].ChainPEM, names, key.Public())
}

// registered returns the account of a key, which is made when the authority has none.
func (a *Authority) registered(ctx context.Context, key crypto.Signer) (acme.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account != nil {
		return *a.account, nil
	}
	wanted := acme.Account{TermsOfServiceAgreed: true, PrivateKey: key}
	if a.config.Email != "" {
		wanted.Contact = []string{"mailto:" + a.config.Email}
	}
	account, err := a.client.NewAccount(ctx, wanted)
	if err != nil {
		return account, err
	}
	a.account = &account
	return account, nil
}

func (a *Authority) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account = nil
}

// is tells whether an order failed with a type of problem.
func is(err error, kind string) bool {
	var p acme.Problem
	return errors.As(err, &p) && p.Type == kind
}

// checked reads a chain, which must be for the names and the key: it is what users
// will be shown.
func checked(text []byte, names []string, key crypto.PublicKey) (chain [][]byte, err error) {
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		chain = append(chain, block.Bytes)
	}
	if len(chain) == 0 {
		return nil, errors.New("the authority gave no certificate in PEM form")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	for _, n := range names {
		if err := leaf.VerifyHostname(n); err != nil {
			return nil, fmt.Errorf("the authority's certificate is for others: %w", err)
		}
	}
	if k, ok := key.(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(leaf.PublicKey) {
		return nil, errors.New("the authority's certificate is for another key")
	}
	return chain, nil
}

// solver answers the challenges of one order.
type solver struct{ where Answers }

func (s solver) Present(ctx context.Context, c acme.Challenge) error {
	return s.where.Present(ctx, read(c))
}

// Wait implements acmez.Waiter.
func (s solver) Wait(ctx context.Context, c acme.Challenge) error {
	if err := s.where.Await(ctx, read(c)); err != nil {
		return unanswered{err}
	}
	return nil
}

// unanswered is why a challenge isn't answered here.
type unanswered struct{ error }

func (u unanswered) Unwrap() error { return u.error }

func (s solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	return s.where.Remove(context.WithoutCancel(ctx), c.Token)
}

func read(c acme.Challenge) Challenge {
	out := Challenge{Kind: Kind(c.Type), Token: c.Token, Name: c.Identifier.Value, Where: c.HTTP01ResourcePath(), Answer: c.KeyAuthorization}
	if out.Kind == DNS {
		out.Where, out.Answer = c.DNS01TXTRecordName(), c.DNS01KeyAuthorization()
	}
	return out
}

// Hopeless returns what ACM calls a failure for good: asking again changes nothing. "" is another.
func Hopeless(err error) types.FailureReason {
	var p acme.Problem
	if !errors.As(err, &p) {
		return ""
	}
	for _, s := range append([]acme.Subproblem{{Problem: p}}, p.Subproblems...) {
		switch s.Type {
		case acme.ProblemTypeRejectedIdentifier:
			return types.FailureReasonDomainNotAllowed
		case acme.ProblemTypeUnsupportedIdentifier:
			return types.FailureReasonInvalidPublicDomain
		case acme.ProblemTypeCAA:
			return types.FailureReasonCaaError
		case acme.ProblemTypeBadPublicKey, acme.ProblemTypeBadCSR:
			return types.FailureReasonOther
		}
	}
	return ""
}

// Pause is how long the authority is left alone after so many failures. Let's Encrypt
// allows five of a name in an hour (https://letsencrypt.org/docs/rate-limits/).
func Pause(tries int) time.Duration {
	p := 2 * time.Minute
	for range tries {
		if p *= 3; p > time.Hour {
			return time.Hour
		}
	}
	return p
}

// maxSaid bounds what is kept of an authority's words, in bytes.
const maxSaid = 1000

// Said is an order's failure in one line, in the authority's own words where it said any.
func Said(err error) string {
	out := err.Error()
	if here, ok := errors.AsType[unanswered](err); ok {
		out = here.Error()
	} else if p, ok := errors.AsType[acme.Problem](err); ok {
		out = p.Detail
		for _, s := range p.Subproblems {
			out += "; " + s.Identifier.Value + ": " + s.Detail
		}
	}
	return strings.ToValidUTF8(out[:min(len(out), maxSaid)], "")
}
