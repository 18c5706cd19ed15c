package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	exampleKey    = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func exampleWant() Want {
	return Want{Secret: exampleSecret, Regions: []string{"us-east-1"}, Service: "service", Now: exampleTime}
}

// TestPublishedSuite holds us to the signatures that AWS published for its
// odd cases.
func TestPublishedSuite(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, target string
		header         [][2]string
		body           string
		signed, mac    string
	}{
		"vanilla":                 {"GET", "/", nil, "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"query order by key case": {"GET", "/?Param2=value2&Param1=value1", nil, "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		"utf-8 path":              {"GET", "/\u1234", nil, "", "host;x-amz-date", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		"unreserved":              {"GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", nil, "", "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		"relative path":           {"GET", "/example/..", nil, "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"slash":                   {"GET", "//", nil, "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"slash dot slash":         {"GET", "/./", nil, "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"header value trim":       {"GET", "/", [][2]string{{"My-Header1", " value1"}, {"My-Header2", ` "a   b   c"`}}, "", "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		"header value order":      {"GET", "/", [][2]string{{"My-Header1", "value4"}, {"My-Header1", "value1"}, {"My-Header1", "value3"}, {"My-Header1", "value2"}}, "", "host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
		"post":                    {"POST", "/", nil, "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		"post form":               {"POST", "/", [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}}, "Param1=value1", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	} {
		r := httptest.NewRequest(tc.method, tc.target, strings.NewReader(tc.body))
		r.Host = "example.amazonaws.com"
		for _, h := range tc.header {
			r.Header.Add(h[0], h[1])
		}
		r.Header.Set("X-Amz-Date", "20150830T123600Z")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="+tc.signed+", Signature="+tc.mac)
		if err := verify(r, tc.body, exampleWant()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func verify(r *http.Request, body string, w Want) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	return s.Verify(r, []byte(body), w)
}

// TestAgainstSDK signs random requests with the SDK's own signer: each must
// be accepted, and no longer once anything of it changes.
func TestAgainstSDK(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		presign := rng.IntN(2) == 0
		r, body := signedBySDK(t, rng, presign)
		w := exampleWant()
		w.Now = exampleTime.Add(time.Duration(rng.IntN(29*60)-14*60) * time.Second)
		if presign {
			w.Now = exampleTime.Add(time.Duration(rng.IntN(55)) * time.Second)
		}
		if err := verify(r, body, w); err != nil {
			t.Fatalf("seed %d: %s %s: %v", seed, r.Method, r.RequestURI, err)
		}
		for what, change := range map[string]func(r *http.Request, body *string, w *Want){
			"method": func(r *http.Request, _ *string, _ *Want) { r.Method = "PATCH" },
			"path":   func(r *http.Request, _ *string, _ *Want) { r.URL.Path, r.URL.RawPath = r.URL.Path+"x", "" },
			"query":  func(r *http.Request, _ *string, _ *Want) { r.URL.RawQuery += "&Extra=1" },
			"host":   func(r *http.Request, _ *string, _ *Want) { r.Host = "evil.example" },
			"body":   func(_ *http.Request, b *string, _ *Want) { *b += "x" },
			"secret": func(_ *http.Request, _ *string, w *Want) { w.Secret += "x" },
		} {
			r2, b2, w2 := r.Clone(t.Context()), body, w
			change(r2, &b2, &w2)
			if err := verify(r2, b2, w2); kind(err) != Mismatch {
				t.Fatalf("seed %d: %s changed: %v, want a mismatch", seed, what, err)
			}
		}
	}
}

func kind(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// signedBySDK makes a random request, signs it and passes it through the form
// that the wire gives it.
func signedBySDK(t *testing.T, rng *rand.Rand, presign bool) (*http.Request, string) {
	t.Helper()
	words := []string{"a", "B", "%", " ", "+", "/", "=", "&", "é", "漢", "~", "*", "'", ";", ":", "$", "x y", "0"}
	word := func() (s string) {
		for range rng.IntN(5) {
			s += words[rng.IntN(len(words))]
		}
		return s
	}
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:4566", Path: "/"}
	for range rng.IntN(3) {
		u = u.JoinPath(url.PathEscape("p" + word()))
	}
	q := url.Values{}
	for range rng.IntN(5) {
		q.Add("k"+word(), word())
	}
	if presign {
		q.Set("X-Amz-Expires", "60")
	}
	u.RawQuery = q.Encode()
	body := ""
	if !presign || rng.IntN(2) == 0 {
		body = word()
	}
	req, err := http.NewRequestWithContext(t.Context(), []string{"GET", "POST", "PUT"}[rng.IntN(3)], u.String(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "Thing.Do")
	req.Header.Add("X-Thing", "  two   words ")
	req.Header.Add("X-Thing", "again")
	sum := sha256.Sum256([]byte(body))
	creds := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret}
	hash := hex.EncodeToString(sum[:])
	if !presign {
		if rng.IntN(2) == 0 {
			req.Header.Set("X-Amz-Content-Sha256", hash)
		}
		if err := v4.NewSigner().SignHTTP(t.Context(), creds, req, hash, "service", "us-east-1", exampleTime); err != nil {
			t.Fatal(err)
		}
	} else {
		signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), creds, req, hash, "service", "us-east-1", exampleTime)
		if err != nil {
			t.Fatal(err)
		}
		if req.URL, err = url.Parse(signed); err != nil {
			t.Fatal(err)
		}
		req.Header = header // the others are in the query now
	}
	return overTheWire(t, req), body
}

func overTheWire(t *testing.T, req *http.Request) *http.Request {
	t.Helper()
	var raw bytes.Buffer
	if err := req.Write(&raw); err != nil {
		t.Fatal(err)
	}
	return readRequest(t, raw.String())
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const good = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	presigned := func(changes ...string) string {
		q := url.Values{
			"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {"AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"},
			"X-Amz-Date": {"20150830T123600Z"}, "X-Amz-Expires": {"60"}, "X-Amz-SignedHeaders": {"host"}, "X-Amz-Signature": {"00"},
		}
		for i := 0; i < len(changes); i += 2 {
			q.Set(changes[i], changes[i+1])
		}
		return "/?" + q.Encode()
	}
	for name, tc := range map[string]struct {
		target, auth, date string
		header             [2]string
		late               time.Duration
		kind               Kind
		message            string
	}{
		"unsigned":           {"/", "", "", [2]string{}, 0, Missing, "Request is missing Authentication Token"},
		"basic auth":         {"/", "Basic YTpi", "20150830T123600Z", [2]string{}, 0, Incomplete, "requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		"no date":            {"/", good, "", [2]string{}, 0, Incomplete, "either a 'X-Amz-Date' or a 'Date' header"},
		"bad date":           {"/", good, "yesterday", [2]string{}, 0, Incomplete, "Got 'yesterday'"},
		"sigv4a":             {"/", strings.Replace(good, "HMAC", "ECDSA-P256", 1), "20150830T123600Z", [2]string{}, 0, Incomplete, "algorithm"},
		"short credential":   {"/", strings.Replace(good, "/service", "", 1), "20150830T123600Z", [2]string{}, 0, Incomplete, "exactly 5"},
		"bad terminator":     {"/", strings.Replace(good, "aws4_request", "aws5", 1), "20150830T123600Z", [2]string{}, 0, Mismatch, "valid terminator: 'aws4_request', not 'aws5'"},
		"another region":     {"/", strings.Replace(good, "us-east-1", "eu-west-1", 1), "20150830T123600Z", [2]string{}, 0, Region, "Credential should be scoped to a valid region, not 'eu-west-1'."},
		"another service":    {"/", strings.Replace(good, "/service/", "/other/", 1), "20150830T123600Z", [2]string{}, 0, Mismatch, "correct service: 'service'"},
		"another day":        {"/", strings.Replace(good, "20150830/", "20150829/", 1), "20150830T123600Z", [2]string{}, 0, Mismatch, "'20150829' != '20150830', from '20150830T123600Z'"},
		"late":               {"/", good, "20150830T123600Z", [2]string{}, 15*time.Minute + time.Second, Expired, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"},
		"early":              {"/", good, "20150830T123600Z", [2]string{}, -15*time.Minute - time.Second, Expired, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"},
		"host not signed":    {"/", strings.Replace(good, "host;", "", 1), "20150830T123600Z", [2]string{}, 0, Mismatch, "'Host' or ':authority' must be"},
		"target not signed":  {"/", good, "20150830T123600Z", [2]string{"X-Amz-Target", "Thing.Do"}, 0, Mismatch, "'X-Amz-Target' must be"},
		"unsigned payload":   {"/", good, "20150830T123600Z", [2]string{"X-Amz-Content-Sha256", UnsignedPayload}, 0, Mismatch, "must be signed"},
		"wrong hash":         {"/", good, "20150830T123600Z", [2]string{"X-Amz-Content-Sha256", "00"}, 0, Mismatch, "x-amz-content-sha256"},
		"wrong signature":    {"/", good[:len(good)-1], "20150830T123600Z", [2]string{}, 0, Mismatch, "The Canonical String for this request should have been\n'GET\n/\n\nhost:example.amazonaws.com\n"},
		"presigned late":     {presigned(), "", "", [2]string{}, 61 * time.Second, Outdated, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T123701Z - 1 min.)"},
		"presigned early":    {presigned(), "", "", [2]string{}, -16 * time.Minute, NotYet, "not yet current"},
		"presigned too long": {presigned("X-Amz-Expires", "604801"), "", "", [2]string{}, 0, Incomplete, "between 1 and 604800"},
		"presigned, never":   {presigned("X-Amz-Expires", ""), "", "", [2]string{}, 0, Incomplete, "between 1 and 604800"},
		"presigned twice":    {presigned() + "&X-Amz-Signature=11", "", "", [2]string{}, 0, Incomplete, "'X-Amz-Signature' must be given once"},
		"presigned, no algo": {presigned("X-Amz-Algorithm", ""), "", "", [2]string{}, 0, Incomplete, "must include 'X-Amz-Algorithm'"},
		"presigned, sigv4a":  {presigned("X-Amz-Algorithm", "AWS4-ECDSA"), "", "", [2]string{}, 0, Incomplete, "algorithm"},
	} {
		r := httptest.NewRequest(http.MethodGet, tc.target, http.NoBody)
		r.Host = "example.amazonaws.com"
		for k, v := range map[string]string{"Authorization": tc.auth, "X-Amz-Date": tc.date, tc.header[0]: tc.header[1]} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		w := exampleWant()
		w.Now = exampleTime.Add(tc.late)
		err := verify(r, "", w)
		if kind(err) != tc.kind || !strings.Contains(err.Error(), tc.message) {
			t.Errorf("%s: got %v, want %s with %q", name, err, tc.kind, tc.message)
		}
	}
}

// TestRefusesWhatIsThereTwice: nothing of a signature is chosen from several, or
// passed over.
func TestRefusesWhatIsThereTwice(t *testing.T) {
	t.Parallel()
	const good = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
	headers := func(auth ...string) http.Header {
		return http.Header{"Authorization": auth, "X-Amz-Date": {"20150830T123600Z"}}
	}
	with := func(name string, values ...string) http.Header {
		h := headers(good)
		h[name] = values
		return h
	}
	for name, tc := range map[string]struct {
		header  http.Header
		message string
	}{
		"a second credential":      {headers(good + ", Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"), "'Credential' parameter once"},
		"an empty credential more": {headers(strings.Replace(good, "Credential=", "Credential=, Credential=", 1)), "'Credential' parameter once"},
		"a second signature":       {headers(good + ",Signature=00"), "'Signature' parameter once"},
		"a second list":            {headers(good + ",SignedHeaders=host"), "'SignedHeaders' parameter once"},
		"something else":           {headers(good + ", Junk=1"), "no 'Junk' parameter"},
		"no pair":                  {headers(good + ", junk"), "'junk' not a valid key=value pair (missing equal-sign)"},
		"half a megabyte":          {headers(good + ", Junk=" + strings.Repeat("x", 500_000)), "at most 8192 bytes"},
		"half a megabyte of names": {headers(strings.Replace(good, "host;", "host;"+strings.Repeat("x;", 250_000), 1)), "at most 8192 bytes"},
		"a second header":          {headers(good, good), "'Authorization' header must be given once"},
		"a second date":            {with("X-Amz-Date", "20150830T123600Z", "20150830T123600Z"), "'X-Amz-Date' header must be given once"},
		"a second token":           {with("X-Amz-Security-Token", "a", "b"), "'X-Amz-Security-Token' header must be given once"},
		"a second hash":            {with("X-Amz-Content-Sha256", "a", "b"), "'X-Amz-Content-Sha256' header must be given once"},
		"a name twice":             {headers(strings.Replace(good, "host;", "host;Host;", 1)), "each header once, not 'host'"},
		"no name":                  {headers(strings.Replace(good, "host;", "host;;", 1)), "each header once, not ''"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host, r.Header = "example.amazonaws.com", tc.header
		err := verify(r, "", exampleWant())
		if kind(err) != Incomplete || !strings.Contains(err.Error(), tc.message) || len(err.Error()) > 1000 {
			t.Errorf("%s: got %.300v, want %s with %q", name, err, Incomplete, tc.message)
		}
	}
	for _, name := range []string{"X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-Credential"} {
		r := httptest.NewRequest(http.MethodGet, "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0&"+name+"=a&"+name+"=b", http.NoBody)
		if _, err := Parse(r); kind(err) != Incomplete || !strings.Contains(err.Error(), "'"+name+"' must be given once") {
			t.Errorf("presigned, %s twice: %v", name, err)
		}
	}
}

func TestSessionTokenIsRead(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	creds := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, SessionToken: "tok/en"}
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, req, "", "service", "us-east-1", exampleTime); err != nil {
		t.Fatal(err)
	}
	if s, err := Parse(req); err != nil || s.SessionToken != "tok/en" {
		t.Errorf("header: %+v, %v", s, err)
	}
	req = httptest.NewRequest(http.MethodGet, "/?X-Amz-Expires=60", http.NoBody)
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), creds, req, "", "service", "us-east-1", exampleTime)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Parse(httptest.NewRequest(http.MethodGet, signed, http.NoBody)); err != nil || s.SessionToken != "tok/en" {
		t.Errorf("presigned: %+v, %v", s, err)
	}
}

func TestNamesOnTheWire(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind   Kind
		d      Dialect
		code   string
		status int
	}{
		{Missing, Query, "MissingAuthenticationToken", 403},
		{Missing, JSON, "MissingAuthenticationTokenException", 400},
		{Missing, EC2, "MissingAuthenticationToken", 403},
		{Incomplete, Query, "IncompleteSignature", 400},
		{Incomplete, JSON, "IncompleteSignatureException", 400},
		{Incomplete, EC2, "IncompleteSignature", 400},
		{UnknownKey, Query, "InvalidClientTokenId", 403},
		{UnknownKey, JSON, "UnrecognizedClientException", 400},
		{UnknownKey, EC2, "AuthFailure", 401},
		{BadToken, Query, "InvalidClientTokenId", 403},
		{BadToken, JSON, "UnrecognizedClientException", 400},
		{BadToken, EC2, "AuthFailure", 401},
		{BadToken, S3, "InvalidToken", 400},
		{OldToken, Query, "ExpiredToken", 403},
		{OldToken, JSON, "ExpiredTokenException", 400},
		{OldToken, EC2, "RequestExpired", 400},
		{OldToken, S3, "ExpiredToken", 400},
		{Mismatch, Query, "SignatureDoesNotMatch", 403},
		{Mismatch, JSON, "InvalidSignatureException", 400},
		{Mismatch, EC2, "AuthFailure", 401},
		{Expired, Query, "SignatureDoesNotMatch", 403},
		{Expired, JSON, "InvalidSignatureException", 400},
		{Expired, EC2, "RequestExpired", 400},
		{Missing, S3, "AccessDenied", 403},
		{Incomplete, S3, "AuthorizationHeaderMalformed", 400},
		{UnknownKey, S3, "InvalidAccessKeyId", 403},
		{Mismatch, S3, "SignatureDoesNotMatch", 403},
		{Expired, S3, "RequestTimeTooSkewed", 403},
	} {
		if got := (&Error{Kind: tc.kind}).For(tc.d); got.Code != tc.code || got.Status != tc.status {
			t.Errorf("%s in %s: %s %d, want %s %d", tc.kind, tc.d, got.Code, got.Status, tc.code, tc.status)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "", "", "")
	f.Add("POST", "/a/../%zz?b=%q&;=;", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;;content-length, Signature=5f", "20150830T123600Z", "body")
	f.Add("GET", "/", "AWS4-HMAC-SHA256 Credential=,,=,Signature", "x", "")
	f.Fuzz(func(t *testing.T, method, target, auth, date, body string) {
		path, query, _ := strings.Cut(target, "?")
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawPath: path, RawQuery: query}, Header: http.Header{
			"Authorization": {auth}, "X-Amz-Date": {date},
		}}
		if err := verify(r, body, exampleWant()); err == nil && !strings.Contains(auth+query, exampleKey) {
			t.Errorf("accepted %s %s %q", method, target, auth)
		} else if err != nil && kind(err) == "" {
			t.Errorf("error %v is not an *Error", err)
		}
	})
}

func Example() {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	_, err := Parse(r)
	e, _ := errors.AsType[*Error](err)
	a := e.For(Query)
	fmt.Println(strconv.Itoa(a.Status), a.Code)
	// Output: 403 MissingAuthenticationToken
}

func readRequest(t *testing.T, raw string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
