package acm

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/service/acm/order"
	"github.com/skylift/skylift/internal/store"
)

// outside is an ACME authority, the web server that it asks, and the names that it looks up.
type outside struct {
	api    *API
	db     *db.MemoryStore
	issuer *ca.CAImpl
	deaf   atomic.Bool // the web server finds nothing
	off    error       // why no load balancer can answer
	none   error       // why none does
}

func (o *outside) Answered(context.Context, Challenge) error { return o.none }

// Way is a record for names with a wildcard, and a page for others.
func (o *outside) Way(names []string) (order.Kind, error) {
	if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "*.") }) {
		return order.DNS, o.off
	}
	return order.HTTP, o.off
}

// newOutside has the API's certificates issued by a Pebble of the test's own.
func newOutside(t *testing.T, a *API) *outside {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	o := &outside{api: a, db: db.NewMemoryStore()}
	web := httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(web.Close)
	names, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	resolver := &dns.Server{Listener: names, Handler: dns.HandlerFunc(o.resolve)}
	go func() { _ = resolver.ActivateAndServe() }()
	t.Cleanup(func() { _ = resolver.Shutdown() })
	quiet := log.New(io.Discard, "", 0)
	o.issuer = ca.New(quiet, o.db, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 90 * 24 * 3600}})
	validator := va.New(quiet, web.Listener.Addr().(*net.TCPAddr).Port, 1, false, names.Addr().String(), o.db)
	front := wfe.New(quiet, o.db, validator, o.issuer, []string{"pebble.test"}, false, false, 1, 1)
	directory := httptest.NewTLSServer(front.Handler())
	t.Cleanup(directory.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: directory.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	authority, err := order.New(order.Config{Directory: directory.URL + wfe.DirectoryPath, Email: "ops@example.com", Roots: roots, Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	a.From(authority, o)
	return o
}

// serve answers as a load balancer does: by the records.
func (o *outside) serve(w http.ResponseWriter, r *http.Request) {
	_ = o.api.db.View(r.Context(), func(tx store.Tx) error {
		all, err := Challenges.List(tx, "")
		for _, c := range all {
			if host, _, _ := strings.Cut(r.Host, ":"); !o.deaf.Load() && c.Where == r.URL.Path && c.Name == host {
				_, _ = io.WriteString(w, c.Answer)
				return err
			}
		}
		http.NotFound(w, r)
		return err
	})
}

// resolve finds every name at 127.0.0.1, and texts as a name server does: by the records.
func (o *outside) resolve(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	switch name := q.Question[0].Name; q.Question[0].Qtype {
	case dns.TypeTXT:
		_ = o.api.db.View(context.Background(), func(tx store.Tx) error {
			all, err := Challenges.List(tx, "")
			for _, c := range all {
				if c.Kind == order.DNS && c.Where+"." == name {
					m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{c.Answer}})
				}
			}
			return err
		})
	case dns.TypeA:
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
	}
	_ = w.WriteMsg(m)
}

