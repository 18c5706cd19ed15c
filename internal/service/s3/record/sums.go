package record

import (
	"maps"
	"reflect"
	"slices"
)

// Sums are checksums in base64, by their algorithms as S3 names them: "CRC32", "SHA256". That of parts has their number behind.
type Sums map[string]string

// Algorithms are those that S3 has and Skylift computes.
var Algorithms = []string{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"}

// IsAlgorithm says whether checksums of that kind can be had.
func IsAlgorithm(name string) bool { return slices.Contains(Algorithms, name) }

// The SDK's types have a field for each algorithm, which is called so behind this.
const sumField = "Checksum"

// Into sets the fields of out, a pointer to one of the SDK's structs, that checksums are.
func (s Sums) Into(out any) {
	v := reflect.ValueOf(out).Elem()
	for name, value := range s {
		if f := v.FieldByName(sumField + name); f.IsValid() {
			f.Set(reflect.ValueOf(new(value)))
		}
	}
}

// SumsIn returns the checksums in in, a pointer to one of the SDK's structs.
func SumsIn(in any) Sums {
	v, s := reflect.ValueOf(in).Elem(), Sums{}
	for _, name := range append(slices.Clone(Algorithms), "MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128") {
		if f := v.FieldByName(sumField + name); f.IsValid() && !f.IsNil() {
			s[name] = f.Elem().String()
		}
	}
	return s
}

// Names are the algorithms of the checksums, in order.
func (s Sums) Names() []string { return slices.Sorted(maps.Keys(s)) }
