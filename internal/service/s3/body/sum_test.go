package body

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/service/s3/record"
)

func TestTheChecksumsOfPartsMakeThatOfTheWhole(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME"} {
		for range 50 {
			whole := NewSum(algorithm)
			var parts []record.Part
			for range 1 + r.IntN(5) {
				b := make([]byte, r.IntN(3000))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				whole.Write(b)
				one := NewSum(algorithm)
				one.Write(b)
				parts = append(parts, record.Part{Size: int64(len(b)), Sums: record.Sums{algorithm: base64.StdEncoding.EncodeToString(one.Sum(nil))}})
			}
			got, ok := Together(algorithm, types.ChecksumTypeFullObject, parts)
			if want := base64.StdEncoding.EncodeToString(whole.Sum(nil)); got != want || !ok {
				t.Fatalf("%s of %d parts: %s, %t; want %s", algorithm, len(parts), got, ok, want)
			}
		}
	}
}
