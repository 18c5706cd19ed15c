package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/smithy-go"
)

// stage is the one instance that the API tests share, with the probe's image
// in its registry, a security group that lets everybody in, and the log group
// /probe.
type stage struct {
	*skylift
	*clients
	cfg aws.Config

	account, vpcID, open string
	registry, image      string // the registry's host; the probe
}

var theStage = sync.OnceValues(func() (*stage, error) {
	dir, err := os.MkdirTemp("", "skylift-e2e-stage-")
	if err != nil {
		return nil, err
	}
	in, err := newSkylift(dir, "--log-format=json")
	if err != nil {
		return nil, err
	}
	later(func() error { return errors.Join(in.purge(), os.RemoveAll(dir)) })
	return &stage{skylift: in}, nil
})

var setStage sync.Once

// onStage returns the shared instance, which the first to ask for it starts.
func onStage(t *testing.T) *stage {
	t.Helper()
	need(t)
	s, err := theStage()
	if err != nil {
		t.Fatal(err)
	}
	setStage.Do(func() {
		s.serve(t)
		s.set(t)
	})
	if s.image == "" {
		t.Fatal("the shared instance could not be set up: see the first test that needed it")
	}
	return s
}

func (s *stage) set(t *testing.T) {
	t.Helper()
	s.clients = s.skylift.clients()
	s.cfg = aws.Config{Region: region, BaseEndpoint: new(s.endpoint()), RetryMaxAttempts: 1, Credentials: keys(s.access["AWS_ACCESS_KEY_ID"], s.access["AWS_SECRET_ACCESS_KEY"])}
	s.account = *must(s.sts.GetCallerIdentity(t.Context(), nil))(t).Account
	s.vpcID = s.vpc(t)
	everybody := ec2types.IpPermission{IpProtocol: new("-1"), IpRanges: []ec2types.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	s.open = s.groupOf(t, "open-to-all", everybody)
	must(s.clients.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("/probe")}))(t)
	s.cluster(t, "default")
	s.pushProbe(t)
}

func (s *stage) endpoint() string { return s.access["AWS_ENDPOINT_URL"] }

// keys are credentials.
func keys(id, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
	})
}

// pushProbe builds the probe and pushes it as probe:latest.
func (s *stage) pushProbe(t *testing.T) {
	t.Helper()
	uri := *must(s.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("probe")}))(t).Repository.RepositoryUri
	s.registry, _, _ = strings.Cut(uri, "/")
	dir := t.TempDir()
	if err := build(filepath.Join(dir, "probe"), "./probe"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.login(t)
	s.dockerRun(t, "build", "-q", "-t", uri+":latest", dir)
	s.dockerRun(t, "push", "-q", uri+":latest")
	s.image = uri + ":latest"
}

// password is what `aws ecr get-login-password` prints.
func (s *stage) password(t *testing.T) string {
	t.Helper()
	out := must(s.ecr.GetAuthorizationToken(t.Context(), nil))(t)
	b := must(base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken))(t)
	_, password, _ := strings.Cut(string(b), ":")
	return password
}

// awsRefused runs an aws command that must fail with that code, and words in
// its message.
func (s *stage) awsRefused(t *testing.T, code, words string, args ...string) {
	t.Helper()
	if c, m := s.awsErr(t, args...); c != code || !strings.Contains(m, words) {
		t.Errorf("aws %s: %s: %s\nwant %s: …%s…", strings.Join(args, " "), c, m, code, words)
	}
}

// refused checks that err is AWS's error of that code, with words in its message.
func refused(t *testing.T, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v\nwant %s: …%s…", err, code, words)
	}
}

// takes waits for what to become true, and says after how long.
func takes(t *testing.T, d time.Duration, what string, true func() bool) time.Duration {
	t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if true() {
			return time.Since(start)
		}
		if time.Since(start) > d {
			t.Fatalf("not within %s: %s", d, what)
		}
	}
}

// browser speaks to load balancers by their names, and to tasks.
func (s *stage) browser() *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, _ := net.SplitHostPort(addr); strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".test") {
				addr = net.JoinHostPort(s.lb, port)
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask returns the status and the body that url answers with; 0 and the error
// when it doesn't.
func (s *stage) ask(url string) (int, string) {
	res, err := s.browser().Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, b.String()
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// readLines sends each line of r, and closes the channel at the end.
func readLines(r io.Reader, lines chan<- string) {
	defer close(lines)
	for in := bufio.NewScanner(r); in.Scan(); {
		lines <- in.Text()
	}
}
