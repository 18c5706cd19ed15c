package bundle

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
)

// How a key is encrypted: PBES2 of RFC 8018 with PBKDF2, HMAC-SHA-256 and AES-256-CBC, as
// openssl does by itself, with more rounds.
var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

const (
	rounds  = 100_000
	keySize = 32
)

type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct{ Derivation, Encryption pkix.AlgorithmIdentifier }

type pbkdf2Params struct {
	Salt   []byte
	Rounds int
	Size   int
	PRF    pkix.AlgorithmIdentifier
}

// Encrypt returns a key as encrypted PKCS #8, in PEM.
func Encrypt(key crypto.Signer, passphrase []byte) (string, error) {
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("write a private key: %w", err)
	}
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	rand.Read(salt) // never fails, by its contract
	rand.Read(iv)
	secret, err := pbkdf2.Key(sha256.New, string(passphrase), salt, rounds, keySize)
	if err != nil {
		return "", fmt.Errorf("make a key of a passphrase: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return "", fmt.Errorf("encrypt a private key: %w", err)
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	for range pad {
		plain = append(plain, byte(pad))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	der, err := encoded(plain, salt, iv)
	if err != nil {
		return "", fmt.Errorf("write an encrypted private key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})), nil
}

// encoded is the structure around an encrypted key.
func encoded(data, salt, iv []byte) ([]byte, error) {
	derivation, err := algorithm(oidPBKDF2, pbkdf2Params{salt, rounds, keySize, pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue}})
	if err != nil {
		return nil, err
	}
	encryption, err := algorithm(oidAES256CBC, iv)
	if err != nil {
		return nil, err
	}
	scheme, err := algorithm(oidPBES2, pbes2{derivation, encryption})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(encryptedKey{scheme, data})
}

func algorithm(oid asn1.ObjectIdentifier, params any) (pkix.AlgorithmIdentifier, error) {
	der, err := asn1.Marshal(params)
	return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: der}}, err
}
