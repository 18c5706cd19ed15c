package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // as IAM's thumbprints
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// issuer is a provider on this machine.
type issuer struct {
	*httptest.Server
	t      *testing.T
	key    any // that it signs with
	name   string
	alg    jose.SignatureAlgorithm
	keys   atomic.Pointer[jose.JSONWebKeySet]
	asked  atomic.Int32
	at     string        // where its keys are; "": at its URL
	says   string        // what it calls itself; "": its URL
	hold   chan struct{} // with something in it, it doesn't answer
	beside []string      // what it publishes besides
}

func open(t *testing.T, secure bool) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, name: "k1", alg: jose.RS256, hold: make(chan struct{}, 1)}
	i.publish(jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: "RS256"})
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		if len(i.hold) > 0 {
			i.hold <- struct{}{} // until what is in it is taken
			<-i.hold
		}
		says := i.says
		if says == "" {
			says = i.URL
		}
		keys := i.at
		if keys == "" {
			keys = i.URL + "/keys"
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": says, "jwks_uri": keys})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		list := []json.RawMessage{}
		for _, text := range i.beside {
			list = append(list, json.RawMessage(text))
		}
		for _, key := range i.keys.Load().Keys {
			text, _ := key.MarshalJSON()
			list = append(list, text)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	})
	i.Server = httptest.NewUnstartedServer(mux)
	if secure {
		i.StartTLS()
	} else {
		i.Start()
	}
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(keys ...jose.JSONWebKey) { i.keys.Store(&jose.JSONWebKeySet{Keys: keys}) }

// token is one with these claims over the usual ones; nil takes one away.
func (i *issuer) token(claims map[string]any) string {
	i.t.Helper()
	all := map[string]any{"iss": i.URL, "sub": "repo:o/r", "aud": "sts.amazonaws.com", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.sign(payload)
}

func (i *issuer) sign(payload []byte) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: i.alg, Key: jose.JSONWebKey{Key: i.key, KeyID: i.name}}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

// provider is IAM's record of the issuer.
func (i *issuer) provider() Provider {
	_, host, _ := strings.Cut(i.URL, "://")
	return Provider{ARN: "arn:aws:iam::123456789012:oidc-provider/" + host, Issuer: host, Clients: []string{"sts.amazonaws.com", "other"}}
}

func quiet() *Verifier { return New(slog.New(slog.DiscardHandler)) }

func only(p Provider) func(string) (Provider, bool, error) {
	return func(issuer string) (Provider, bool, error) { return p, issuer == p.Issuer, nil }
}

func TestVerify(t *testing.T) {
	t.Parallel()
	i := open(t, false)
	claims, err := quiet().Verify(t.Context(), i.token(map[string]any{
		"amr": []string{"authenticated", "x"}, "repository": "o/r", "https://aws.amazon.com/source_identity": "ada",
		"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"team": []string{"blue"}}, "transitive_tag_keys": []string{"team"}},
	}), only(i.provider()))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	claims.Keys().All(func(name string, values []string) { got[strings.TrimPrefix(name, i.provider().Issuer+":")] = values })
	if d := cmp.Diff(map[string][]string{"sub": {"repo:o/r"}, "aud": {"sts.amazonaws.com"}, "amr": {"authenticated", "x"}}, got); d != "" {
		t.Errorf("the condition keys (-want +got):\n%s", d)
	}
	if claims.SourceIdentity != "ada" || !cmp.Equal(claims.Tags, map[string]string{"team": "blue"}) || !cmp.Equal(claims.Transitive, []string{"team"}) {
		t.Errorf("got %+v", claims)
	}
	flat, err := quiet().Verify(t.Context(), i.token(map[string]any{
		"https://aws.amazon.com/tags/principal_tags/team": "red", "https://aws.amazon.com/tags/transitive_tag_keys": []string{"team"},
	}), only(i.provider()))
	if err != nil || !cmp.Equal(flat.Tags, map[string]string{"team": "red"}) || !cmp.Equal(flat.Transitive, []string{"team"}) {
		t.Errorf("got %+v, %v", flat, err)
	}
}

func TestGitHubsClaims(t *testing.T) {
	t.Parallel()
	c := Claims{Provider: Provider{Issuer: "token.actions.githubusercontent.com"}, Subject: "s", claimed: raw{"repository": json.RawMessage(`"o/r"`), "secret": json.RawMessage(`"x"`)}}
	k := c.Keys()
	if got, _ := k.One("token.actions.githubusercontent.com:repository"); got != "o/r" || k.Has("token.actions.githubusercontent.com:secret") {
		t.Errorf("got the repository %q, and what no policy of AWS's knows: %v", got, k.Has("token.actions.githubusercontent.com:secret"))
	}
}

