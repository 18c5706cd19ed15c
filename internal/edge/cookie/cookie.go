// Package cookie keeps clients where they are: it seals where a client's requests
// go into cookies, and finds it again in what the client sends.
//
// A cookie that was changed, was sealed for something else, or is over says
// nothing. Nobody but those who have the key can read one.
package cookie

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
)

// The names of the cookies. Of each there is one more, for requests that other
// sites make; it wins.
const (
	Group  = "AWSALBTG"
	Target = "AWSALB"
	App    = "AWSALBAPP-0"
	cors   = "CORS"
)

// shown is how long browsers keep a cookie. How long it holds is sealed in it.
const shown = 7 * 24 * time.Hour

// Keys seal and open cookies. Each day has a key of its own, so that none seals
// as many as random nonces allow for. A cookie opens for as long as browsers keep it.
type Keys struct {
	root []byte
	days [16]atomic.Pointer[dayKey] // the last ones that were used
}

type dayKey struct {
	day  uint16
	aead cipher.AEAD
}

// New makes keys of a secret, random ones without.
func New(secret []byte) *Keys {
	if len(secret) == 0 {
		secret = make([]byte, 32)
		rand.Read(secret) // never fails, by its contract
	}
	return &Keys{root: secret}
}

const lastDays = uint16(shown/(24*time.Hour)) + 1

func today(now time.Time) uint16 { return uint16(now.Unix() / (24 * 60 * 60)) }

// key returns the key of a day.
func (k *Keys) key(day uint16) cipher.AEAD {
	slot := &k.days[day%uint16(len(k.days))]
	if d := slot.Load(); d != nil && d.day == day {
		return d.aead
	}
	secret, err := hkdf.Key(sha256.New, k.root, nil, "day "+strconv.Itoa(int(day)), 32)
	if err != nil {
		panic(err) // the size is below HKDF's bound
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // the key has the right size
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the right block
	}
	slot.Store(&dayKey{day, aead})
	return aead
}

// maxPlace bounds what a cookie says.
const maxPlace = 64

// Append appends what a cookie of a kind is to say: place, until a time.
func (k *Keys) Append(out []byte, kind string, place []byte, now, until time.Time) []byte {
	var room [4 + maxPlace]byte
	plain := binary.BigEndian.AppendUint32(room[:0], uint32(until.Unix()))
	plain = append(plain, place...)
	var sealed [2 + 12 + 4 + maxPlace + 16]byte
	day := today(now)
	text := binary.BigEndian.AppendUint16(sealed[:0], day)
	text = k.key(day).Seal(text, nil, plain, []byte(kind))
	return base64.RawURLEncoding.AppendEncode(out, text)
}

// Open returns the place that a cookie's value says, and until when. It appends
// the place to out.
func (k *Keys) Open(out []byte, kind string, value []byte, now time.Time) (place []byte, until time.Time, ok bool) {
	var room [2 + 12 + 4 + maxPlace + 16]byte
	if base64.RawURLEncoding.DecodedLen(len(value)) > len(room) {
		return nil, until, false
	}
	n, err := base64.RawURLEncoding.Decode(room[:], value)
	if err != nil || n < 2 {
		return nil, until, false
	}
	day := binary.BigEndian.Uint16(room[:])
	if age := today(now) - day; age > lastDays {
		return nil, until, false
	}
	var plainRoom [4 + maxPlace]byte
	plain, err := k.key(day).Open(plainRoom[:0], nil, room[2:n], []byte(kind))
	if err != nil || len(plain) < 4 {
		return nil, until, false
	}
	until = time.Unix(int64(binary.BigEndian.Uint32(plain)), 0)
	return append(out, plain[4:]...), until, now.Before(until)
}

// Find returns the value of a cookie that a request has, that of its cross-site
// form rather than its own; nil if it has none.
func Find(fields []http1.Field, name string) []byte { return find(fields, name, true) }

func find(fields []http1.Field, name string, both bool) []byte {
	var own []byte
	for i := range fields {
		if fields[i].Kind != http1.Cookie {
			continue
		}
		for rest := fields[i].Value; len(rest) > 0; {
			var part []byte
			part, rest, _ = bytes.Cut(rest, []byte(";"))
			key, value, ok := bytes.Cut(bytes.TrimSpace(part), []byte("="))
			form, is := bytes.CutPrefix(key, []byte(name))
			switch {
			case !ok || !is:
			case len(form) == 0:
				own = value
			case both && string(form) == cors:
				return value
			}
		}
	}
	return own
}

// Has tells whether a request has a cookie, whatever its value.
func Has(fields []http1.Field, name string) bool { return find(fields, name, false) != nil }

// AppendSet appends the header lines that give a client a cookie in both its
// forms.
func AppendSet(out []byte, name string, value []byte, now time.Time) []byte {
	expires := now.Add(shown).UTC()
	out = appendSet(out, name, "", value, expires)
	out = append(out, "\r\n"...)
	out = appendSet(out, name, cors, value, expires)
	return append(out, "; SameSite=None; Secure\r\n"...)
}

// AppendSetApp appends the header line that gives a client an application's cookie
// of the balancer's, which has one form.
func AppendSetApp(out []byte, value []byte, now time.Time) []byte {
	return append(appendSet(out, App, "", value, now.Add(shown).UTC()), "; SameSite=None; Secure\r\n"...)
}

func appendSet(out []byte, name, form string, value []byte, expires time.Time) []byte {
	out = append(append(append(out, "Set-Cookie: "...), name...), form...)
	out = append(append(append(out, '='), value...), "; Expires="...)
	return append(expires.AppendFormat(out, http.TimeFormat), "; Path=/"...)
}
