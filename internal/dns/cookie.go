package dns

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// cookies show that a client has its address (RFC 7873, in the form of RFC 9018). The secret lives as long as the process:
// whoever has an older one is given a new one.
type cookies struct{ secret [32]byte }

func newCookies() *cookies {
	c := new(cookies)
	rand.Read(c.secret[:])
	return c
}

// How old, and how far in the future, a cookie may be.
const (
	cookieLife  = time.Hour
	cookieAhead = 5 * time.Minute
)

// bake makes a cookie for a client, whose part of it is 8 bytes.
func (c *cookies) bake(client []byte, from netip.Addr) []byte {
	return c.at(client, from, uint32(time.Now().Unix()))
}

func (c *cookies) at(client []byte, from netip.Addr, now uint32) []byte {
	out := make([]byte, 16, 24)
	copy(out, client)
	out[8] = 1 // version; three bytes are reserved
	binary.BigEndian.PutUint32(out[12:], now)
	sum := hmac.New(sha256.New, c.secret[:])
	sum.Write(out)
	sum.Write(from.AsSlice())
	return append(out, sum.Sum(nil)[:8]...)
}

// ours says whether a cookie is one that was made for that client.
func (c *cookies) ours(cookie []byte, from netip.Addr) bool {
	if len(cookie) != 24 {
		return false
	}
	made := binary.BigEndian.Uint32(cookie[12:])
	age := time.Since(time.Unix(int64(made), 0))
	return age < cookieLife && age > -cookieAhead && hmac.Equal(cookie, c.at(cookie[:8], from, made))
}
