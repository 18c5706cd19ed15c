package blob

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The form of a file: a version and a salt, then pieces of pieceSize bytes, the last of which may be shorter, each with its
// tag. Piece n is sealed with AES-256-GCM under the file's own key, made of the given key and the salt, with n and whether it
// is the last as nonce (STREAM, Hoang, Reyhanitabar, Rogaway, Vizár 2015). So pieces can't be swapped, and none is missing at
// the end.
const (
	version   = 1
	saltSize  = 32
	head      = 1 + saltSize
	pieceSize = 64 << 10
	tagSize   = 16
	// KeySize is that of a key, in bytes.
	KeySize = 32
)

// NewKey makes a key.
func NewKey() []byte {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails, by its contract
	return key
}

// pieces seals and opens the pieces of one file.
type pieces struct{ aead cipher.AEAD }

func newPieces(key, salt []byte) (pieces, error) {
	own, err := hkdf.Key(sha256.New, key, salt, "skylift blob", KeySize)
	if err != nil {
		return pieces{}, fmt.Errorf("make a file's key: %w", err)
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return pieces{}, fmt.Errorf("make a file's key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return pieces{aead}, err
}

func nonce(n int64, last bool) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint64(b[3:], uint64(n))
	if last {
		b[11] = 1
	}
	return b
}

func (p pieces) seal(dst []byte, n int64, last bool, plain []byte) []byte {
	return p.aead.Seal(dst, nonce(n, last), plain, nil)
}

func (p pieces) open(dst []byte, n int64, last bool, sealed []byte) ([]byte, error) {
	return p.aead.Open(dst, nonce(n, last), sealed, nil)
}

// lastPiece is the number of the last piece of a file of that many bytes: an empty one has an empty piece.
func lastPiece(size int64) int64 { return max(size-1, 0) / pieceSize }
