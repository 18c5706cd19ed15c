// Package id makes the identifiers that AWS's resources carry.
package id

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// Hex returns n random hex digits: 32 for a task, 17 behind "eni-" or "sg-",
// 16 for a load balancer.
func Hex(n int) string {
	b := make([]byte, (n+1)/2)
	rand.Read(b) // never fails, by its contract
	return hex.EncodeToString(b)[:n]
}

// UUID returns a random UUID (RFC 9562, version 4), as in request ids.
func UUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
