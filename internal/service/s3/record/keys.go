package record

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Row is the row of a key's current version. A bucket's name has no slash.
func Row(bucket, key string) string { return bucket + "/" + key }

// OlderRow is the row of a version that isn't current. A key has no NUL.
func OlderRow(bucket, key, id string) string { return bucket + "/" + key + "\x00" + id }

// UploadRow is the row of an upload.
func UploadRow(bucket, key, id string) string { return bucket + "/" + key + "\x00" + id }

// PartRow is the row of a part.
func PartRow(upload string, number int) string { return fmt.Sprintf("%s/%05d", upload, number) }

var letters = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// newID makes an id that sorts by n.
func newID(n uint64) string {
	b := make([]byte, 8, 20)
	binary.BigEndian.PutUint64(b, n)
	b = b[:20]
	rand.Read(b[8:])
	return letters.EncodeToString(b)
}

// idSize is how long an id is.
const idSize = 32

// NewVersion makes the id of a version that is made at that time: the newer one of two is the smaller.
func NewVersion(at time.Time) string { return newID(math.MaxUint64 - uint64(at.UnixNano())) }

// NewUpload makes the id of an upload: the newer one of two is the greater.
func NewUpload(at time.Time) string { return newID(uint64(at.UnixNano())) }

// Before returns id, of a version, or one like it that is newer than the other: the clock may have been set back.
func Before(id, other string) string {
	if other == "" || id < other {
		return id
	}
	b, err := letters.DecodeString(other)
	if err != nil || len(b) < 8 {
		return id
	}
	head := make([]byte, 8)
	binary.BigEndian.PutUint64(head, binary.BigEndian.Uint64(b)-1)
	mine, _ := letters.DecodeString(id)
	return letters.EncodeToString(append(head, mine[8:]...))
}

// IsVersion says whether s may be the id of a version.
func IsVersion(s string) bool {
	if s == NullVersion {
		return true
	}
	_, err := letters.DecodeString(s)
	return err == nil && len(s) == idSize
}

// longestKey is how many bytes a key may have
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const longestKey = 1024

// CheckKey says what is wrong with an object's key.
func CheckKey(key string) error {
	switch {
	case len(key) > longestKey:
		return Fault("KeyTooLongError", "Your key is too long")
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return Fault("InvalidURI", "Couldn't parse the specified URI.")
	}
	return nil
}

var (
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	address    = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
)

// IsBucketName says whether a bucket may be called so
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html).
func IsBucketName(s string) bool {
	if !bucketForm.MatchString(s) || address.MatchString(s) || strings.Contains(s, "..") {
		return false
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(s, prefix) {
			return false
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(s, suffix) {
			return false
		}
	}
	return true
}

// Numbers writes ascending numbers as ranges: "1-3,7".
func Numbers(list []int) string {
	var b []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		one := strconv.Itoa(list[i])
		if j > i {
			one += "-" + strconv.Itoa(list[j])
		}
		b = append(b, one)
		i = j + 1
	}
	return strings.Join(b, ",")
}

// ReadNumbers reads what Numbers wrote.
func ReadNumbers(s string) (list []int) {
	for one := range strings.SplitSeq(s, ",") {
		from, to, several := strings.Cut(one, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		b := a
		if several {
			b, _ = strconv.Atoi(to)
		}
		for n := a; n <= b; n++ {
			list = append(list, n)
		}
	}
	return list
}
