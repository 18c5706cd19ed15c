package e2e

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// accessLine is the form of a line of an access log
// (https://docs.aws.amazon.com/athena/latest/ug/create-alb-access-logs-table.html).
var accessLine = regexp.MustCompile(`^([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) ([^ ]*)[:-]([0-9]*) ([-.0-9]*) ([-.0-9]*) ([-.0-9]*) (|[-0-9]*) (-|[-0-9]*) ([-0-9]*) ([-0-9]*) "([^ ]*) (.*) (- |[^ ]*)" "([^"]*)" ([A-Z0-9-_]+) ([A-Za-z0-9.-]*) ([^ ]*) "([^"]*)" "([^"]*)" "([^"]*)" ([-.0-9]*) ([^ ]*) "([^"]*)" "([^"]*)" "([^ ]*)" "([^\s]+?)" "([^\s]+)" "([^ ]*)" "([^ ]*)" ?([^ ]*)? ?( .*)?$`)

// TestBalancerLogs turns a balancer's logs on, makes requests, kills Skylift in between and reads what came into the bucket.
func TestBalancerLogs(t *testing.T) {
	t.Parallel()
	need(t)
	s := start(t, "--access-log-interval=2s")
	lb, listener := s.balancer(t, "logged")
	group := s.targetGroup(t, listener, "empty", "empty.test", 7) // has no targets
	account := strings.Split(lb, ":")[4]
	s.aws(t, "s3", "mb", "s3://balancer-logs")
	on := func(kind, prefix string) []string {
		return []string{
			"elbv2", "modify-load-balancer-attributes", "--load-balancer-arn", lb, "--attributes",
			"Key=" + kind + ".s3.enabled,Value=true", "Key=" + kind + ".s3.bucket,Value=balancer-logs", "Key=" + kind + ".s3.prefix,Value=" + prefix,
		}
	}
	code, message := s.awsErr(t, on("access_logs", "web")...)
	if code != "InvalidConfigurationRequest" || !strings.Contains(message, "Access Denied for bucket: balancer-logs. Please check S3bucket permission") {
		t.Fatalf("a bucket without a policy: %s %s", code, message)
	}
	s.aws(t, "s3api", "put-bucket-policy", "--bucket", "balancer-logs", "--policy", fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"logdelivery.elasticloadbalancing.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::balancer-logs/*/AWSLogs/%s/*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::797873946194:root"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::balancer-logs/AWSLogs/%[1]s/*"}]}`, account))
	s.aws(t, on("access_logs", "web")...)
	s.aws(t, on("connection_logs", "")...) // as the account that delivered logs before
	for key, want := range map[string]bool{"web/AWSLogs/" + account + "/ELBAccessLogTestFile": true, "AWSLogs/" + account + "/ELBConnectionLogTestFile": true, "AWSLogs/" + account + "/ELBAccessLogTestFile": false} {
		if _, err := s.awsRun("s3api", "head-object", "--bucket", "balancer-logs", "--key", key); (err == nil) != want {
			t.Errorf("%s: %v", key, err)
		}
	}

	asked := func(path string) {
		t.Helper()
		waitFor(t, time.Minute, "an answer to "+path, func() error {
			code, body, err := s.get("site.test", path)
			if err == nil && (code != 503 || body != "nothing here") {
				err = fmt.Errorf("answered %d %s", code, body)
			}
			return err
		})
	}
	asked("/before?a=b")
	time.Sleep(1500 * time.Millisecond) //nolint:forbidigo // lines that are older than a second survive
	s.kill9(t)
	s.serve(t)
	asked("/between")
	s.term(t)
	s.serve(t)
	asked("/after")
	if code, _ := s.curl(t, "empty.test", "/none"); code != 503 {
		t.Errorf("a group without targets: %d", code)
	}

	id := strings.SplitN(lb, ":loadbalancer/", 2)[1]
	file := regexp.MustCompile(`^web/AWSLogs/` + account + `/elasticloadbalancing/us-west-2/\d{4}/\d\d/\d\d/` + account + `_elasticloadbalancing_us-west-2_` + strings.ReplaceAll(id, "/", ".") + `_\d{8}T\d{4}Z_[0-9.]+_[0-9a-z]{8}\.log\.gz$`)
	var lines, connections []string
	fetched := t.TempDir()
	waitFor(t, 2*time.Minute, "all lines in the bucket", func() error {
		lines, connections = nil, nil
		for key, text := range s.logFiles(t, "balancer-logs", fetched) {
			switch {
			case strings.Contains(key, "/conn_log_"):
				connections = append(connections, strings.Split(strings.TrimSpace(text), "\n")...)
			case !file.MatchString(key):
				t.Fatalf("key %s", key)
			default:
				lines = append(lines, strings.Split(strings.TrimSpace(text), "\n")...)
			}
		}
		for _, url := range []string{"site.test:80/before?a=b", "site.test:80/between", "site.test:80/after", "empty.test:80/none"} {
			if !strings.Contains(strings.Join(lines, "\n"), `"GET http://`+url+` HTTP/1.1"`) {
				return fmt.Errorf("nothing of %s in %q", url, lines)
			}
		}
		return nil
	})
	traces := map[string]bool{}
	for _, c := range connections {
		f := strings.Fields(c)
		if len(f) != 15 || f[3] != "80" || f[10] != "Success" || f[13] != id {
			t.Fatalf("connection %q", c)
		}
		traces[f[11]] = true
	}
	for _, l := range lines {
		f := accessLine.FindStringSubmatch(l)
		if f == nil {
			t.Fatalf("line %q", l)
		}
		want := [3]string{"-", "0", "fixed-response"}
		if strings.Contains(l, "empty.test") {
			want = [3]string{group, "7", "forward"}
		}
		if got := [3]string{f[21], f[25], f[27]}; f[1] != "http" || f[3] != id || f[11] != "503" || f[12] != "-" || got != want || !strings.HasPrefix(f[22], "Root=1-") {
			t.Errorf("line %q: %q, want %q", l, got, want)
		}
		if !traces[f[34]] {
			t.Errorf("the connection of %q isn't in its log", l)
		}
	}
	counted := s.run(t, "balancers", "--data-dir", s.dir)
	if !regexp.MustCompile(`(?m)^`+id+` +\S+ +[23] `).MatchString(counted) || !strings.Contains(counted, "TARGET GROUP") {
		t.Errorf("counted since the last start:\n%s", counted)
	}
	if p := s.status(t).Problems; len(p) > 0 {
		t.Errorf("problems: %q", p)
	}
	s.aws(t, on("access_logs", "moved")...)
	waitFor(t, 2*time.Minute, "lines where they go by now", func() error {
		asked("/moved")
		for key, text := range s.logFiles(t, "balancer-logs", fetched) {
			if strings.HasPrefix(key, "moved/AWSLogs/") && strings.Contains(text, "/moved ") {
				return nil
			}
		}
		return errors.New("nothing came")
	})
	s.aws(t, "elbv2", "modify-load-balancer-attributes", "--load-balancer-arn", lb, "--attributes", "Key=access_logs.s3.enabled,Value=false")
}

// logFiles returns the texts of a bucket's packed objects, by their keys. What was fetched before isn't fetched again.
func (s *skylift) logFiles(t *testing.T, bucket, dir string) map[string]string {
	t.Helper()
	s.aws(t, "s3", "sync", "s3://"+bucket, dir)
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".gz") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(z)
		out[strings.TrimPrefix(path, dir+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
