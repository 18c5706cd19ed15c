// Package authority is an instance's own certificate authority: a root, and the
// certificates that it signs.
//
// It makes keys and certificates, and keeps nothing.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"
)

// How long a root and a certificate hold. ACM's certificates hold 198 days.
const (
	rootFor = 10 * 365 * 24 * time.Hour
	leafFor = 198 * 24 * time.Hour
)

// before is how much earlier than now a certificate begins to hold: clocks differ.
const before = time.Hour

// Authority signs certificates.
type Authority struct {
	Root *x509.Certificate
	Key  crypto.Signer
}

// New makes an authority with a root of its own, for an instance.
func New(instance string, now time.Time) (Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Authority{}, fmt.Errorf("make the root's key: %w", err)
	}
	root := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Skylift root " + instance, Organization: []string{"Skylift"}},
		NotBefore:             now.Add(-before).UTC().Truncate(time.Second),
		NotAfter:              now.Add(rootFor).UTC().Truncate(time.Second),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		return Authority{}, fmt.Errorf("make the root: %w", err)
	}
	root, err = x509.ParseCertificate(der)
	if err != nil {
		return Authority{}, fmt.Errorf("read the root: %w", err)
	}
	return Authority{root, key}, nil
}

// Until is how long a certificate holds that is issued now: no longer than the root.
func (a Authority) Until(now time.Time) time.Time {
	until := now.Add(leafFor).UTC().Truncate(time.Second)
	if until.After(a.Root.NotAfter) {
		return a.Root.NotAfter
	}
	return until
}

// Issue signs a certificate for names, the first of which is its subject.
func (a Authority) Issue(names []string, public crypto.PublicKey, now time.Time) ([]byte, error) {
	usage := x509.KeyUsageDigitalSignature
	if _, ok := public.(*rsa.PublicKey); ok {
		usage |= x509.KeyUsageKeyEncipherment
	}
	leaf := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: names[0]},
		DNSNames:              names,
		NotBefore:             now.Add(-before).UTC().Truncate(time.Second),
		NotAfter:              a.Until(now),
		BasicConstraintsValid: true,
		KeyUsage:              usage,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.Root, public, a.Key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate for %s: %w", names[0], err)
	}
	return der, nil
}

// NewKey makes a key of an algorithm that certificates can be requested with.
func NewKey(algorithm types.KeyAlgorithm) (crypto.Signer, error) {
	switch algorithm {
	case types.KeyAlgorithmRsa2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case types.KeyAlgorithmEcPrime256v1:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case types.KeyAlgorithmEcSecp384r1:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, fmt.Errorf("certificates with a key of %s can't be requested", algorithm)
}

// serial is a random serial number of 127 bits (RFC 5280, 4.1.2.2 allows 20 bytes).
func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails, by its contract
	b[0] &= 0x7f
	b[0] |= 0x40
	return new(big.Int).SetBytes(b)
}