// TestRefused has tokens that are no good, each for one reason.
func TestRefused(t *testing.T) {
	t.Parallel()
	i, stranger := open(t, false), open(t, false)
	stranger.URL = i.URL // it signs as if it were the other
	liar := open(t, false)
	liar.says = "https://example.com"
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(i.token(nil), ".")[1] + "."
	for name, tc := range map[string]struct {
		token    string
		provider Provider
		want     string
	}{
		"no token":              {"garbage", i.provider(), "The ID Token provided is not a valid JWT."},
		"an unsigned one":       {unsigned, i.provider(), "The ID Token provided is not a valid JWT."},
		"no object":             {i.sign([]byte(`"x"`)), i.provider(), "The ID Token provided is not a valid JWT."},
		"another issuer":        {i.token(map[string]any{"iss": "https://example.com"}), i.provider(), "No OpenIDConnect provider found in your account for https://example.com"},
		"an issuer over HTTP":   {i.token(map[string]any{"iss": "http://example.com"}), Provider{Issuer: "example.com"}, "No OpenIDConnect provider found in your account for http://example.com"},
		"another's key":         {stranger.token(nil), i.provider(), "The token's signature is not"},
		"an issuer that lies":   {liar.token(nil), liar.provider(), "Couldn't retrieve verification key from your identity provider,  please"},
		"another audience":      {i.token(map[string]any{"aud": "x"}), i.provider(), "Incorrect token audience"},
		"given to somebody":     {i.token(map[string]any{"azp": "x"}), i.provider(), "Incorrect token audience"},
		"no audience":           {i.token(map[string]any{"aud": nil}), i.provider(), "Missing a required claim: aud"},
		"no subject":            {i.token(map[string]any{"sub": nil}), i.provider(), "Missing a required claim: sub"},
		"no end":                {i.token(map[string]any{"exp": nil}), i.provider(), "Missing a required claim: exp"},
		"an end that is none":   {i.token(map[string]any{"exp": "x"}), i.provider(), "Missing a required claim: exp"},
		"one that has expired":  {i.token(map[string]any{"exp": 1}), i.provider(), "Token expired: "},
		"one that is to come":   {i.token(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), i.provider(), "Token is not yet valid"},
		"a tag with two values": {i.token(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b", "c"}}}}), i.provider(), "The tag a must have one value"},
	} {
		_, err := quiet().Verify(t.Context(), tc.token, only(tc.provider))
		f, ok := errors.AsType[*Fault](err)
		if !ok || !strings.HasPrefix(f.Message, tc.want) || f.Expired != strings.HasPrefix(tc.want, "Token expired") {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// TestTokensOfSeveralKeys rotates the issuer's keys: a new one is asked for, but not at once for each token.
func TestTokensOfSeveralKeys(t *testing.T) {
	t.Parallel()
	i := open(t, false)
	v := quiet()
	now := time.Now()
	v.keys.now = func() time.Time { return now }
	verify := func() error {
		_, err := v.Verify(t.Context(), i.token(nil), only(i.provider()))
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.publish(jose.JSONWebKey{Key: next.Public(), KeyID: "k2"})
	i.key, i.name, i.alg = next, "k2", jose.ES256
	if err := verify(); err == nil || i.asked.Load() != 1 {
		t.Errorf("an unknown key at once: %v, asked %d times", err, i.asked.Load())
	}
	now = now.Add(askEvery + time.Second)
	if err := verify(); err != nil || i.asked.Load() != 2 {
		t.Errorf("a new key: %v, asked %d times", err, i.asked.Load())
	}
	i.Close()
	now = now.Add(keepFor + time.Second)
	if err := verify(); err != nil {
		t.Errorf("the issuer is away, and its keys are known: %v", err)
	}
	now = now.Add(trustFor)
	if err := verify(); err == nil {
		t.Error("the issuer is away for too long, and its keys are taken")
	}
}

// TestKeysOfOtherKinds has an issuer publish, beside its key, some that are of no use.
func TestKeysOfOtherKinds(t *testing.T) {
	t.Parallel()
	i := open(t, false)
	i.beside = []string{`{"kty":"AKP","kid":"k1","alg":"ML-DSA-44"}`, `{"kty":"oct","kid":"k1","k":"AAAA"}`, `"x"`}
	if _, err := quiet().Verify(t.Context(), i.token(nil), only(i.provider())); err != nil {
		t.Error(err)
	}
	i.publish(jose.JSONWebKey{Key: i.key.(*rsa.PrivateKey), KeyID: "k1"})
	if _, err := quiet().Verify(t.Context(), i.token(nil), only(i.provider())); err == nil {
		t.Error("a private key is taken")
	}
}

// TestSlowIssuer has an issuer that doesn't answer when it is asked for a key that isn't known: those that are known count meanwhile, it is
// asked once, and who waits can go.
func TestSlowIssuer(t *testing.T) {
	t.Parallel()
	i := open(t, false)
	v := quiet()
	var later atomic.Int64
	start := time.Now()
	v.keys.now = func() time.Time { return start.Add(time.Duration(later.Load())) }
	good := i.token(nil)
	if _, err := v.Verify(t.Context(), good, only(i.provider())); err != nil {
		t.Fatal(err)
	}
	i.name = "k2"
	unknown := i.token(nil)
	later.Store(int64(askEvery + time.Second))
	i.hold <- struct{}{} // the next one who asks waits
	waiting, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := v.Verify(waiting, unknown, only(i.provider()))
			ended <- err
		}()
	}
	for i.asked.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	if _, err := v.Verify(t.Context(), good, only(i.provider())); err != nil {
		t.Errorf("a known key: %v", err)
	}
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("who went while the issuer was asked: %v", err)
		}
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
	<-i.hold
}

func TestHere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"http://127.0.0.1:80/k": true, "https://localhost/k": true, "https://LOCALHOST./k": true, "https://a.localhost/k": true,
		"https://[::1]/k": true, "https://0.0.0.0/k": true, "https://example.com/k": false, "https://192.0.2.1/k": false, "https://localhost.example.com": false,
	} {
		if here(text) != want {
			t.Errorf("%s is here: %v", text, !want)
		}
	}
}

// TestKeysOnThisMachine has an issuer on another address than this machine's own name name keys there.
func TestKeysOnThisMachine(t *testing.T) {
	t.Parallel()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(addresses, func(a net.Addr) bool {
		is, ok := a.(*net.IPNet)
		return ok && is.IP.IsGlobalUnicast() && is.IP.To4() != nil
	})
	if n < 0 {
		t.Skip("this machine has no address but its own")
	}
	ip := addresses[n].(*net.IPNet).IP
	i, local := open(t, false), open(t, false)
	p := i.secured(ip.String(), x509.Certificate{IPAddresses: []net.IP{ip}})
	if _, err := quiet().Verify(t.Context(), i.token(nil), only(p)); err != nil {
		t.Errorf("keys where the issuer is: %v", err)
	}
	local.keys.Store(i.keys.Load())
	i.at = local.URL + "/keys"
	if _, err := quiet().Verify(t.Context(), i.token(nil), only(p)); err == nil {
		t.Error("keys on this machine are taken")
	}
}

// secured has the issuer on an address over TLS, with a certificate that its provider, which it returns, names.
func (i *issuer) secured(address string, of x509.Certificate) Provider {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	of.SerialNumber, of.NotBefore, of.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &of, &of, key.Public(), key)
	if err != nil {
		i.t.Fatal(err)
	}
	at, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		i.t.Fatal(err)
	}
	server := &httptest.Server{Listener: at, Config: &http.Server{Handler: i.Config.Handler}}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	i.t.Cleanup(server.Close)
	i.Server = server
	p, sum := i.provider(), sha1.Sum(der) //nolint:gosec // as IAM's
	p.Thumbprints = []string{hex.EncodeToString(sum[:])}
	return p
}

