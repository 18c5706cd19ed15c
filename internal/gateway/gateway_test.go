package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/service/sts"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/onepiece"
)

const (
	account = "123456789012"
	root    = "arn:aws:iam::123456789012:root"
	region  = "us-west-2"
)

var rootKey = credential.Key{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

// gate is a gateway that listens, and the log that it writes.
type gate struct {
	url string
	log *logbook
}

// logbook keeps what is logged; handlers may still write while a test reads.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lines returns the log's lines with that message. The server is closed
// first, so that the last call has been written.
func (l *logbook) lines(t *testing.T, msg string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

func service(t *testing.T, name string, ops ...wire.Operation) *wire.Service {
	t.Helper()
	s, err := wire.NewService(name, ops...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open starts a gateway with STS, an ECS and an EC2 that only list, and
// whatever change adds. done closes it.
func open(t *testing.T, change func(*Config)) (g gate, done func()) {
	t.Helper()
	g.log = &logbook{}
	cfg := Config{
		Region: region,
		Keys:   credential.Root{Key: rootKey, Account: account},
		Log:    slog.New(slog.NewJSONHandler(g.log, nil)),
		Services: []*wire.Service{
			service(t, "sts", sts.New(sts.Config{}).Operations()...),
			service(t, "ecs",
				wire.Op("DescribeClusters", func(context.Context, *awsecs.DescribeClustersInput) (*awsecs.DescribeClustersOutput, error) {
					return nil, awserr.New("ClusterNotFoundException", "Cluster not found.")
				}).On("cluster: clusters=default").Takes("*"),
				wire.Op("ListClusters", func(ctx context.Context, _ *awsecs.ListClustersInput) (*awsecs.ListClustersOutput, error) {
					return &awsecs.ListClustersOutput{ClusterArns: []string{caller.From(ctx).ARN}}, nil
				}).Takes("*"),
				wire.Op("DeleteCluster", func(context.Context, *awsecs.DeleteClusterInput) (*awsecs.DeleteClusterOutput, error) {
					return nil, errors.New("the disk said hush-hush")
				}).On("cluster: cluster").Takes("*"),
				wire.Op("CreateCluster", func(context.Context, *awsecs.CreateClusterInput) (*awsecs.CreateClusterOutput, error) {
					panic("out of cheese")
				}).Makes("cluster: clusterName=default").Takes("*").Lacks("ecs:capacity-provider ecs:fargate-ephemeral-storage-kms-key", "")),
			service(t, "ec2",
				wire.Op("DescribeVpcs", func(context.Context, *awsec2.DescribeVpcsInput) (*awsec2.DescribeVpcsOutput, error) {
					return &awsec2.DescribeVpcsOutput{}, nil
				}).Takes("*")),
		},
	}
	if change != nil {
		change(&cfg)
	}
	srv := httptest.NewServer(New(cfg))
	t.Cleanup(srv.Close)
	g.url = srv.URL
	return g, srv.Close
}

func awsConfig(g gate, k credential.Key, in string) aws.Config {
	return aws.Config{
		Region: in, BaseEndpoint: &g.url, RetryMaxAttempts: 1, HTTPClient: onepiece.Client(http.DefaultTransport),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey}, nil
		}),
	}
}

func TestSDKClientsGetIn(t *testing.T) {
	t.Parallel()
	g, done := open(t, nil)
	who, err := awssts.NewFromConfig(awsConfig(g, rootKey, region)).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != root || *who.Account != account || *who.UserId != account {
		t.Fatalf("caller identity: %+v, %v", who, err)
	}
	list, err := awsecs.NewFromConfig(awsConfig(g, rootKey, region)).ListClusters(t.Context(), &awsecs.ListClustersInput{})
	if err != nil || len(list.ClusterArns) != 1 || list.ClusterArns[0] != root {
		t.Errorf("clusters: %+v, %v, want the caller's ARN", list, err)
	}
	if _, err := awsec2.NewFromConfig(awsConfig(g, rootKey, region)).DescribeVpcs(t.Context(), &awsec2.DescribeVpcsInput{}); err != nil {
		t.Errorf("VPCs: %v", err)
	}
	// STS has been a global service; clients may still take it for one.
	if _, err := awssts.NewFromConfig(awsConfig(g, rootKey, "us-east-1")).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("as a global service: %v", err)
	}
	done()
	lines := g.log.lines(t, "call")
	if len(lines) != 4 {
		t.Fatalf("%d audit lines, want 4", len(lines))
	}
	for key, want := range map[string]any{
		"caller": root, "access_key": rootKey.AccessKeyID, "service": "sts", "action": "GetCallerIdentity", "judged": "sts:GetCallerIdentity",
		"resource": "*", "code": "OK", "status": 200.0, "client": "127.0.0.1",
	} {
		if lines[0][key] != want {
			t.Errorf("audit line: %s is %v, want %v", key, lines[0][key], want)
		}
	}
}

