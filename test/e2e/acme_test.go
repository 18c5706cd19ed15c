package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// acme is an ACME authority of the test's own, to which every name is the load balancers' address, and has the texts that a name
// server has of it.
type acme struct {
	directory string // URL
	roots     string // file: who trusts the directory
	signer    *ca.CAImpl
}

func newACME(t *testing.T, lb, server string) acme {
	t.Helper()
	names, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	resolver := &dns.Server{Listener: names, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeTXT && server != "" {
			if told, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(q.Question[0].Name, dns.TypeTXT), server); err == nil {
				m.Answer = told.Answer
			}
		}
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(lb)}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = resolver.ActivateAndServe() }()
	t.Cleanup(func() { _ = resolver.Shutdown() })
	quiet, records := log.New(io.Discard, "", 0), db.NewMemoryStore()
	signer := ca.New(quiet, records, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	front := wfe.New(quiet, records, va.New(quiet, 80, 443, false, names.Addr().String(), records), signer, []string{"pebble.test"}, false, false, 1, 1)
	web := httptest.NewTLSServer(front.Handler())
	t.Cleanup(web.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return acme{web.URL + wfe.DirectoryPath, roots, signer}
}

// TestACME has a certificate issued by an ACME authority, which looks for the domain at a load balancer's plain listener,
// and serves it. Until the listener is there, status says what is missing.
func TestACME(t *testing.T) {
	t.Parallel()
	s := prepare(t)
	authority := newACME(t, s.lb, "")
	s.flags = append(s.flags, "--acme-directory="+authority.directory, "--acme-roots="+authority.roots, "--acme-email=ops@example.com")
	s.serve(t)
	arn := s.aws(t, "acm", "request-certificate", "--domain-name", "shop.test", "--subject-alternative-names", "www.shop.test", "--validation-method", "DNS", "--query", "CertificateArn", "--output", "text")
	waitFor(t, time.Minute, "what is missing", func() error {
		for _, p := range s.status(t).Problems {
			if strings.Contains(p, "shop.test") && strings.Contains(p, "HTTP listener") {
				return nil
			}
		}
		return fmt.Errorf("status doesn't say it: %q", s.status(t).Problems)
	})
	balancer, listener := s.balancer(t, "site")
	s.aws(t, "elbv2", "set-security-groups", "--load-balancer-arn", balancer, "--security-groups", s.group(t, "web", 80, 443))
	// All plain requests go to HTTPS, but what the authority looks for.
	s.aws(t, "elbv2", "modify-listener", "--listener-arn", listener, "--default-actions", "Type=redirect,RedirectConfig={Protocol=HTTPS,Port=443,StatusCode=HTTP_301}")
	waitFor(t, 5*time.Minute, "the certificate", func() error {
		if got := s.aws(t, "acm", "describe-certificate", "--certificate-arn", arn, "--query", "Certificate.Status", "--output", "text"); got != "ISSUED" {
			return fmt.Errorf("it is %s: %q", got, s.status(t).Problems)
		}
		return nil
	})
	s.aws(t, "elbv2", "create-listener", "--load-balancer-arn", balancer, "--protocol", "HTTPS", "--port", "443", "--certificates", "CertificateArn="+arn,
		"--default-actions", "Type=fixed-response,FixedResponseConfig={StatusCode=200,ContentType=text/plain,MessageBody=sealed}")
	roots := x509.NewCertPool()
	roots.AddCert(authority.signer.GetRootCert(0).Cert)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: s.dial, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "www.shop.test"}}}
	waitFor(t, 10*time.Second, "the site", func() error {
		res, err := client.Get("https://" + s.lb + "/")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "sealed" {
			return fmt.Errorf("got %q: %w", body, err)
		}
		return nil
	})
	if problems := s.status(t).Problems; strings.Contains(strings.Join(problems, " "), "shop.test") {
		t.Errorf("status still says: %q", problems)
	}
}

// TestACMEWildcard has a certificate for all names of a domain issued by an ACME authority, which looks for a record that the name
// server has while it is asked. Until the domain's zone is there, status says what is missing.
func TestACMEWildcard(t *testing.T) {
	t.Parallel()
	s := prepare(t)
	names := must(freeListen())(t)
	authority := newACME(t, s.lb, names)
	s.flags = append(s.flags, "--acme-directory="+authority.directory, "--acme-roots="+authority.roots, "--dns-listen="+names)
	s.serve(t)
	arn := s.aws(t, "acm", "request-certificate", "--domain-name", "*.shop.test", "--subject-alternative-names", "shop.test", "--validation-method", "DNS", "--query", "CertificateArn", "--output", "text")
	waitFor(t, time.Minute, "what is missing", func() error {
		if got := strings.Join(s.status(t).Problems, " "); !strings.Contains(got, "no public hosted zone that has shop.test") {
			return fmt.Errorf("status doesn't say it: %s", got)
		}
		return nil
	})
	s.aws(t, "route53", "create-hosted-zone", "--name", "shop.test", "--caller-reference", "1")
	waitFor(t, 5*time.Minute, "the certificate", func() error {
		if got := s.aws(t, "acm", "describe-certificate", "--certificate-arn", arn, "--query", "Certificate.Status", "--output", "text"); got != "ISSUED" {
			return fmt.Errorf("it is %s: %q", got, s.status(t).Problems)
		}
		return nil
	})
	waitFor(t, time.Minute, "the record to go", func() error {
		told, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("_acme-challenge.shop.test.", dns.TypeTXT), names)
		if err == nil && len(told.Answer) > 0 {
			err = fmt.Errorf("the name server still says %v", told.Answer)
		}
		return err
	})
}
