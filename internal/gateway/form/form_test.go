package form

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

func post(t *testing.T, fields [][2]string, file string) *Form {
	t.Helper()
	f, err := read(fields, "pot.txt", file)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(fields [][2]string, filename, file string) (*Form, error) {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "--xx\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", f[0], f[1])
	}
	fmt.Fprintf(&b, "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=%q\r\n\r\n%s\r\n--xx--\r\n", filename, file)
	r := httptest.NewRequest(http.MethodPost, "/tea", strings.NewReader(b.String()))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=xx")
	return Read(r)
}

// TestReadBounds: nobody has signed the form yet, so what it makes of memory has bounds.
func TestReadBounds(t *testing.T) {
	t.Parallel()
	empty := make([][2]string, mostFields/perField+1)
	for i := range empty {
		empty[i] = [2]string{"x", ""}
	}
	for _, tc := range []struct {
		name     string
		fields   [][2]string
		filename string
		want     string
	}{
		{"a key as long as it may be", [][2]string{{"key", "${filename}"}}, strings.Repeat("a", longestName), ""},
		{"a key of many file names", [][2]string{{"key", strings.Repeat("${filename}", 1700)}}, strings.Repeat("a", longestName), "KeyTooLongError"},
		{"a short key of many file names", [][2]string{{"key", strings.Repeat("${filename}", 512)}}, "ab", ""},
		{"a key of many file names, too long by one", [][2]string{{"key", strings.Repeat("${filename}", 512) + "c"}}, "ab", "KeyTooLongError"},
		{"a long file name", [][2]string{{"key", "k"}}, strings.Repeat("a", longestName+1), "MaxPostPreDataLengthExceededError"},
		{"a long name", [][2]string{{"key", "k"}, {strings.Repeat("a", longestName+1), ""}}, "a", "MaxPostPreDataLengthExceededError"},
		{"many fields without content", append(empty, [2]string{"key", "k"}), "a", "MaxPostPreDataLengthExceededError"},
	} {
		_, err := read(tc.fields, tc.filename, "x")
		e, _ := errors.AsType[smithy.APIError](err)
		if tc.want == "" && err != nil || tc.want != "" && (e == nil || e.ErrorCode() != tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const usual = `{"bucket":"tea"},["starts-with","$key","up/"],["eq","$Content-Type","text/plain"]`
	for _, tc := range []struct{ name, expiration, conditions, extra, want string }{
		{"all is well", "2026-01-01T00:01:00Z", usual, "", ""},
		{"late", "2025-12-31T23:59:59Z", usual, "", "Policy expired."},
		{"another bucket", "2026-01-01T00:01:00Z", strings.Replace(usual, "tea", "cup", 1), "", "Policy Condition failed"},
		{"another prefix", "2026-01-01T00:01:00Z", strings.Replace(usual, "up/", "down/", 1), "", "Policy Condition failed"},
		{"no bucket", "2026-01-01T00:01:00Z", strings.Replace(usual, `{"bucket":"tea"},`, "", 1), "", "Extra input fields: bucket"},
		{"a field that isn't covered", "2026-01-01T00:01:00Z", usual, "x-amz-meta-a", "Extra input fields: x-amz-meta-a"},
		{"a field to be ignored", "2026-01-01T00:01:00Z", usual, "x-ignore-a", ""},
		{"no condition", "2026-01-01T00:01:00Z", usual + `,["like","$key","x"]`, "", "Invalid condition"},
		{"no JSON", "2026-01-01T00:01:00Z", usual + `,`, "", "Invalid JSON"},
	} {
		policy := fmt.Sprintf(`{"expiration":%q,"conditions":[%s]}`, tc.expiration, tc.conditions)
		fields := [][2]string{{"key", "up/${filename}"}, {"Content-Type", "text/plain"}, {"policy", base64.StdEncoding.EncodeToString([]byte(policy))}}
		if tc.extra != "" {
			fields = append(fields, [2]string{tc.extra, "1"})
		}
		f := post(t, fields, "x")
		if err := f.Check(now); tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if f.Field("key") != "up/pot.txt" {
			t.Errorf("%s: the key is %q", tc.name, f.Field("key"))
		}
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration":"2026-01-01T00:00:00Z","conditions":[["content-length-range",2,4]]}`))
	for file, want := range map[string]string{"abc": "", "a": "EntityTooSmall", "abcde": "EntityTooLarge"} {
		f := post(t, [][2]string{
			{"key", "a b/ü"},
			{"acl", "private"},
			{"x-amz-meta-leaf", "loose"},
			{"x-amz-signature", "s"},
			{"policy", policy},
			{"tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v&amp;w</Value></Tag></TagSet></Tagging>"},
		}, file)
		_ = f.Check(time.Time{}) // for the range: there are fields that it doesn't cover
		r := f.Put(httptest.NewRequest(http.MethodPost, "/tea", nil))
		if r.URL.EscapedPath() != "/tea/a%20b/%C3%BC" || r.Header.Get("X-Amz-Acl") != "private" || r.Header.Get("X-Amz-Meta-Leaf") != "loose" || r.Header.Get("X-Amz-Signature") != "" || r.Header.Get("X-Amz-Tagging") != "k=v%26w" {
			t.Errorf("%s: %s %v", file, r.URL, r.Header)
		}
		b, err := io.ReadAll(r.Body)
		if want == "" && (err != nil || string(b) != file) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q, %v, want %q", file, b, err, want)
		}
	}
}
