// Package securetest makes certificates for tests of TLS.
package securetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge/table"
)

// ca is one authority for all tests of a process.
var ca = sync.OnceValues(func() (*x509.Certificate, crypto.Signer) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return c, key
})

// rsaKey is the RSA key that all certificates share: it takes long to make one.
var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// Roots trusts the certificates.
func Roots() *x509.CertPool {
	root, _ := ca()
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool
}

// Spec is what a certificate is to be. Its zero value has an ECDSA key.
type Spec struct {
	RSA      bool
	Bits     int           // of an ECDSA key; 0: 256
	Expired  bool          // since an hour
	For      time.Duration // that it holds; 0: an hour
	NoDomain bool          // the first name is only the subject's
}

// Certificate makes a certificate for names, which its ID is the first of.
func Certificate(t testing.TB, spec Spec, names ...string) *table.Certificate {
	t.Helper()
	root, by := ca()
	key := rsaKey()
	if !spec.RSA {
		curve := elliptic.P256()
		if spec.Bits == 384 {
			curve = elliptic.P384()
		}
		var err error
		if key, err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	from := time.Now().Add(-time.Minute)
	if spec.For == 0 {
		spec.For = time.Hour
	}
	if spec.Expired {
		from = time.Now().Add(-2 * spec.For)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: from, NotAfter: from.Add(spec.For), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if spec.NoDomain {
		c.DNSNames = nil
	}
	der, err := x509.CreateCertificate(rand.Reader, c, root, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &table.Certificate{ID: names[0], TLS: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
}

// Listener is how a listener speaks that has certificates, the first as the default:
// TLS 1.2 and 1.3 with what Go has by itself, and HTTP/2.
func Listener(certificates ...*table.Certificate) *table.TLS {
	return &table.TLS{Policy: "test", Oldest: tls.VersionTLS12, Newest: tls.VersionTLS13, Certificates: certificates, HTTP2: true}
}
