package lb

import (
	"context"
	"crypto/tls"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge/secure"
	"github.com/skylift/skylift/internal/edge/securetest"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/tlspolicy"
)

// underPolicy is the server of a listener that has a policy, and certificates with keys of
// both kinds.
func underPolicy(t *testing.T, name string) *secure.Server {
	t.Helper()
	certs := map[string]*table.Certificate{
		"rsa": securetest.Certificate(t, securetest.Spec{RSA: true}, "a.test"), "ecdsa": securetest.Certificate(t, securetest.Spec{}, "a.test"),
	}
	table, err := Build(Input{
		LoadBalancers: []elbv2.LoadBalancer{{ARN: "lb"}},
		Listeners:     []elbv2.Listener{{ARN: "l", LoadBalancer: "lb", Port: 443, DefaultRule: "r", TLS: &elbv2.TLS{Policy: name, Certificate: "rsa", More: []string{"ecdsa"}}}},
		Rules:         []elbv2.Rule{{ARN: "r", Listener: "l", LoadBalancer: "lb", Action: elbv2.Action{Fixed: &elbv2.Fixed{Status: "200"}}}},
		Certificates:  []acm.Certificate{{ARN: "rsa"}, {ARN: "ecdsa"}},
		Open:          func(c acm.Certificate) (*table.Certificate, error) { return certs[c.ARN], nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return secure.NewServer("l", table.Listeners[0].TLS, secure.NewTickets(time.Now()))
}

// missing are the ciphers that policies list and Go hasn't.
var missing = []string{"ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", "AES256-SHA256"}

// clientVersions are TLS's versions as policies, crypto/tls and openssl name them.
var clientVersions = []struct {
	name string
	id   uint16
	flag string
}{
	{"TLSv1", tls.VersionTLS10, "-tls1"}, {"TLSv1.1", tls.VersionTLS11, "-tls1_1"}, {"TLSv1.2", tls.VersionTLS12, "-tls1_2"}, {"TLSv1.3", tls.VersionTLS13, "-tls1_3"},
}

// TestPolicies: each policy that is served lets in the versions of TLS and the ciphers that it lists
// and no others, and those with PQ in their names groups that quantum computers don't break.
func TestPolicies(t *testing.T) {
	t.Parallel()
	served := 0
	for _, p := range tlspolicy.All() {
		if p.Unserved != "" {
			continue
		}
		served++
		s := underPolicy(t, p.Name)
		shakes := func(client *tls.Config) bool {
			client.ServerName, client.RootCAs = "a.test", securetest.Roots()
			near, far := net.Pipe()
			defer near.Close()
			go func() {
				defer far.Close()
				tls.Server(far, s.Config).Handshake() //nolint:errcheck // the client says it
			}()
			return tls.Client(near, client).Handshake() == nil
		}
		for _, v := range clientVersions {
			got := shakes(&tls.Config{MinVersion: v.id, MaxVersion: v.id})
			if want := slices.Contains(p.Protocols, v.name); got != want {
				t.Errorf("%s: %s is let in: %t, want %t", p.Name, v.name, got, want)
			}
		}
		for _, c := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			if c.SupportedVersions[0] == tls.VersionTLS13 {
				continue
			}
			got := shakes(&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{c.ID}})
			want := slices.Contains(p.Ciphers, tlspolicy.Name(c.ID)) && slices.Contains(p.Protocols, "TLSv1.2")
			if got != want {
				t.Errorf("%s: %s is taken: %t, want %t", p.Name, c.Name, got, want)
			}
		}
		for _, g := range []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024} {
			got := shakes(&tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{g}})
			if want := strings.Contains(p.Name, "-PQ-"); got != want {
				t.Errorf("%s: %s is taken: %t, want %t", p.Name, g, got, want)
			}
		}
		if !shakes(&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}, MaxVersion: versionOf(p)}) {
			t.Errorf("%s: P-384 isn't taken", p.Name)
		}
	}
	if served != 23 {
		t.Errorf("%d policies are served", served)
	}
}

func versionOf(p tlspolicy.Policy) uint16 {
	_, newest := p.Versions()
	return newest
}

// TestPoliciesByOpenSSL asks some policies with openssl for each version and each cipher that any
// policy has, and for some that none has.
func TestPoliciesByOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	var ciphers []string
	for _, p := range tlspolicy.All() {
		for _, c := range p.Ciphers {
			if !strings.HasPrefix(c, "TLS_") && !slices.Contains(ciphers, c) {
				ciphers = append(ciphers, c)
			}
		}
	}
	ciphers = append(ciphers, "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305", "AES256-CCM", "DHE-RSA-AES128-GCM-SHA256", "ADH-AES128-SHA")
	for _, name := range []string{"TLS13-1-2-Res-PQ-2025-09", "TLS13-1-0-2021-06", "2016-08"} {
		p, _ := tlspolicy.Find("ELBSecurityPolicy-" + name)
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, underPolicy(t, p.Name))
			for _, v := range clientVersions {
				got := sClient(t, openssl, addr, v.flag, "-cipher", "ALL:@SECLEVEL=0")
				if want := slices.Contains(p.Protocols, v.name); got != want {
					t.Errorf("%s is let in: %t, want %t", v.name, got, want)
				}
			}
			for _, c := range ciphers {
				got := sClient(t, openssl, addr, "-tls1_2", "-cipher", c+":@SECLEVEL=0")
				want := slices.Contains(p.Ciphers, c) && !slices.Contains(missing, c) && slices.Contains(p.Protocols, "TLSv1.2")
				if got != want {
					t.Errorf("%s is taken: %t, want %t", c, got, want)
				}
			}
			for _, c := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
				if got, want := sClient(t, openssl, addr, "-tls1_3", "-ciphersuites", c), slices.Contains(p.Ciphers, c); got != want {
					t.Errorf("%s is taken: %t, want %t", c, got, want)
				}
			}
		})
	}
}

// serve shakes hands with whoever connects.
func serve(t *testing.T, s *secure.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { ln.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				tc := tls.Server(c, s.Config)
				tc.Handshake() //nolint:errcheck // the client says it
				tc.Close()
			})
		}
	})
	return ln.Addr().String()
}

// sClient tells whether openssl can shake hands.
func sClient(t *testing.T, openssl, addr string, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, _ := exec.CommandContext(ctx, openssl, append([]string{"s_client", "-connect", addr, "-servername", "a.test", "-brief"}, args...)...).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("openssl %v doesn't end: %s", args, out)
	}
	return strings.Contains(string(out), "CONNECTION ESTABLISHED")
}
