// Package bundle reads certificates with their chains and private keys, as people
// import them, and says in AWS's words what is wrong with them.
package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/awserr"
)

// Bundle is a certificate, those that lead from it to a root, and its private key.
type Bundle struct {
	Leaf  *x509.Certificate
	Chain []*x509.Certificate // each certifies the one before; empty when Leaf is self-signed
	Key   crypto.Signer
}

// maxChain is how long a chain may be. A record holds it.
const maxChain = 512 << 10

// maxBits is how long an RSA key of a chain may be: what TLS clients take, and what is
// checked in reasonable time.
const maxBits = 8192

func invalid(format string, args ...any) error {
	return awserr.New("ValidationException", format, args...)
}

// Read reads a certificate, its private key and its chain, all in PEM. The certificate
// must hold at now. Errors are for callers, and have nothing of the key in them.
func Read(certificate, key, chain []byte, now time.Time) (Bundle, error) {
	var b Bundle
	leaves, ok := certificates(certificate)
	switch {
	case !ok || len(leaves) == 0:
		return b, invalid("The certificate is not PEM-encoded or is not valid.")
	case len(leaves) > 1:
		return b, invalid("The certificate field contains more than one certificate. You can specify only one certificate in this field.")
	}
	b.Leaf = leaves[0]
	if b.Key, ok = privateKey(key); !ok {
		return b, invalid("The private key is not PEM-encoded or is not valid.")
	}
	if err := b.leafFault(now); err != nil {
		return b, err
	}
	if len(chain) > maxChain {
		return b, invalid("The certificate chain is longer than %d bytes, which is what Skylift keeps.", maxChain)
	}
	if b.Chain, ok = certificates(chain); !ok {
		return b, invalid("The certificate chain is not PEM-encoded or is not valid.")
	}
	return b, b.chainFault()
}

// leafFault says what is wrong with the certificate by itself, and beside its key.
func (b Bundle) leafFault(now time.Time) error {
	_, known := Algorithm(b.Leaf.PublicKey)
	public, comparable := b.Leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case b.Leaf.Version != 3:
		return invalid("The certificate is not an X.509 version 3 certificate.")
	case len(b.Leaf.Issuer.Names) == 0:
		return invalid("The certificate's issuer field is empty.")
	case !known:
		return invalid("The private key is not supported. It must be an RSA key of 1024, 2048, 3072 or 4096 bits, or an ECDSA key on P-256, P-384 or P-521.")
	case !comparable || !public.Equal(b.Key.Public()):
		return invalid("The private key does not match the certificate.")
	case now.After(b.Leaf.NotAfter):
		return invalid("The certificate has expired, is not valid.")
	case now.Before(b.Leaf.NotBefore):
		return invalid("The certificate is not in effect yet, is not valid.")
	}
	return nil
}

// chainFault says why the chain doesn't lead away from the certificate.
func (b Bundle) chainFault() error {
	for _, c := range b.Chain {
		if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxBits {
			return invalid("The certificate chain has an RSA key of more than %d bits.", maxBits)
		}
	}
	if len(b.Chain) == 0 {
		if !SelfSigned(b.Leaf) {
			return invalid("Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or certificate chain.")
		}
		return nil
	}
	if b.Leaf.CheckSignatureFrom(b.Chain[0]) != nil {
		return invalid("Could not validate the certificate with the certificate chain.")
	}
	for i := 1; i < len(b.Chain); i++ {
		if b.Chain[i-1].CheckSignatureFrom(b.Chain[i]) != nil {
			return invalid("Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: %d", i)
		}
	}
	return nil
}

// SelfSigned tells whether a certificate was signed by its own key.
func SelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// certificates reads PEM blocks of certificates; ok is false where there is anything else.
func certificates(text []byte) (all []*x509.Certificate, ok bool) {
	for len(bytes.TrimSpace(text)) > 0 {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, false
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, false
		}
		all, text = append(all, c), rest
	}
	return all, true
}

// privateKey reads a key in one of the forms that openssl writes. Parameters of a
// curve may stand before it.
func privateKey(text []byte) (crypto.Signer, bool) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, false
		}
		if block.Type == "EC PARAMETERS" {
			text = rest
			continue
		}
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default: // an encrypted one, too
			return nil, false
		}
		signer, ok := key.(crypto.Signer)
		return signer, ok && err == nil
	}
}

// PEM is certificates as text.
func PEM(ders ...[]byte) string {
	var b bytes.Buffer
	for _, der := range ders {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) //nolint:errcheck // a buffer takes everything
	}
	return b.String()
}

// Algorithm names a public key's algorithm and size; ok is false when certificates can't have it.
func Algorithm(public crypto.PublicKey) (name types.KeyAlgorithm, ok bool) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		name, ok = map[int]types.KeyAlgorithm{
			1024: types.KeyAlgorithmRsa1024, 2048: types.KeyAlgorithmRsa2048, 3072: types.KeyAlgorithmRsa3072, 4096: types.KeyAlgorithmRsa4096,
		}[k.N.BitLen()]
	case *ecdsa.PublicKey:
		name, ok = map[elliptic.Curve]types.KeyAlgorithm{
			elliptic.P256(): types.KeyAlgorithmEcPrime256v1, elliptic.P384(): types.KeyAlgorithmEcSecp384r1, elliptic.P521(): types.KeyAlgorithmEcSecp521r1,
		}[k.Curve]
	}
	return name, ok
}