// TestServersName has servers on 127.0.0.1 that show certificates which are trusted: one of the address, and one of another's name.
func TestServersName(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]x509.Certificate{
		"its own":   {IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
		"another's": {DNSNames: []string{"example.com"}},
	} {
		i := open(t, false)
		p := i.secured("127.0.0.1", of)
		if _, err := quiet().Verify(t.Context(), i.token(nil), only(p)); (err == nil) != (name == "its own") {
			t.Errorf("a certificate of %s: %v", name, err)
		}
	}
}

// TestThumbprint has an issuer with a certificate that nobody trusts but who names it.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	i := open(t, true)
	p := i.provider()
	if _, err := quiet().Verify(t.Context(), i.token(nil), only(p)); err == nil {
		t.Error("a certificate is trusted that nobody knows")
	}
	sum := sha1.Sum(i.Certificate().Raw) //nolint:gosec // as IAM's
	p.Thumbprints = []string{strings.ToUpper(hex.EncodeToString(sum[:]))}
	if _, err := quiet().Verify(t.Context(), i.token(nil), only(p)); err != nil {
		t.Errorf("a certificate that is named: %v", err)
	}
	p.Thumbprints = []string{strings.Repeat("0", 40)}
	if _, err := quiet().Verify(t.Context(), i.token(nil), only(p)); err == nil {
		t.Error("a certificate is trusted where another is named")
	}
}
