package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestGateway(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("caller", s.testCaller)
	t.Run("keys", s.testKeys)
	t.Run("time", s.testSigningTime)
	t.Run("presigned", s.testPresigned)
	t.Run("unsigned", s.testUnsigned)
	t.Run("bodies", s.testBodies)
	t.Run("unfinished", s.testUnfinished)
	t.Run("unknown", s.testUnknown)
	t.Run("audit", s.testAudit)
}

func (s *stage) testCaller(t *testing.T) {
	t.Parallel()
	if got, want := s.aws(t, "sts", "get-caller-identity", "--query", "[Account,Arn]", "--output", "text"), s.account+"\tarn:aws:iam::"+s.account+":root"; got != want {
		t.Errorf("get-caller-identity: %q, want %q", got, want)
	}
}

// signedBy returns the configuration with other keys.
func (s *stage) signedBy(key, secret string) aws.Config {
	cfg := s.cfg.Copy()
	cfg.Credentials = keys(key, secret)
	return cfg
}

// Each protocol has its own words for a key that nobody has and for a
// signature that is not the caller's.
func (s *stage) testKeys(t *testing.T) {
	t.Parallel()
	calls := func(cfg aws.Config) (json, query, ec2query error) {
		_, json = ecs.NewFromConfig(cfg).ListClusters(t.Context(), &ecs.ListClustersInput{})
		_, query = elb.NewFromConfig(cfg).DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{})
		_, ec2query = ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
		return json, query, ec2query
	}
	json, query, ec2query := calls(s.signedBy("AKIAIOSFODNN7EXAMPLE", s.access["AWS_SECRET_ACCESS_KEY"]))
	refused(t, json, "UnrecognizedClientException", "The security token included in the request is invalid")
	refused(t, query, "InvalidClientTokenId", "The security token included in the request is invalid")
	refused(t, ec2query, "AuthFailure", "not able to validate the provided access credentials")
	json, query, ec2query = calls(s.signedBy(s.access["AWS_ACCESS_KEY_ID"], "wrong"))
	refused(t, json, "InvalidSignatureException", "The request signature we calculated does not match")
	refused(t, query, "SignatureDoesNotMatch", "The request signature we calculated does not match")
	refused(t, ec2query, "AuthFailure", "")
}

// post signs a call of an API as of at and sends it.
func (s *stage) post(t *testing.T, service, target, body string, at time.Time) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.endpoint()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if target != "" {
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", target)
	}
	if !at.IsZero() {
		s.sign(t, r, service, body, at)
	}
	return send(t, r)
}

func (s *stage) sign(t *testing.T, r *http.Request, service, body string, at time.Time) {
	t.Helper()
	creds := aws.Credentials{AccessKeyID: s.access["AWS_ACCESS_KEY_ID"], SecretAccessKey: s.access["AWS_SECRET_ACCESS_KEY"]}
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, sha256Hex(body), service, region, at); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, r *http.Request) (int, http.Header, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

const listClusters = "AmazonEC2ContainerServiceV20141113.ListClusters"

func (s *stage) testSigningTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for shift, ok := range map[time.Duration]bool{-14 * time.Minute: true, 14 * time.Minute: true, -16 * time.Minute: false, 16 * time.Minute: false} {
		code, _, body := s.post(t, "ecs", listClusters, "{}", now.Add(shift))
		if ok != (code == 200) || !ok && !strings.Contains(body, "InvalidSignatureException") {
			t.Errorf("signed %s from now: %d %s", shift, code, body)
		}
	}
	code, _, body := s.post(t, "sts", "", "Action=GetCallerIdentity&Version=2011-06-15", now.Add(-16*time.Minute))
	if code != 403 && code != 400 || !strings.Contains(body, "<Code>SignatureDoesNotMatch</Code>") || !strings.Contains(body, "Signature expired") {
		t.Errorf("expired query call: %d %s", code, body)
	}
}

func (s *stage) testPresigned(t *testing.T) {
	t.Parallel()
	presigner := sts.NewPresignClient(s.sts)
	r := must(presigner.PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	code, header, body := s.fetch(t, r.URL)
	if code != 200 || !strings.Contains(body, "<Account>"+s.account+"</Account>") {
		t.Errorf("presigned: %d %s", code, body)
	}
	if header.Get("X-Amzn-Requestid") == "" || !strings.Contains(body, "<RequestId>"+header.Get("X-Amzn-Requestid")+"</RequestId>") {
		t.Errorf("request ids of the header %q and the body differ: %s", header.Get("X-Amzn-Requestid"), body)
	}
	if code, _, body = s.fetch(t, strings.Replace(r.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1)); code != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("presigned, forged: %d %s", code, body)
	}
}

func (s *stage) fetch(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, r)
}

