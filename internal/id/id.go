// Package id makes the identifiers that AWS's resources carry.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
)

// Hex returns n random hex digits: 32 for a task, 17 behind "eni-" or "sg-",
// 16 for a load balancer.
func Hex(n int) string {
	b := make([]byte, (n+1)/2)
	rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)[:n]
}

// Text returns n random ones of letters, each as likely as the others.
func Text(n int, letters string) string {
	b := make([]byte, n)
	for i := range b {
		c, _ := rand.Int(rand.Reader, big.NewInt(int64(len(letters)))) // never fails, by rand.Reader's contract
		b[i] = letters[c.Int64()]
	}
	return string(b)
}

// UUID returns a random UUID (RFC 9562, version 4), as in request ids.
func UUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// The form of access key ids: behind the prefix stand 10 bytes in base32, whose first 6 are a bit that is set, the account in 40
// bits, and 7 random bits.
const (
	keyMark      = 1 << 47
	keyAccountAt = 7
	keyPrefix    = 4
)

// AccessKey makes the id of an access key, which begins with a prefix of 4 letters: AKIA for a long-term key, ASIA for a temporary one.
// The id tells the account, which is 12 digits.
func AccessKey(prefix, account string) string {
	n, err := strconv.ParseUint(account, 10, 40)
	if err != nil {
		panic("an account has 12 digits: " + account)
	}
	var b [10]byte
	rand.Read(b[:])
	head := keyMark | n<<keyAccountAt | uint64(b[5]&0x7f)
	for i := range 6 {
		b[i] = byte(head >> (40 - 8*i))
	}
	return prefix + base32.StdEncoding.EncodeToString(b[:])
}

// AccountOf returns the account that an access key's id tells; ok is false when it tells none.
func AccountOf(accessKey string) (account string, ok bool) {
	if len(accessKey) < keyPrefix {
		return "", false
	}
	b, err := base32.StdEncoding.DecodeString(accessKey[keyPrefix:])
	if err != nil || len(b) != 10 || b[0]&0x80 == 0 {
		return "", false
	}
	var head uint64
	for _, one := range b[:6] {
		head = head<<8 | uint64(one)
	}
	n := head &^ keyMark >> keyAccountAt
	account = fmt.Sprintf("%012d", n)
	return account, len(account) == 12
}

// SecretKey makes the 40 characters of a secret access key.
func SecretKey() string {
	b := make([]byte, 30)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