// due does what is due for a certificate, and returns it.
func (o *outside) due(t *testing.T, arn string) Certificate {
	t.Helper()
	if _, err := o.api.Due(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	var c Certificate
	if err := o.api.db.View(t.Context(), func(tx store.Tx) (err error) {
		c, err = get(tx, arn)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// now makes the next order of a certificate due.
func (o *outside) now(t *testing.T, arn string) {
	t.Helper()
	if err := o.api.edit(t.Context(), arn, func(_ store.Tx, c *Certificate) error {
		c.Request.NextTry = time.Time{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestOrder has certificates issued and renewed by ACME.
func TestOrder(t *testing.T) {
	a, used := newAPI(t)
	o := newOutside(t, a)
	request := func(names ...string) string {
		return *must(t, a.RequestCertificate, &acm.RequestCertificateInput{DomainName: &names[0], SubjectAlternativeNames: names[1:], ValidationMethod: types.ValidationMethodDns}).CertificateArn
	}
	site := request("example.test", "www.example.test")
	c := o.due(t, site)
	if c.Status != types.CertificateStatusIssued || len(c.Chain) == 0 {
		t.Fatalf("got %s with a chain of %d: %+v", c.Status, len(c.Chain), c.Request)
	}
	o.valid(t, c)
	if left := o.challenges(t); left != 0 {
		t.Errorf("%d challenges are left", left)
	}

	used[site] = []string{"balancer"}
	must(t, a.RenewCertificate, &acm.RenewCertificateInput{CertificateArn: &site})
	renewed := o.due(t, site)
	if slices.Equal(renewed.Leaf, c.Leaf) {
		t.Error("it was not renewed")
	}
	o.valid(t, renewed)
	if _, again, err := renewed.wanted(time.Now(), true); err != nil || again < 59*24*time.Hour || again > 61*24*time.Hour {
		t.Errorf("one of 90 days is looked at again in %s: %v", again, err)
	}

	// The domain isn't here yet: it is tried again later, and works when it is.
	o.deaf.Store(true)
	late := request("late.test")
	c = o.due(t, late)
	if wait := time.Until(c.Request.NextTry); c.Status != types.CertificateStatusPendingValidation || !strings.Contains(c.Request.Trouble, "404") || wait < time.Minute || wait > 2*time.Minute {
		t.Errorf("got %s, next in %s: %q", c.Status, wait, c.Request.Trouble)
	}
	if again, err := a.Due(t.Context(), late); err != nil || again <= 0 {
		t.Errorf("it is asked for again at once: %s, %v", again, err)
	}
	o.deaf.Store(false)
	o.none = errors.New("no listener")
	o.now(t, late)
	if c = o.due(t, late); c.Request.Tries != 2 || c.Request.Trouble != "no listener" {
		t.Errorf("without a listener: %+v", c.Request)
	}
	o.off = errors.New("no balancer")
	o.now(t, late)
	if c = o.due(t, late); c.Request.Tries != 2 || c.Request.Trouble != "no balancer" || time.Until(c.Request.NextTry) > lookOut {
		t.Errorf("without a balancer: %+v", c.Request)
	}
	o.off, o.none = nil, nil
	o.now(t, late)
	if c = o.due(t, late); c.Status != types.CertificateStatusIssued || c.Request.Tries != 0 || c.Request.Trouble != "" {
		t.Errorf("when the domain is here: %s, %+v", c.Status, c.Request)
	}

	// The authority will never sign for it.
	if err := o.db.AddBlockedDomain("blocked.test"); err != nil {
		t.Fatal(err)
	}
	if c = o.due(t, request("blocked.test")); c.Status != types.CertificateStatusFailed || c.Failure != types.FailureReasonDomainNotAllowed {
		t.Errorf("a blocked domain: %s, %s, %+v", c.Status, c.Failure, c.Request)
	}
	if c = o.due(t, request("*.example.test", "example.test")); c.Status != types.CertificateStatusIssued {
		t.Errorf("a wildcard: %s, %+v", c.Status, c.Request)
	}
	own, err := a.account(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if had, err := o.db.GetAccountByKey(own.Public()); err != nil || had == nil || len(o.db.GetOrdersByAccountID(had.ID)) < 5 {
		t.Errorf("not all orders are one account's: %v", err)
	}
}

// TestOrderTimesOut gives a domain three days to be here.
func TestOrderTimesOut(t *testing.T) {
	a, _ := newAPI(t)
	c := Certificate{ARN: "arn", Request: &Request{}, Status: types.CertificateStatusPendingValidation, CreatedAt: time.Now().Add(-73 * time.Hour)}
	put := func(tx store.Tx) error { return Certificates.Put(tx, c.ARN, c) }
	if err := a.db.Update(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if err := a.postpone(t.Context(), c, errors.New("404"), time.Now()); err != nil {
		t.Fatal(err)
	}
	out := must(t, a.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &c.ARN})
	if got := out.Certificate.Status; got != types.CertificateStatusValidationTimedOut {
		t.Errorf("got %s", got)
	}
}

// valid checks that a certificate is its names', leads to the authority's root, and has its key.
func (o *outside) valid(t *testing.T, c Certificate) {
	t.Helper()
	leaf, err := c.parsed()
	if err != nil {
		t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(o.issuer.GetRootCert(0).Cert)
	for _, der := range c.Chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		between.AddCert(cert)
	}
	for _, n := range c.Names {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: n, Roots: roots, Intermediates: between}); err != nil {
			t.Error(err)
		}
	}
	key, err := o.api.Key(c)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !p.Equal(leaf.PublicKey) {
		t.Error("the key is another certificate's")
	}
}

func (o *outside) challenges(t *testing.T) (n int) {
	t.Helper()
	if err := o.api.db.View(t.Context(), func(tx store.Tx) error {
		all, err := Challenges.List(tx, "")
		n = len(all)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}