// TestRefused pins code and status in each protocol.
func TestRefused(t *testing.T) {
	t.Parallel()
	g, done := open(t, nil)
	wrongSecret, wrongKey := rootKey, rootKey
	wrongSecret.SecretAccessKey += "x"
	wrongKey.AccessKeyID = "AKIANOBODY"
	calls := map[string]func(aws.Config) error{
		"sts": func(c aws.Config) error {
			_, err := awssts.NewFromConfig(c).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
			return err
		},
		"ecs": func(c aws.Config) error {
			_, err := awsecs.NewFromConfig(c).ListClusters(t.Context(), &awsecs.ListClustersInput{})
			return err
		},
		"ec2": func(c aws.Config) error {
			_, err := awsec2.NewFromConfig(c).DescribeVpcs(t.Context(), &awsec2.DescribeVpcsInput{})
			return err
		},
	}
	token := func(c *aws.Config) {
		c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: rootKey.AccessKeyID, SecretAccessKey: rootKey.SecretAccessKey, SessionToken: "token"}, nil
		})
	}
	for _, tc := range []struct {
		name, service string
		key           credential.Key
		region        string
		change        func(*aws.Config)
		code          string
		status        int
		message       string
	}{
		{"wrong secret", "sts", wrongSecret, region, nil, "SignatureDoesNotMatch", 403, "The request signature we calculated does not match"},
		{"wrong secret", "ecs", wrongSecret, region, nil, "InvalidSignatureException", 400, "The request signature we calculated does not match"},
		{"wrong secret", "ec2", wrongSecret, region, nil, "AuthFailure", 401, "The request signature we calculated does not match"},
		{"wrong key", "sts", wrongKey, region, nil, "InvalidClientTokenId", 403, "The security token included in the request is invalid."},
		{"wrong key", "ecs", wrongKey, region, nil, "UnrecognizedClientException", 400, "The security token included in the request is invalid."},
		{"wrong key", "ec2", wrongKey, region, nil, "AuthFailure", 401, "AWS was not able to validate the provided access credentials"},
		{"session token", "sts", rootKey, region, token, "InvalidClientTokenId", 403, "The security token"},
		{"another region", "ecs", rootKey, "eu-west-1", nil, "InvalidSignatureException", 400, "Credential should be scoped to a valid region, not 'eu-west-1'."},
		{"another region", "ec2", rootKey, "eu-west-1", nil, "AuthFailure", 401, "Credential should be scoped to a valid region, not 'eu-west-1'."},
	} {
		cfg := awsConfig(g, tc.key, tc.region)
		if tc.change != nil {
			tc.change(&cfg)
		}
		err := calls[tc.service](cfg)
		check(t, tc.service+", "+tc.name, err, tc.code, tc.status, tc.message)
	}
	done()
	if s := g.log.String(); strings.Contains(s, rootKey.SecretAccessKey) || strings.Contains(s, "Signature=") {
		t.Errorf("the log has a secret:\n%s", s)
	}
}

