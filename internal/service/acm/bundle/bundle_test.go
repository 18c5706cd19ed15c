package bundle_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/service/acm/bundle"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// party is a certificate with its key.
type party struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (p party) pem() []byte { return []byte(bundle.PEM(p.cert.Raw)) }

func (p party) keyPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// make makes a certificate, signed by its own key when by is nil.
func makeParty(t *testing.T, name string, by *party, change func(*x509.Certificate)) party {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return makeWith(t, name, key, by, change)
}

func makeWith(t *testing.T, name string, key crypto.Signer, by *party, change func(*x509.Certificate)) party {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(0x0a1b), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "*." + name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return party{cert, key}
}

func TestRead(t *testing.T) {
	t.Parallel()
	root := makeParty(t, "root", nil, nil)
	middle := makeParty(t, "middle", &root, nil)
	leaf := makeParty(t, "leaf.test", &middle, func(c *x509.Certificate) { c.IsCA = false })
	self := makeParty(t, "self.test", nil, nil)
	old := makeParty(t, "old.test", nil, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour) })
	early := makeParty(t, "early.test", nil, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) })
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	odd := makeWith(t, "odd.test", edwards, nil, nil)
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	encrypted, err := bundle.Encrypt(self.key, []byte("passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(self.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	sec1 := join(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 1, 1}}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec}))
	for _, tt := range []struct {
		name             string
		cert, key, chain []byte
		words            string // of the error; "" is none
	}{
		{"self-signed", self.pem(), self.keyPEM(t), nil, ""},
		{"self-signed, key as openssl ecparam writes it", self.pem(), sec1, nil, ""},
		{"with a chain", leaf.pem(), leaf.keyPEM(t), join(middle.pem(), root.pem()), ""},
		{"with the intermediate only", leaf.pem(), leaf.keyPEM(t), middle.pem(), ""},
		{"no certificate", []byte("hello"), self.keyPEM(t), nil, "The certificate is not PEM-encoded or is not valid."},
		{"no PEM inside", []byte("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"), self.keyPEM(t), nil, "The certificate is not PEM-encoded"},
		{"a key in its place", self.keyPEM(t), self.keyPEM(t), nil, "The certificate is not PEM-encoded"},
		{"two certificates", join(leaf.pem(), middle.pem()), leaf.keyPEM(t), nil, "contains more than one certificate"},
		{"no key", self.pem(), []byte("hello"), nil, "The private key is not PEM-encoded or is not valid."},
		{"an encrypted key", self.pem(), []byte(encrypted), nil, "The private key is not PEM-encoded"},
		{"another's key", self.pem(), leaf.keyPEM(t), nil, "does not match"},
		{"a key of another kind", odd.pem(), odd.keyPEM(t), nil, "not supported"},
		{"expired", old.pem(), old.keyPEM(t), nil, "has expired"},
		{"not yet", early.pem(), early.keyPEM(t), nil, "not in effect yet"},
		{"a chain is missing", leaf.pem(), leaf.keyPEM(t), nil, "not a valid self signed"},
		{"a chain that is none", leaf.pem(), leaf.keyPEM(t), []byte("hello"), "The certificate chain is not PEM-encoded"},
		{"another's chain", leaf.pem(), leaf.keyPEM(t), root.pem(), "Could not validate the certificate with the certificate chain."},
		{"itself in the chain", leaf.pem(), leaf.keyPEM(t), join(leaf.pem(), middle.pem()), "Could not validate"},
		{"a chain in the wrong order", leaf.pem(), leaf.keyPEM(t), join(middle.pem(), self.pem()), "The index within the chain of the invalid certificate is: 1"},
		{"a chain too long", leaf.pem(), leaf.keyPEM(t), make([]byte, 600<<10), "longer than"},
	} {
		b, err := bundle.Read(tt.cert, tt.key, tt.chain, now)
		switch e, is := errors.AsType[smithy.APIError](err); {
		case tt.words == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.words == "" && !b.Leaf.PublicKey.(*ecdsa.PublicKey).Equal(b.Key.Public()):
			t.Errorf("%s: the key isn't the certificate's", tt.name)
		case tt.words != "" && (!is || e.ErrorCode() != "ValidationException" || !strings.Contains(e.ErrorMessage(), tt.words)):
			t.Errorf("%s: got %v, want a ValidationException with %q", tt.name, err, tt.words)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	p := makeParty(t, "a.test", nil, nil)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pss := makeWith(t, "b.test", r, nil, func(c *x509.Certificate) { c.SignatureAlgorithm, c.DNSNames = x509.SHA384WithRSAPSS, nil })
	plain := makeWith(t, "c.test", r, nil, nil)
	for _, tt := range []struct{ what, got, want string }{
		{"names", strings.Join(bundle.Names(p.cert), " "), "a.test *.a.test"},
		{"a name that is the subject", strings.Join(bundle.Names(pss.cert), " "), "b.test"},
		{"serial", bundle.Serial(p.cert), "0a:1b"},
		{"signature", bundle.Signature(p.cert), "SHA256WITHECDSA"},
		{"signature by RSA", bundle.Signature(plain.cert), "SHA256WITHRSA"},
		{"signature by RSA-PSS", bundle.Signature(pss.cert), "SHA384WITHRSAANDMGF1"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.what, tt.got, tt.want)
		}
	}
	if got := bundle.KeyUsages(p.cert); len(got) != 2 || got[0] != "DIGITAL_SIGNATURE" || got[1] != "CERTIFICATE_SIGNING" {
		t.Errorf("key usages %v", got)
	}
	if got := bundle.ExtendedKeyUsages(p.cert); len(got) != 1 || got[0].Name != "TLS_WEB_SERVER_AUTHENTICATION" || *got[0].OID != "1.3.6.1.5.5.7.3.1" {
		t.Errorf("extended key usages %v", got)
	}
}

// TestEncrypt: openssl opens with the passphrase what Encrypt wrote.
func TestEncrypt(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	p := makeParty(t, "a.test", nil, nil)
	text, err := bundle.Encrypt(p.key, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), openssl, "pkey", "-in", file, "-passin", "pass:correct horse").Output()
	if err != nil || string(out) != string(p.keyPEM(t)) {
		t.Errorf("openssl read %q, %v", out, err)
	}
	if err := exec.CommandContext(t.Context(), openssl, "pkey", "-in", file, "-passin", "pass:wrong").Run(); err == nil {
		t.Error("openssl read it with another passphrase")
	}
}
