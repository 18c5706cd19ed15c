package cookie_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge/cookie"
	"github.com/skylift/skylift/internal/edge/http1"
)

var now = time.Date(2026, 11, 29, 23, 59, 0, 0, time.UTC)

func TestOpensWhatItSealed(t *testing.T) {
	t.Parallel()
	keys, others := cookie.New([]byte("secret")), cookie.New(nil)
	until := now.Add(time.Hour)
	value := keys.Append(nil, cookie.Group, []byte("place"), now, until)
	changed := bytes.Clone(value)
	changed[len(changed)-1] ^= 1
	for _, tt := range []struct {
		name  string
		keys  *cookie.Keys
		kind  string
		value []byte
		at    time.Time
		want  bool
	}{
		{"at once", keys, cookie.Group, value, now, true},
		{"the next day", cookie.New([]byte("secret")), cookie.Group, value, now.Add(59 * time.Minute), true},
		{"over", keys, cookie.Group, value, until, false},
		{"of another kind", keys, cookie.Target, value, now, false},
		{"of other keys", others, cookie.Group, value, now, false},
		{"changed", keys, cookie.Group, changed, now, false},
		{"empty", keys, cookie.Group, nil, now, false},
		{"no base64", keys, cookie.Group, []byte("%%%"), now, false},
		{"long", keys, cookie.Group, bytes.Repeat([]byte("a"), 4000), now, false},
		{"too old a key", keys, cookie.Group, keys.Append(nil, cookie.Group, []byte("place"), now, now.Add(30*24*time.Hour)), now.Add(9 * 24 * time.Hour), false},
	} {
		place, end, ok := tt.keys.Open(nil, tt.kind, tt.value, tt.at)
		if ok != tt.want || ok && (string(place) != "place" || !end.Equal(until.Truncate(time.Second))) {
			t.Errorf("%s: Open = %q, %v, %v, want %v", tt.name, place, end, ok, tt.want)
		}
	}
	if bytes.Contains(value, []byte("place")) {
		t.Errorf("%q tells its place", value)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{"a=b; AWSALB=1"}, "1"},
		{[]string{"AWSALBTG=2;AWSALB=1;x"}, "1"},
		{[]string{"AWSALB=1", "AWSALBCORS=3"}, "3"},
		{[]string{"awsalb=1; xAWSALB=2"}, ""},
	} {
		var fields []http1.Field
		for _, l := range tt.lines {
			fields = append(fields, http1.Field{Name: []byte("Cookie"), Value: []byte(l), Kind: http1.Cookie})
		}
		if got := cookie.Find(fields, cookie.Target); string(got) != tt.want {
			t.Errorf("Find in %q = %q, want %q", tt.lines, got, tt.want)
		}
	}
}

func TestAppendSet(t *testing.T) {
	t.Parallel()
	want := "Set-Cookie: AWSALB=v; Expires=Sun, 06 Dec 2026 23:59:00 GMT; Path=/\r\n" +
		"Set-Cookie: AWSALBCORS=v; Expires=Sun, 06 Dec 2026 23:59:00 GMT; Path=/; SameSite=None; Secure\r\n"
	if got := string(cookie.AppendSet(nil, cookie.Target, []byte("v"), now)); got != want {
		t.Errorf("AppendSet = %q, want %q", got, want)
	}
}
