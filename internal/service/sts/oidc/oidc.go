// Package oidc verifies the tokens of OpenID Connect providers.
//
// A token is taken when its issuer is a provider of the account, one of the keys that the issuer publishes has signed it, it hasn't
// expired, and it is meant for one of the provider's clients (OpenID Connect Core 1.0, 3.1.3.7;
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider is whose tokens are taken.
type Provider struct {
	ARN         string
	Issuer      string   // a URL without its scheme
	Clients     []string // for whom tokens may be
	Thumbprints []string // SHA-1 in hex of certificates that the issuer's chain may end in, beside those that the machine trusts
}

// Fault says what is wrong with a token, in AWS's words.
type Fault struct {
	Message string
	Expired bool
}

func (f *Fault) Error() string { return f.Message }

func fault(format string, args ...any) error { return &Fault{Message: fmt.Sprintf(format, args...)} }

// algorithms are those that AWS takes
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html).
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// The claims that session tags and a source identity come in
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp).
const (
	tagsClaim       = "https://aws.amazon.com/tags"
	principalClaim  = tagsClaim + "/principal_tags"
	transitiveClaim = tagsClaim + "/transitive_tag_keys"
	sourceClaim     = "https://aws.amazon.com/source_identity"
)

// Verifier verifies tokens. It keeps the keys of issuers for a while.
type Verifier struct {
	keys *keyring
	now  func() time.Time
}

// New returns a verifier.
func New(log *slog.Logger) *Verifier { return &Verifier{newKeyring(log), time.Now} }

// raw are claims as a token has them.
type raw map[string]json.RawMessage

// text returns a claim that is a text; "" when it is none.
func (r raw) text(name string) (s string) {
	_ = json.Unmarshal(r[name], &s) // another type says nothing
	return s
}

// texts returns a claim that is a list of texts, or one.
func (r raw) texts(name string) (list []string) {
	if json.Unmarshal(r[name], &list) != nil {
		list = nil
		if s := r.text(name); s != "" {
			list = []string{s}
		}
	}
	return list
}

// seconds returns a claim that is a time; ok is false when it is none.
func (r raw) seconds(name string) (t time.Time, ok bool) {
	var n float64
	if r[name] == nil || json.Unmarshal(r[name], &n) != nil {
		return t, false
	}
	return time.Unix(int64(n), 0), true
}

// Verify returns what a token claims. Find returns the provider of an issuer, which is a URL without its scheme. The error is a *Fault
// when the token is no good.
func (v *Verifier) Verify(ctx context.Context, token string, find func(issuer string) (Provider, bool, error)) (Claims, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return Claims{}, fault("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	var claimed raw
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &claimed); err != nil {
		return Claims{}, fault("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	url := claimed.text("iss")
	issuer, ok := issuerOf(url)
	if !ok {
		return Claims{}, fault("No OpenIDConnect provider found in your account for %s", url)
	}
	p, ok, err := find(issuer)
	if err != nil {
		return Claims{}, fmt.Errorf("find the provider of %s: %w", url, err)
	}
	if !ok {
		return Claims{}, fault("No OpenIDConnect provider found in your account for %s", url)
	}
	if err := v.keys.verify(ctx, url, p, signed); err != nil {
		return Claims{}, err
	}
	return v.check(claimed, p)
}

// check holds the claims of a token, whose signature is good, against the provider and the time.
func (v *Verifier) check(claimed raw, p Provider) (Claims, error) {
	for _, name := range []string{"aud", "sub", "exp", "iat"} {
		if claimed[name] == nil {
			return Claims{}, fault("Missing a required claim: %s", name)
		}
	}
	now := v.now()
	expires, ok := claimed.seconds("exp")
	switch before, given := claimed.seconds("nbf"); {
	case !ok:
		return Claims{}, fault("Missing a required claim: exp")
	case !now.Before(expires):
		return Claims{}, &Fault{Message: fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time%d", now.Unix(), expires.Unix()), Expired: true}
	case given && now.Before(before):
		return Claims{}, fault("Token is not yet valid: current date/time %d must be after %d", now.Unix(), before.Unix())
	}
	c := Claims{Provider: p, Subject: claimed.text("sub"), SourceIdentity: claimed.text(sourceClaim), claimed: claimed}
	if c.Subject == "" {
		return Claims{}, fault("Missing a required claim: sub")
	}
	if c.Audience, ok = audience(claimed, p.Clients); !ok {
		return Claims{}, fault("Incorrect token audience")
	}
	return c, c.readTags()
}

// audience is the client that a token is for: who it was given to (azp), where it says so, else one of aud
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif).
func audience(claimed raw, clients []string) (string, bool) {
	meant := claimed.texts("aud")
	if party := claimed.text("azp"); party != "" {
		meant = []string{party}
	}
	i := slices.IndexFunc(meant, func(aud string) bool { return slices.Contains(clients, aud) })
	if i < 0 {
		return "", false
	}
	return meant[i], true
}

// issuerOf returns an issuer as providers have it: without its scheme. Plain HTTP is for this machine alone.
func issuerOf(url string) (string, bool) {
	if rest, ok := strings.CutPrefix(url, "https://"); ok {
		return rest, rest != ""
	}
	rest, ok := strings.CutPrefix(url, "http://")
	return rest, ok && loopback(url)
}
