package material

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OAEP with SHA-1 is one of AWS's algorithms, and not broken by collisions
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/awserr"
)

var errPublicKey = awserr.New("ValidationException", "The public key must be one of the key's curve, as a SubjectPublicKeyInfo in DER.")

// oaep are the hashes of RSA's encryption.
var oaep = map[types.EncryptionAlgorithmSpec]func() hash.Hash{
	types.EncryptionAlgorithmSpecRsaesOaepSha1: sha1.New, types.EncryptionAlgorithmSpecRsaesOaepSha256: sha256.New,
}

// EncryptRSA encrypts with a key pair's public key.
func EncryptRSA(private []byte, spec types.KeySpec, algorithm types.EncryptionAlgorithmSpec, plain []byte) ([]byte, error) {
	k, err := rsaKey(private)
	if err != nil {
		return nil, err
	}
	h := oaep[algorithm]()
	if most := k.Size() - 2*h.Size() - 2; len(plain) > most {
		return nil, awserr.New("ValidationException", "Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", algorithm, spec, most)
	}
	return rsa.EncryptOAEP(h, rand.Reader, &k.PublicKey, plain, nil)
}

// DecryptRSA decrypts with a private key.
func DecryptRSA(private []byte, algorithm types.EncryptionAlgorithmSpec, ciphertext []byte) ([]byte, error) {
	k, err := rsaKey(private)
	if err != nil {
		return nil, err
	}
	plain, err := rsa.DecryptOAEP(oaep[algorithm](), rand.Reader, k, ciphertext, nil)
	if err != nil {
		return nil, &types.InvalidCiphertextException{}
	}
	return plain, nil
}

func rsaKey(private []byte) (*rsa.PrivateKey, error) {
	k, err := parse(private)
	if err != nil {
		return nil, err
	}
	r, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, awserr.New("InvalidKeyUsageException", "The key is no RSA key.")
	}
	return r, nil
}

// macs are the hashes of HMAC (RFC 2104).
var macs = map[types.MacAlgorithmSpec]func() hash.Hash{
	types.MacAlgorithmSpecHmacSha224: sha256.New224, types.MacAlgorithmSpecHmacSha256: sha256.New,
	types.MacAlgorithmSpecHmacSha384: sha512.New384, types.MacAlgorithmSpecHmacSha512: sha512.New,
}

// Mac authenticates a message.
func Mac(key []byte, algorithm types.MacAlgorithmSpec, message []byte) []byte {
	m := hmac.New(macs[algorithm], key)
	m.Write(message)
	return m.Sum(nil)
}

// signing is how an algorithm signs.
type signing struct {
	hash crypto.Hash
	pss  bool
	ed   bool // Ed25519, which hashes by itself
}

var signings = map[types.SigningAlgorithmSpec]signing{
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha256: {hash: crypto.SHA256},
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha384: {hash: crypto.SHA384},
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha512: {hash: crypto.SHA512},
	types.SigningAlgorithmSpecRsassaPssSha256:      {hash: crypto.SHA256, pss: true},
	types.SigningAlgorithmSpecRsassaPssSha384:      {hash: crypto.SHA384, pss: true},
	types.SigningAlgorithmSpecRsassaPssSha512:      {hash: crypto.SHA512, pss: true},
	types.SigningAlgorithmSpecEcdsaSha256:          {hash: crypto.SHA256},
	types.SigningAlgorithmSpecEcdsaSha384:          {hash: crypto.SHA384},
	types.SigningAlgorithmSpecEcdsaSha512:          {hash: crypto.SHA512},
	types.SigningAlgorithmSpecEd25519Sha512:        {ed: true},
	types.SigningAlgorithmSpecEd25519PhSha512:      {hash: crypto.SHA512, ed: true},
}

// digest is what is signed of a message, which may be a digest already.
func (s signing) digest(algorithm types.SigningAlgorithmSpec, message []byte, typ types.MessageType) ([]byte, error) {
	switch {
	case s.ed && (s.hash == 0) != (typ == types.MessageTypeRaw):
		want := types.MessageTypeRaw
		if s.hash != 0 {
			want = types.MessageTypeDigest
		}
		return nil, awserr.New("ValidationException", "Algorithm %s needs the message type %s.", algorithm, want)
	case s.hash == 0:
		return message, nil
	case typ == types.MessageTypeRaw:
		h := s.hash.New()
		h.Write(message)
		return h.Sum(nil), nil
	case len(message) != s.hash.Size():
		return nil, awserr.New("ValidationException", "Digest is invalid length for algorithm %s.", algorithm)
	}
	return message, nil
}

func (s signing) options() crypto.SignerOpts {
	if s.pss {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	return s.hash
}

// Sign signs a message, which is the digest itself when its type says so.
func Sign(private []byte, algorithm types.SigningAlgorithmSpec, message []byte, typ types.MessageType) ([]byte, error) {
	s := signings[algorithm]
	digest, err := s.digest(algorithm, message, typ)
	if err != nil {
		return nil, err
	}
	k, err := parse(private)
	if err != nil {
		return nil, err
	}
	return k.(crypto.Signer).Sign(rand.Reader, digest, s.options())
}

// Verify says whether a signature is that of the message.
func Verify(private []byte, algorithm types.SigningAlgorithmSpec, message []byte, typ types.MessageType, signature []byte) (bool, error) {
	s := signings[algorithm]
	digest, err := s.digest(algorithm, message, typ)
	if err != nil {
		return false, err
	}
	k, err := parse(private)
	if err != nil {
		return false, err
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		if s.pss {
			return rsa.VerifyPSS(&k.PublicKey, s.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil, nil
		}
		return rsa.VerifyPKCS1v15(&k.PublicKey, s.hash, digest, signature) == nil, nil
	case *ecdsa.PrivateKey:
		return ecdsa.VerifyASN1(&k.PublicKey, digest, signature), nil
	case ed25519.PrivateKey:
		public := k.Public().(ed25519.PublicKey)
		return ed25519.VerifyWithOptions(public, digest, signature, &ed25519.Options{Hash: s.hash}) == nil, nil
	}
	return false, nil
}