func check(t *testing.T, name string, err error, code string, status int, message string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Errorf("%s: %v, want %s", name, err, code)
		return
	}
	response, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
		ServiceRequestID() string
	}](err)
	if !ok || response.HTTPStatusCode() != status || response.ServiceRequestID() == "" {
		t.Errorf("%s: %v, want status %d and a request id", name, err, status)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("%s: %s: %s, want %s: %s", name, api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

func TestHandlersErrors(t *testing.T) {
	t.Parallel()
	g, done := open(t, nil)
	client := awsecs.NewFromConfig(awsConfig(g, rootKey, region))
	_, err := client.DescribeClusters(t.Context(), &awsecs.DescribeClustersInput{Clusters: []string{"web"}})
	check(t, "a service's error", err, "ClusterNotFoundException", 400, "Cluster not found.")
	_, err = client.DeleteCluster(t.Context(), &awsecs.DeleteClusterInput{Cluster: new("web")})
	check(t, "a fault", err, "ServerException", 500, "")
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("a fault's cause left the building: %v", err)
	}
	_, err = client.CreateCluster(t.Context(), &awsecs.CreateClusterInput{ClusterName: new("web")})
	check(t, "a panic", err, "InternalFailure", 500, "unknown error")
	_, err = client.ListServices(t.Context(), &awsecs.ListServicesInput{})
	if api, ok := errors.AsType[smithy.APIError](err); !ok || !strings.Contains(api.ErrorMessage(), "ListServices") {
		t.Errorf("an operation that is not there: %v, want one that names it", err)
	}
	done()
	if l := g.log.lines(t, "call failed"); len(l) != 1 || l[0]["err"] != "the disk said hush-hush" {
		t.Errorf("faults in the log: %v", l)
	}
	if l := g.log.lines(t, "panic"); len(l) != 1 || l[0]["err"] != "out of cheese" || !strings.Contains(fmt.Sprint(l[0]["stack"]), "gateway_test.go") {
		t.Errorf("panics in the log: %v", l)
	}
	calls := g.log.lines(t, "call")
	if len(calls) != 4 || calls[1]["code"] != "ServerException" || calls[1]["resource"] != "arn:aws:ecs:"+region+":"+account+":cluster/web" || calls[2]["status"] != 500.0 || calls[3]["action"] != "ListServices" {
		t.Errorf("audit lines: %v", calls)
	}
}

// signed makes a request that is signed by hand.
func signed(t *testing.T, method, url, service string, header http.Header, body string, at time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	creds := aws.Credentials{AccessKeyID: rootKey.AccessKeyID, SecretAccessKey: rootKey.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hash(body), service, region, at); err != nil {
		t.Fatal(err)
	}
	return r
}

func hash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func send(t *testing.T, r *http.Request) (status int, body string, header http.Header) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestRawRequests(t *testing.T) {
	t.Parallel()
	g, _ := open(t, func(c *Config) { c.MaxBody = 1000 })
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	unsigned := func(method, path, body string, header http.Header) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, g.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header.Clone()
		return r
	}
	const identity = "Action=GetCallerIdentity&Version=2011-06-15"
	for name, tc := range map[string]struct {
		r      *http.Request
		status int
		want   string
	}{
		"a browser":             {unsigned("GET", "/", "", http.Header{}), 403, "<Code>MissingAuthenticationToken</Code>"},
		"unsigned query":        {unsigned("POST", "/", identity, form), 403, "<Code>MissingAuthenticationToken</Code>"},
		"unsigned JSON":         {unsigned("POST", "/", "{}", http.Header{"X-Amz-Target": {"A.B"}}), 400, "MissingAuthenticationTokenException"},
		"unsigned EC2":          {unsigned("GET", "/?Action=DescribeVpcs&Version=2016-11-15", "", http.Header{}), 403, "<Code>MissingAuthenticationToken</Code>"},
		"a form in the query":   {signed(t, "GET", g.url+"/?"+identity, "sts", nil, "", time.Now()), 200, root},
		"expired, query":        {signed(t, "POST", g.url+"/", "sts", form, identity, time.Now().Add(-16*time.Minute)), 403, "<Code>SignatureDoesNotMatch</Code>"},
		"expired, JSON":         {signed(t, "POST", g.url+"/", "ecs", nil, "{}", time.Now().Add(-16*time.Minute)), 400, "Signature expired: "},
		"expired, EC2":          {signed(t, "POST", g.url+"/", "ec2", form, "Action=DescribeVpcs", time.Now().Add(-16*time.Minute)), 400, "<Code>RequestExpired</Code>"},
		"from the future":       {signed(t, "POST", g.url+"/", "sts", form, identity, time.Now().Add(16*time.Minute)), 403, "Signature not yet current"},
		"a body too large":      {signed(t, "POST", g.url+"/", "sts", form, strings.Repeat("a", 1001), time.Now()), 413, "RequestEntityTooLarge"},
		"an unknown service":    {signed(t, "POST", g.url+"/", "sqs", form, "Action=ListQueues", time.Now()), 400, "It has: ec2, ecs, sts."},
		"unknown service, JSON": {signed(t, "POST", g.url+"/", "sqs", http.Header{"X-Amz-Target": {"AmazonSQS.ListQueues"}}, "{}", time.Now()), 400, "UnknownOperationException"},
		"basic auth":            {unsigned("POST", "/", identity, http.Header{"Content-Type": form["Content-Type"], "Authorization": {"Basic YTpi"}}), 400, "<Code>IncompleteSignature</Code>"},
	} {
		status, body, header := send(t, tc.r)
		if status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %s\nwant %d with %s", name, status, body, tc.status, tc.want)
		}
		if header.Get("X-Amzn-Requestid") == "" || header.Get("X-Amz-Request-Id") == "" {
			t.Errorf("%s: no request id", name)
		}
	}
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	g, _ := open(t, nil)
	presign := awssts.NewPresignClient(awssts.NewFromConfig(awsConfig(g, rootKey, region)))
	p, err := presign.PresignGetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	// The SDK makes a POST of it, with the form in the query.
	r, err := http.NewRequestWithContext(t.Context(), p.Method, p.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, p.SignedHeader)
	if status, body, _ := send(t, r); status != 200 || !strings.Contains(body, root) {
		t.Errorf("presigned %s: %d %s", p.Method, status, body)
	}
	// As curl would, from a URL alone.
	creds := aws.Credentials{AccessKeyID: rootKey.AccessKeyID, SecretAccessKey: rootKey.SecretAccessKey}
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	url, _, err := v4.NewSigner().PresignHTTP(t.Context(), creds, get, hash(""), "sts", region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if get, err = http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody); err != nil {
		t.Fatal(err)
	}
	if status, body, _ := send(t, get); status != 200 || !strings.Contains(body, root) {
		t.Errorf("presigned GET: %d %s", status, body)
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s by %q: %s", r.Method, r.URL.Path, caller.From(r.Context()).ARN, b)
	})
	g, done := open(t, func(c *Config) {
		c.Mounts = []Mount{{Prefix: "/v2/", Handler: echo}, {Prefix: "/skylift/", Service: "skylift", Handler: echo}}
	})
	get := func(path string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, tc := range map[string]struct {
		r      *http.Request
		status int
		want   string
	}{
		"open":               {get("/v2/"), 200, `GET /v2/ by "": `},
		"open, no slash":     {get("/v2"), 200, `GET /v2 by "": `},
		"signed":             {signed(t, "PUT", g.url+"/skylift/v1/status?x=1", "skylift", nil, "hi", time.Now()), 200, `PUT /skylift/v1/status by "` + root + `": hi`},
		"unsigned":           {get("/skylift/v1/status"), 400, "MissingAuthenticationTokenException"},
		"signed for another": {signed(t, "GET", g.url+"/skylift/v1/status", "ecs", nil, "", time.Now()), 400, "correct service: 'skylift'"},
	} {
		if status, body, _ := send(t, tc.r); status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %s\nwant %d with %s", name, status, body, tc.status, tc.want)
		}
	}
	done()
	if n := len(g.log.lines(t, "call")); n != 3 {
		t.Errorf("%d audit lines, want one for each request to the signed mount", n)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var notReady error
	g, _ := open(t, func(c *Config) { c.Ready = func(context.Context) error { return notReady } })
	probe := func(method, path string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, g.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		status, body, _ := send(t, r)
		return status, body
	}
	notReady = errors.New("the store is starting")
	if status, body := probe("GET", "/readyz"); status != 503 || body != "not ready: the store is starting\n" {
		t.Errorf("readyz while starting: %d %s", status, body)
	}
	if status, body := probe("GET", "/livez"); status != 200 || body != "ok\n" {
		t.Errorf("livez: %d %s", status, body)
	}
	notReady = nil
	if status, body := probe("GET", "/readyz"); status != 200 || body != "ok\n" {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, _ := probe("POST", "/livez"); status != 405 {
		t.Errorf("POST: %d", status)
	}
}
