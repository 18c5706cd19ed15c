// Package seal encrypts what must not be readable in the records or in a file.
//
// What is sealed can be opened only by an instance that has the root key, and
// only for the purpose and under the name that it was sealed for. A changed byte is noticed.
//
// The root key is outside of the records: in a file, or made of a passphrase. It
// encrypts the keys of a ring, which is a record, and those encrypt everything
// else (envelope encryption). So another root key means one record written anew.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// ErrOpen says that something was not sealed by this instance for this purpose and
// name, or was changed since.
var ErrOpen = errors.New("the seal doesn't open with this instance's keys")

// The form of what is sealed: a version, the id of the key, the salt that makes
// this message's own key, the nonce, the ciphertext with its tag.
const (
	version  = 1
	idSize   = 8
	saltSize = 32
	header   = 1 + idSize + saltSize
	keySize  = 32
)

// Ring is the keys of an instance in memory. It is safe for concurrent use, and is
// never printed by formatting or logging it.
type Ring struct {
	current string            // the id that is sealed with
	keys    map[string][]byte // by their ids, which are idSize bytes
}

// NewKey makes a ring that nothing keeps.
func NewKey() *Ring {
	key := random(keySize)
	id := rawID(key)
	return &Ring{current: id, keys: map[string][]byte{id: key}}
}

// String leaves the keys out.
func (*Ring) String() string { return "seal.Ring" }

// GoString leaves the keys out.
func (*Ring) GoString() string { return "seal.Ring{}" }

// For returns what seals for a purpose, such as "iam". Nothing else opens it.
func (r *Ring) For(purpose string) *Sealer { return &Sealer{r, purpose} }

// Sealer seals and opens for one purpose.
type Sealer struct {
	ring    *Ring
	purpose string
}

// Seal encrypts plain. Name says what it is and whose: opening needs the same.
func (s *Sealer) Seal(name string, plain []byte) []byte {
	r := s.ring
	head := make([]byte, 0, header)
	head = append(head, version)
	head = append(head, r.current...)
	head = append(head, random(saltSize)...)
	return sealWith(r.keys[r.current], head, plain, s.context(name))
}

// Open decrypts what Seal made with that name, or returns ErrOpen.
func (s *Sealer) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < header || sealed[0] != version {
		return nil, ErrOpen
	}
	key, ok := s.ring.keys[string(sealed[1:1+idSize])]
	if !ok {
		return nil, ErrOpen
	}
	return openWith(key, sealed[:header], sealed[header:], s.context(name))
}

// Key returns a key of the instance's own for a mechanism that seals by itself.
func (s *Sealer) Key(name string) []byte {
	r := s.ring
	return derive(r.keys[r.current], nil, s.context(name))
}

// context tells purposes and names apart: a purpose has no slash.
func (s *Sealer) context(name string) string { return s.purpose + "/" + name }

// sealWith appends to head, whose last saltSize bytes are the salt.
func sealWith(key, head, plain []byte, context string) []byte {
	return messageCipher(key, head).Seal(head, nil, plain, bound(head, context))
}

func openWith(key, head, ciphertext []byte, context string) ([]byte, error) {
	plain, err := messageCipher(key, head).Open(nil, nil, ciphertext, bound(head, context))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// messageCipher is AES-256-GCM under the message's own key, so that no key comes
// near the number of messages that random nonces allow for (NIST SP 800-38D, 8.3).
func messageCipher(key, head []byte) cipher.AEAD {
	block, err := aes.NewCipher(derive(key, head[len(head)-saltSize:], "message"))
	if err != nil {
		panic(err) // the key has the right size
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the right block
	}
	return aead
}

// bound is the associated data: no other header and no other context opens it.
func bound(head []byte, context string) []byte {
	return append(append(make([]byte, 0, len(head)+len(context)), head...), context...)
}

// derive makes a key for a purpose (HKDF with SHA-256, RFC 5869).
func derive(key, salt []byte, purpose string) []byte {
	out, err := hkdf.Key(sha256.New, key, salt, "skylift seal "+purpose, keySize)
	if err != nil {
		panic(err) // the size is below HKDF's bound
	}
	return out
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, by its contract
	return b
}

// rawID names a key and tells nothing of it.
func rawID(key []byte) string { return string(derive(key, nil, "id")[:idSize]) }

// idOf is rawID in hex.
func idOf(key []byte) string { return hex.EncodeToString([]byte(rawID(key))) }
