// Package material does the cryptography of KMS keys: it knows bytes and
// algorithms, and nothing of records.
//
// A key's material is 32 bytes for AES, as many as its hash has for HMAC, and a
// private key in PKCS #8 (RFC 5208) for the asymmetric ones.
package material

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// kind is what one key spec means.
type kind struct {
	make func() ([]byte, error)
	// of each usage that the spec has, the algorithms
	encrypt []types.EncryptionAlgorithmSpec
	sign    []types.SigningAlgorithmSpec
	mac     []types.MacAlgorithmSpec
	agree   []types.KeyAgreementAlgorithmSpec
}

var kinds = map[types.KeySpec]kind{
	types.KeySpecSymmetricDefault:    {make: bytes(symmetricSize), encrypt: []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecSymmetricDefault}},
	types.KeySpecRsa2048:             rsaKind(2048),
	types.KeySpecRsa3072:             rsaKind(3072),
	types.KeySpecRsa4096:             rsaKind(4096),
	types.KeySpecEccNistP256:         nistKind(elliptic.P256(), types.SigningAlgorithmSpecEcdsaSha256),
	types.KeySpecEccNistP384:         nistKind(elliptic.P384(), types.SigningAlgorithmSpecEcdsaSha384),
	types.KeySpecEccNistP521:         nistKind(elliptic.P521(), types.SigningAlgorithmSpecEcdsaSha512),
	types.KeySpecEccNistEdwards25519: {make: newEd25519, sign: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEd25519Sha512, types.SigningAlgorithmSpecEd25519PhSha512}},
	types.KeySpecHmac224:             hmacKind(28, types.MacAlgorithmSpecHmacSha224),
	types.KeySpecHmac256:             hmacKind(32, types.MacAlgorithmSpecHmacSha256),
	types.KeySpecHmac384:             hmacKind(48, types.MacAlgorithmSpecHmacSha384),
	types.KeySpecHmac512:             hmacKind(64, types.MacAlgorithmSpecHmacSha512),
}

const symmetricSize = 32

func rsaKind(bits int) kind {
	return kind{
		make: func() ([]byte, error) {
			k, err := rsa.GenerateKey(rand.Reader, bits)
			if err != nil {
				return nil, err
			}
			return x509.MarshalPKCS8PrivateKey(k)
		},
		encrypt: []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecRsaesOaepSha1, types.EncryptionAlgorithmSpecRsaesOaepSha256},
		sign: []types.SigningAlgorithmSpec{
			types.SigningAlgorithmSpecRsassaPkcs1V15Sha256, types.SigningAlgorithmSpecRsassaPkcs1V15Sha384, types.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
			types.SigningAlgorithmSpecRsassaPssSha256, types.SigningAlgorithmSpecRsassaPssSha384, types.SigningAlgorithmSpecRsassaPssSha512,
		},
	}
}

func nistKind(curve elliptic.Curve, sign types.SigningAlgorithmSpec) kind {
	return kind{
		make: func() ([]byte, error) {
			k, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				return nil, err
			}
			return x509.MarshalPKCS8PrivateKey(k)
		},
		sign: []types.SigningAlgorithmSpec{sign}, agree: []types.KeyAgreementAlgorithmSpec{types.KeyAgreementAlgorithmSpecEcdh},
	}
}

func newEd25519() ([]byte, error) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(k)
}

func hmacKind(size int, mac types.MacAlgorithmSpec) kind {
	return kind{make: bytes(size), mac: []types.MacAlgorithmSpec{mac}}
}

func bytes(n int) func() ([]byte, error) {
	return func() ([]byte, error) { return Random(n), nil }
}

// Random returns n random bytes.
func Random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, by its contract
	return b
}

// Has says whether keys of that spec can be made here. Go's library has no SM2, no
// secp256k1 and no ML-DSA.
func Has(spec types.KeySpec) bool {
	_, ok := kinds[spec]
	return ok
}

// New makes material. That of RSA takes seconds.
func New(spec types.KeySpec) ([]byte, error) {
	b, err := kinds[spec].make()
	if err != nil {
		return nil, fmt.Errorf("make a key of %s: %w", spec, err)
	}
	return b, nil
}

// Usages are those that a spec can have.
func Usages(spec types.KeySpec) (all []types.KeyUsageType) {
	k := kinds[spec]
	for usage, has := range map[types.KeyUsageType]bool{
		types.KeyUsageTypeEncryptDecrypt: len(k.encrypt) > 0, types.KeyUsageTypeSignVerify: len(k.sign) > 0,
		types.KeyUsageTypeGenerateVerifyMac: len(k.mac) > 0, types.KeyUsageTypeKeyAgreement: len(k.agree) > 0,
	} {
		if has {
			all = append(all, usage)
		}
	}
	slices.Sort(all)
	return all
}

// Encryptions are the algorithms that a spec encrypts with.
func Encryptions(spec types.KeySpec) []types.EncryptionAlgorithmSpec { return kinds[spec].encrypt }

// Signings are the algorithms that a spec signs with.
func Signings(spec types.KeySpec) []types.SigningAlgorithmSpec { return kinds[spec].sign }

// Macs are the algorithms that a spec authenticates with.
func Macs(spec types.KeySpec) []types.MacAlgorithmSpec { return kinds[spec].mac }

// Agreements are the algorithms that a spec agrees on a secret with.
func Agreements(spec types.KeySpec) []types.KeyAgreementAlgorithmSpec { return kinds[spec].agree }

// Public returns the public key of a private one, as an X.509
// SubjectPublicKeyInfo in DER.
func Public(private []byte) ([]byte, error) {
	k, err := parse(private)
	if err != nil {
		return nil, err
	}
	signer, ok := k.(crypto.Signer)
	if ok {
		return x509.MarshalPKIXPublicKey(signer.Public())
	}
	return nil, fmt.Errorf("a key of type %T has no public key", k)
}

func parse(private []byte) (any, error) {
	k, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("read a private key: %w", err)
	}
	return k, nil
}

// Agree returns the secret that a private key and somebody's public key, in DER,
// share (ECDH, NIST SP 800-56A).
func Agree(private, public []byte) ([]byte, error) {
	k, err := parse(private)
	if err != nil {
		return nil, err
	}
	own, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of type %T agrees on nothing", k)
	}
	mine, err := own.ECDH()
	if err != nil {
		return nil, err
	}
	p, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return nil, errPublicKey
	}
	theirs, ok := p.(*ecdsa.PublicKey)
	if !ok {
		return nil, errPublicKey
	}
	point, err := theirs.ECDH()
	if err != nil {
		return nil, errPublicKey
	}
	return agree(mine, point)
}

func agree(mine *ecdh.PrivateKey, theirs *ecdh.PublicKey) ([]byte, error) {
	secret, err := mine.ECDH(theirs)
	if err != nil {
		return nil, errPublicKey
	}
	return secret, nil
}
