package body

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/service/s3/record"
)

// Usual is the checksum that an object has where nobody says another
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html).
const Usual = "CRC64NVME"

// The polynomials, with their bits reversed.
const (
	polynomial32  = crc32.IEEE
	polynomial32c = crc32.Castagnoli
	polynomialNVM = 0x9a6c9329ac4bc9b5
)

// NewSum begins a checksum of record.Algorithms.
func NewSum(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(polynomial32c))
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	}
	return crc64.New(crc64.MakeTable(polynomialNVM))
}

// UsualType is how the checksum of a multipart object is made of its parts, where nobody says it.
func UsualType(algorithm string) types.ChecksumType {
	if algorithm == Usual {
		return types.ChecksumTypeFullObject
	}
	return types.ChecksumTypeComposite
}

// TypeFits says whether a multipart object may have such a checksum.
func TypeFits(algorithm string, kind types.ChecksumType) bool {
	switch algorithm {
	case Usual:
		return kind == types.ChecksumTypeFullObject
	case "CRC32", "CRC32C":
		return true
	}
	return kind == types.ChecksumTypeComposite
}

// Together is the checksum of an object of parts, which all have one of the algorithm: that of the whole, or that of the parts'
// checksums.
func Together(algorithm string, kind types.ChecksumType, parts []record.Part) (string, bool) {
	composite := NewSum(algorithm)
	var whole uint64
	for i, p := range parts {
		sum, err := base64.StdEncoding.DecodeString(p.Sums[algorithm])
		if err != nil || len(sum) != composite.Size() {
			return "", false
		}
		if kind == types.ChecksumTypeComposite {
			composite.Write(sum)
			continue
		}
		n := number(sum)
		if i > 0 {
			n ^= shifted(algorithm, whole, p.Size)
		}
		whole = n
	}
	if kind == types.ChecksumTypeComposite {
		return base64.StdEncoding.EncodeToString(composite.Sum(nil)), true
	}
	b := binary.BigEndian.AppendUint64(nil, whole)
	return base64.StdEncoding.EncodeToString(b[8-composite.Size():]), true
}

func number(sum []byte) uint64 {
	var b [8]byte
	copy(b[8-len(sum):], sum)
	return binary.BigEndian.Uint64(b[:])
}

// shifted is what crc, of some bytes, becomes when n zeros follow them: a multiplication by x to the power of 8n, modulo the
// polynomial. Checksums of bytes behind are added to it.
func shifted(algorithm string, crc uint64, n int64) uint64 {
	polynomial, bits := uint64(polynomialNVM), 64
	switch algorithm {
	case "CRC32":
		polynomial, bits = polynomial32, 32
	case "CRC32C":
		polynomial, bits = polynomial32c, 32
	}
	power := uint64(1) << (bits - 1 - 8) // x to the power of 8: the highest bit is 1
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			crc = times(crc, power, polynomial, bits)
		}
		power = times(power, power, polynomial, bits)
	}
	return crc
}

// times multiplies two polynomials whose bits are reversed.
func times(a, b, polynomial uint64, bits int) (product uint64) {
	for m := uint64(1) << (bits - 1); m != 0; m >>= 1 {
		if a&m != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ polynomial
		} else {
			b >>= 1
		}
	}
	return product
}
