package daemon

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/skylift/skylift/internal/wire/onepiece"
)

// issuer is an OpenID Connect provider on this machine, made by hand.
type issuer struct {
	url string
	key *rsa.PrivateKey
	t   *testing.T
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, srv.URL, srv.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"1","n":%q,"e":%q}]}`, raw64(key.N.Bytes()), raw64(big.NewInt(int64(key.E)).Bytes()))
	})
	return issuer{srv.URL, key, t}
}

func raw64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (i issuer) token(claims map[string]any) string {
	i.t.Helper()
	all := map[string]any{"iss": i.url, "sub": "repo:o/r", "aud": "sts.amazonaws.com", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		i.t.Fatal(err)
	}
	text := raw64([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + raw64(payload)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		i.t.Fatal(err)
	}
	return text + "." + raw64(sig)
}

// TestWebIdentity: somebody without a key gets a role's credentials for a token of an issuer that the role trusts.
func TestWebIdentity(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	i := newIssuer(t)
	host := strings.TrimPrefix(i.url, "http://")
	provider := ok(sdkiam.NewFromConfig(f.root).CreateOpenIDConnectProvider(t.Context(), &sdkiam.CreateOpenIDConnectProviderInput{Url: &i.url, ClientIDList: []string{"sts.amazonaws.com"}}))(t).OpenIDConnectProviderArn
	f.want("the provider", *provider, "arn:aws:iam::123456789012:oidc-provider/"+host)
	role := f.role("ci", `{"Federated":"`+*provider+`"}`, `["sts:AssumeRoleWithWebIdentity","sts:TagSession"],"Condition":{"StringEquals":{"`+host+`:sub":"repo:o/r"}}`, allow(lists))
	api := sdksts.NewFromConfig(aws.Config{Region: f.ns.Region, BaseEndpoint: &f.url, RetryMaxAttempts: 1, HTTPClient: onepiece.Client(http.DefaultTransport)}) // without credentials
	assume := func(role, token string) (*sdksts.AssumeRoleWithWebIdentityOutput, error) {
		return api.AssumeRoleWithWebIdentity(t.Context(), &sdksts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: new("run1"), WebIdentityToken: &token})
	}
	out := ok(assume(role, i.token(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}})))(t)
	f.want("the session", f.whoIs(f.with(out.Credentials)), "arn:aws:sts::123456789012:assumed-role/ci/run1 …")
	f.want("what it may", f.clusters(f.with(out.Credentials)), "")
	f.want("the rest of the answer", *out.SubjectFromWebIdentityToken+" "+*out.Audience+" "+*out.Provider, "repo:o/r sts.amazonaws.com "+*provider)
	const no = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"
	f.want("another subject", heard(second(assume(role, i.token(map[string]any{"sub": "repo:o/x"})))), no)
	f.want("a missing role", heard(second(assume(role+"x", i.token(nil)))), no)
	f.want("a role for users", heard(second(assume(f.role("worker", `{"Service":"ecs-tasks.amazonaws.com"}`, `"sts:AssumeRole"`, allow(lists)), i.token(nil)))), no)
	f.want("another issuer", heard(second(assume(role, newIssuer(t).token(nil)))), "InvalidIdentityToken: No OpenIDConnect provider found in your account for http…")
	f.want("another audience", heard(second(assume(role, i.token(map[string]any{"aud": "x"})))), "InvalidIdentityToken: Incorrect token audience")
	f.want("an old token", heard(second(assume(role, i.token(map[string]any{"exp": 1})))), "ExpiredTokenException: Token expired: …")
	_, err := api.GetCallerIdentity(t.Context(), &sdksts.GetCallerIdentityInput{})
	if err == nil {
		t.Error("somebody without a key is told who he is")
	}
	answer, err := http.PostForm(f.url, map[string][]string{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {"x1"}})
	if err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("an unsigned AssumeRole: %v, %v", answer, err)
	}
	answer.Body.Close()
	// A role that trusts everybody, and a body that is two requests: an unsigned one, and another once it is not compressed any more.
	anyone := f.role("anyone", `"*"`, `"sts:AssumeRole"`, allow(lists))
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	z.Extra = []byte("&Action=AssumeRoleWithWebIdentity&Version=2011-06-15&x=")
	_, _ = z.Write([]byte(url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {anyone}, "RoleSessionName": {"x1"}}.Encode()))
	_ = z.Close()
	r := ok(http.NewRequestWithContext(t.Context(), http.MethodPost, f.url, &body))(t)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Content-Encoding", "gzip")
	answer = ok(http.DefaultClient.Do(r))(t)
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden || !strings.Contains(string(text), "MissingAuthenticationToken") {
		t.Errorf("an unsigned AssumeRole in gzip: %d %s", answer.StatusCode, text)
	}
}
