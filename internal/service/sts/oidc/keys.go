package oidc

import (
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // IAM's thumbprints are SHA-1; they name certificates that somebody has chosen
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How long an issuer may take to say its keys, how much it may say, how long they are kept before it is asked anew, how long they are taken
// while it doesn't say, and how long after they were asked for nobody asks again, so that calls which nobody signs don't become calls to the
// issuer.
const (
	askTimeout = 5 * time.Second
	maxAnswer  = 512 << 10
	keepFor    = time.Hour
	trustFor   = 24 * time.Hour
	askEvery   = 10 * time.Second
)

// keyring has the keys of issuers.
type keyring struct {
	now func() time.Time
	log *slog.Logger
	mu  sync.Mutex
	of  map[string]*issuerKeys // by the issuer's URL and the provider's thumbprints
}

func newKeyring(log *slog.Logger) *keyring {
	return &keyring{now: time.Now, log: log, of: map[string]*issuerKeys{}}
}

// issuerKeys are those of one issuer.
type issuerKeys struct {
	mu     sync.Mutex
	keys   []jose.JSONWebKey
	asked  time.Time     // when the issuer last said them, or didn't; zero: never
	got    time.Time     // when it last said them
	failed bool          // it didn't say them the last time
	asking chan struct{} // is closed when the question that is under way has ended; nil: none is
}

func (k *keyring) issuer(url string, p Provider) *issuerKeys {
	name := url + " " + strings.Join(p.Thumbprints, " ")
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of[name] == nil {
		k.of[name] = &issuerKeys{}
	}
	return k.of[name]
}

// verify holds a token's signature against the keys of its issuer. One that is signed by a key which isn't known has them asked for again.
func (k *keyring) verify(ctx context.Context, url string, p Provider, signed *jose.JSONWebSignature) error {
	i := k.issuer(url, p)
	for {
		keys, wait := k.candidates(ctx, i, url, p, signed)
		if wait == nil {
			return check(signed, keys)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return fmt.Errorf("wait for the keys of %s: %w", url, ctx.Err())
		}
	}
}

// check holds a token's signature against keys.
func check(signed *jose.JSONWebSignature, keys []jose.JSONWebKey) error {
	if len(keys) == 0 {
		return fault("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	for _, key := range keys {
		if _, err := signed.Verify(key); err == nil {
			return nil
		}
	}
	return fault("The token's signature is not that of a key of its issuer")
}

// candidates returns the keys that may have signed a token. If the issuer is to be asked first it is, once at a time, and wait is closed when
// that has ended.
func (k *keyring) candidates(ctx context.Context, i *issuerKeys, url string, p Provider, signed *jose.JSONWebSignature) (list []jose.JSONWebKey, wait <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if k.now().Sub(i.got) > trustFor {
		i.keys = nil
	}
	head := signed.Signatures[0].Header
	for _, key := range i.keys {
		if (head.KeyID == "" || key.KeyID == head.KeyID) && (key.Algorithm == "" || key.Algorithm == head.Algorithm) {
			list = append(list, key)
		}
	}
	if age := k.now().Sub(i.asked); age <= askEvery || age <= keepFor && len(list) > 0 {
		return list, nil
	}
	if i.asking == nil {
		i.asking = make(chan struct{})
		go k.ask(context.WithoutCancel(ctx), i, url, p)
	}
	return nil, i.asking
}

// ask asks the issuer for its keys. What was known before stays for a while when it doesn't answer.
func (k *keyring) ask(ctx context.Context, i *issuerKeys, issuer string, p Provider) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	keys, err := fetch(ctx, issuer, p)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = k.now()
	if err == nil {
		i.keys, i.got = keys, i.asked
	} else if !i.failed {
		k.log.Warn("the keys of an OpenID Connect provider can't be read", "issuer", issuer, "err", err)
	}
	i.failed = err != nil
	close(i.asking)
	i.asking = nil
}

// fetch finds an issuer's keys (OpenID Connect Discovery 1.0, 4). Those that can't be read, as of a kind that isn't known, are left out, and
// the others count (RFC 7517, 5).
func fetch(ctx context.Context, issuer string, p Provider) (keys []jose.JSONWebKey, err error) {
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := get(ctx, p, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &about); err != nil {
		return nil, err
	}
	if about.Issuer != issuer {
		return nil, fmt.Errorf("the issuer at %s calls itself %s", issuer, about.Issuer)
	}
	if here(about.Keys) && !here(issuer) {
		return nil, fmt.Errorf("the issuer at %s names keys on this machine: %s", issuer, about.Keys)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := get(ctx, p, about.Keys, &set); err != nil {
		return nil, err
	}
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

var errPlain = errors.New("it is neither https nor on this machine")

// get reads what is at an address, in JSON.
func get(ctx context.Context, p Provider, at string, into any) error {
	if !strings.HasPrefix(at, "https://") && !loopback(at) {
		return fmt.Errorf("read %s: %w", at, errPlain)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", at, err)
	}
	client := clientOf(p, r.URL.Hostname())
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		return err //nolint:wrapcheck // it says the address
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("read %s: %s", at, answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", at, err)
	}
	return nil
}

// loopback says whether a URL is plain HTTP to this machine.
func loopback(text string) bool { return strings.HasPrefix(text, "http://") && here(text) }

// here says whether a URL names this machine as itself.
func here(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// clientOf returns a client that trusts a provider's server on a host: by the certificates that this machine trusts, or by those that the
// provider names.
func clientOf(p Provider, host string) *http.Client {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it
		VerifyConnection:   func(s tls.ConnectionState) error { return trusted(s, host, p.Thumbprints) },
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// trusted holds a server's chain against the certificates that this machine trusts, then against those whose thumbprints are named. The
// connection has no name of a server that is reached by an address: then it is host's.
func trusted(s tls.ConnectionState, host string, thumbprints []string) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	options := x509.VerifyOptions{DNSName: cmp.Or(s.ServerName, host), Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(options)
	if err == nil {
		return nil
	}
	named := x509.NewCertPool()
	for _, c := range s.PeerCertificates {
		sum := sha1.Sum(c.Raw) //nolint:gosec // see above
		if slices.ContainsFunc(thumbprints, func(t string) bool { return strings.EqualFold(t, hex.EncodeToString(sum[:])) }) {
			named.AddCert(c)
		}
	}
	options.Roots = named
	if _, again := s.PeerCertificates[0].Verify(options); again == nil {
		return nil
	}
	return err //nolint:wrapcheck // the client wraps it
}