func (s *stage) testUnsigned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, body, want string }{
		{listClusters, "{}", "MissingAuthenticationTokenException"},
		{"", "Action=GetCallerIdentity&Version=2011-06-15", "MissingAuthenticationToken"},
		{"", "Action=DescribeVpcs&Version=2016-11-15", "MissingAuthenticationToken"},
	} {
		code, header, body := s.post(t, "", c.target, c.body, time.Time{})
		if code != 403 && code != 400 || !strings.Contains(body, c.want) {
			t.Errorf("unsigned %s%s: %d %s, want %s", c.target, c.body, code, body, c.want)
		}
		if header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("unsigned %s%s: no request id", c.target, c.body)
		}
	}
}

func (s *stage) testBodies(t *testing.T) {
	t.Parallel()
	huge := `{"x":"` + strings.Repeat("x", 17<<20) + `"}`
	if code, _, body := s.post(t, "ecs", listClusters, huge, time.Now()); code != 413 {
		t.Errorf("17 MiB: %d %s", code, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.endpoint()+"/", strings.NewReader(`{"maxResults":1}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", listClusters)
	s.sign(t, r, "ecs", "{}", time.Now())
	if code, _, body := send(t, r); code != 400 && code != 403 || !strings.Contains(body, "InvalidSignatureException") {
		t.Errorf("another body than was signed: %d %s", code, body)
	}
	if code, _, body := s.post(t, "ecs", listClusters, `{"maxResults":`, time.Now()); code != 400 || !strings.Contains(body, "SerializationException") {
		t.Errorf("half a body: %d %s", code, body)
	}
}

// A request whose body never comes holds no connection.
func (s *stage) testUnfinished(t *testing.T) {
	t.Parallel()
	for _, head := range []string{
		"POST /livez HTTP/1.1", "GET /readyz HTTP/1.1", "POST /v2/ HTTP/1.1", "PUT /v2/x/manifests/y HTTP/1.1", "POST / HTTP/1.1",
		"POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: " + listClusters,
	} {
		for _, framing := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			t.Run(head+" "+framing, func(t *testing.T) {
				t.Parallel()
				nc := must(net.Dial("tcp", s.listen))(t)
				defer nc.Close()
				_ = nc.SetDeadline(time.Now().Add(25 * time.Second)) // a body that is wanted has 30
				if _, err := fmt.Fprintf(nc, "%s\r\nHost: x\r\n%s\r\n\r\n", head, framing); err != nil {
					t.Fatal(err)
				}
				answer, err := io.ReadAll(nc)
				if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
					t.Errorf("%q, %v; want an answer and the end", answer, err)
				}
			})
		}
	}
}

func (s *stage) testUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, target, body, want, name string }{
		{"ecs", "AmazonEC2ContainerServiceV20141113.CreateTaskSet", "{}", "", "CreateTaskSet"},
		{"ecs", "AmazonEC2ContainerServiceV20141113.Nonsense", "{}", "UnknownOperationException", "Nonsense"},
		{"ecs", listClusters, `{"maxResult":1}`, "", "maxResult"},
		{"ec2", "", "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1", "", "RunInstances"},
		{"ec2", "", "Action=DescribeVpcs&Version=2016-11-15&Colour=red", "UnknownParameter", "Colour"},
		{"elasticloadbalancing", "", "Action=DescribeLoadBalancers&Version=2015-12-01&Colour=red", "", "Colour"},
		{"sts", "", "Action=AssumeRoleWithSAML&Version=2011-06-15&RoleArn=x&PrincipalArn=y", "", "AssumeRoleWithSAML"},
		{"sns", "", "Action=ListTopics", "", "sns"},
		{"ecs", listClusters, `{"maxResults":101}`, "", "maxResults"},
	} {
		code, _, body := s.post(t, c.service, c.target, c.body, time.Now())
		if code < 400 || code > 499 || !strings.Contains(body, c.want) || !strings.Contains(body, c.name) {
			t.Errorf("%s %s %s: %d %s\nwant %s naming %s", c.service, c.target, c.body, code, body, c.want, c.name)
		}
	}
}

// Every call leaves one line, in which there is no secret.
func (s *stage) testAudit(t *testing.T) {
	t.Parallel()
	name := "audited-cluster"
	must(s.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: &name}))(t)
	out := must(s.ecs.DeleteCluster(t.Context(), &ecs.DeleteClusterInput{Cluster: &name}))(t)
	if *out.Cluster.Status != "INACTIVE" {
		t.Errorf("deleted cluster is %s", *out.Cluster.Status)
	}
	password := s.password(t)
	var all string
	takes(t, slowest, "the audit has the calls", func() bool {
		b, err := os.ReadFile(s.skylift.logs)
		all = string(b)
		return err == nil && strings.Contains(all, fmt.Sprintf(`"action":"DeleteCluster","judged":"ecs:DeleteCluster","resource":"%s","code":"OK","status":200,"ms":`, *out.Cluster.ClusterArn))
	})
	for _, secret := range []string{s.access["AWS_SECRET_ACCESS_KEY"], password, base64.StdEncoding.EncodeToString([]byte("AWS:" + password))} {
		if strings.Contains(all, secret) {
			t.Error("the log holds a secret")
		}
	}
}
