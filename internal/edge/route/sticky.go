package route

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/edge/cookie"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/edge/target"
)

// Pick chooses the target of a request that came to an address in zone: that which
// the client had before, if it has one and requests may go to it. It returns nil
// when there is none.
func (c *Choice) Pick(zone string, fields []http1.Field, keys *cookie.Keys) *target.Target {
	if s := c.Pool.Sticky(); s.For > 0 {
		c.asked = s.Cookie != "" && cookie.Has(fields, s.Cookie) && cookie.Has(fields, cookie.App)
		if t := c.had(s, zone, fields, keys); t != nil {
			return t
		}
	}
	return c.Pool.Pick(zone, nil)
}

// had returns the target that the client's cookie names, nil if there is none.
func (c *Choice) had(s table.Sticky, zone string, fields []http1.Field, keys *cookie.Keys) *target.Target {
	name := cookie.Target
	if s.Cookie != "" {
		name = cookie.App
	}
	value := cookie.Find(fields, name)
	if value == nil || s.Cookie != "" && !c.asked {
		return nil
	}
	var room [placeSize]byte
	place, _, ok := keys.Open(room[:0], name, value, time.Now())
	if !ok || len(place) != placeSize || string(place[:8]) != string(c.name[:]) {
		return nil
	}
	addr := netip.AddrFrom16([16]byte(place[8:24])).Unmap()
	return c.Pool.Usable(zone, netip.AddrPortFrom(addr, binary.BigEndian.Uint16(place[24:])))
}

// placeSize is how long a target's place in a cookie is: its pool, its address, its
// port.
const placeSize = 8 + 16 + 2

// AppendCookies appends the header lines that keep the client with its pool and
// with t, which answered.
func (c *Choice) AppendCookies(out []byte, t *target.Target, answer []http1.Field, keys *cookie.Keys) []byte {
	s := c.Pool.Sticky()
	if c.sticky <= 0 && s.For <= 0 {
		return out
	}
	now := time.Now()
	var room [256]byte
	if c.sticky > 0 {
		out = cookie.AppendSet(out, cookie.Group, keys.Append(room[:0], cookie.Group, c.name[:], now, now.Add(c.sticky)), now)
	}
	if s.For <= 0 || s.Cookie != "" && !c.asked && !sets(answer, s.Cookie) {
		return out
	}
	var place [placeSize]byte
	copy(place[:], c.name[:])
	addr := t.Addr.Addr().As16()
	copy(place[8:], addr[:])
	binary.BigEndian.PutUint16(place[24:], t.Addr.Port())
	if s.Cookie != "" {
		return cookie.AppendSetApp(out, keys.Append(room[:0], cookie.App, place[:], now, now.Add(s.For)), now)
	}
	return cookie.AppendSet(out, cookie.Target, keys.Append(room[:0], cookie.Target, place[:], now, now.Add(s.For)), now)
}

// sets tells whether an answer sets a cookie.
func sets(answer []http1.Field, name string) bool {
	for i := range answer {
		f := &answer[i]
		if f.Kind != http1.SetCookie {
			continue
		}
		if key, _, ok := bytes.Cut(f.Value, []byte("=")); ok && string(bytes.TrimSpace(key)) == name {
			return true
		}
	}
	return false
}
