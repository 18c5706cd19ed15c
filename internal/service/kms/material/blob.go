package material

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Blob is a ciphertext of a symmetric key, taken apart. In its form it is a
// version, the key's id, the id of the material, a salt, a nonce and the
// ciphertext with its tag; callers must not look into it.
type Blob struct {
	Key      [KeySize]byte      // the key's id, a UUID
	Material [MaterialSize]byte // the id of the material that it was made with
	text     []byte             // the whole
}

// The sizes of ids in a Blob, in bytes.
const (
	KeySize      = 16
	MaterialSize = 32
)

const (
	blobVersion = 1
	saltSize    = 16
	blobHead    = 1 + KeySize + MaterialSize + saltSize
)

// ParseBlob takes a ciphertext apart; ok is false when it is none of ours.
func ParseBlob(text []byte) (b Blob, ok bool) {
	if len(text) < blobHead || text[0] != blobVersion {
		return b, false
	}
	copy(b.Key[:], text[1:])
	copy(b.Material[:], text[1+KeySize:])
	b.text = text
	return b, true
}

// Seal encrypts with AES-256-GCM, bound to the ids and to the encryption context.
// Each ciphertext has a key of its own, so that any number can be made.
func Seal(secret []byte, key [KeySize]byte, id [MaterialSize]byte, context map[string]string, plain []byte) []byte {
	head := make([]byte, 0, blobHead)
	head = append(head, blobVersion)
	head = append(head, key[:]...)
	head = append(head, id[:]...)
	head = append(head, Random(saltSize)...)
	return messageCipher(secret, head).Seal(head, nil, plain, bound(head, context))
}

// Open decrypts a Blob.
func (b Blob) Open(secret []byte, context map[string]string) ([]byte, error) {
	head := b.text[:blobHead]
	plain, err := messageCipher(secret, head).Open(nil, nil, b.text[blobHead:], bound(head, context))
	if err != nil {
		return nil, &types.InvalidCiphertextException{}
	}
	return plain, nil
}

func messageCipher(secret, head []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, secret, head[len(head)-saltSize:], "skylift kms ciphertext", symmetricSize)
	block, bad := aes.NewCipher(key)
	aead, worse := cipher.NewGCMWithRandomNonce(block)
	if err := cmp.Or(err, bad, worse); err != nil {
		panic(err) // all sizes are right
	}
	return aead
}

// bound is the associated data: the head, and the context in the order of its keys.
func bound(head []byte, context map[string]string) []byte {
	out := slices.Clone(head)
	for _, k := range slices.Sorted(maps.Keys(context)) {
		for _, s := range []string{k, context[k]} {
			out = binary.BigEndian.AppendUint32(out, uint32(len(s))) //nolint:gosec // a request is far below 4 GiB
			out = append(out, s...)
		}
	}
	return out
}

// NewID makes the id of material, in the form that answers have: hex digits.
func NewID() string { return hex.EncodeToString(Random(MaterialSize)) }
