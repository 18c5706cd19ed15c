package checksum

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/smithy-go"
)

// check is what each kind's own specification or AWS gives for the digits 1 to 9.
var check = map[string]string{
	"X-Amz-Checksum-Crc32":     "y/Q5Jg==",     // 0xCBF43926
	"X-Amz-Checksum-Crc32c":    "4waSgw==",     // 0xE3069283, RFC 3720
	"X-Amz-Checksum-Crc64nvme": "rosUhgp5mIg=", // 0xAE8B14860A799888
	"X-Amz-Checksum-Md5":       "JfnnlDI7RTiF9RgfG2JNCw==",
	"X-Amz-Checksum-Sha1":      "98O8HYCOBHMq32eZZczDTKeuNEE=",
	"X-Amz-Checksum-Sha256":    "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
	"Content-Md5":              "JfnnlDI7RTiF9RgfG2JNCw==",
}

func read(body string, head, after http.Header) (*Reader, string) {
	var trailer func() http.Header
	if after != nil {
		trailer = func() http.Header { return after }
	}
	r, err := New(iotest.OneByteReader(strings.NewReader(body)), head, trailer)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return r, api.ErrorCode()
	}
	if err != nil {
		return r, err.Error()
	}
	return r, ""
}

func TestEachKind(t *testing.T) {
	t.Parallel()
	for name, sum := range check {
		if _, code := read("123456789", http.Header{name: {sum}}, nil); code != "" {
			r, _ := read("123456789", http.Header{"X-Amz-Trailer": {name}}, http.Header{})
			t.Errorf("%s: %s; it is %v", name, code, r.Sums())
		}
		if _, code := read("123456780", http.Header{name: {sum}}, nil); code != "BadDigest" {
			t.Errorf("%s of another body: %q", name, code)
		}
		if name == "Content-Md5" {
			continue
		}
		r, code := read("123456789", http.Header{"X-Amz-Trailer": {strings.ToLower(name)}}, http.Header{name: {sum}})
		if code != "" || r.Sums().Get(name) != sum {
			t.Errorf("%s behind the body: %q, %v", name, code, r.Sums())
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	const crc = "X-Amz-Checksum-Crc32"
	for name, tc := range map[string]struct {
		head, after http.Header
		want        string
	}{
		"nothing":                {nil, nil, ""},
		"the algorithm alone":    {http.Header{"X-Amz-Checksum-Algorithm": {"CRC32"}, "X-Amz-Checksum-Type": {"FULL_OBJECT"}}, nil, ""},
		"no base64":              {http.Header{crc: {"?"}}, nil, "InvalidRequest"},
		"too short":              {http.Header{crc: {"y/Q="}}, nil, "InvalidRequest"},
		"no MD5":                 {http.Header{"Content-Md5": {"y/Q5Jg=="}}, nil, "InvalidDigest"},
		"another kind":           {http.Header{"X-Amz-Checksum-Xxhash64": {"a"}}, nil, "NotImplemented"},
		"no trailer":             {http.Header{"X-Amz-Trailer": {crc}}, http.Header{}, "MalformedTrailerError"},
		"none can come":          {http.Header{"X-Amz-Trailer": {crc}}, nil, "InvalidRequest"},
		"something else":         {http.Header{"X-Amz-Trailer": {"x-other"}}, http.Header{}, "InvalidRequest"},
		"a trailer unsaid":       {nil, http.Header{crc: {check[crc]}}, "MalformedTrailerError"},
		"a trailer that's wrong": {http.Header{"X-Amz-Trailer": {crc}}, http.Header{crc: {"AAAAAA=="}}, "BadDigest"},
		"a trailer too short":    {http.Header{"X-Amz-Trailer": {crc}}, http.Header{crc: {"AAA="}}, "InvalidRequest"},
		"two":                    {http.Header{crc: {check[crc]}, "X-Amz-Checksum-Sha1": {"98O8HYCOBHMqDfFZzpBTDLdEPkA="}}, nil, "BadDigest"},
	} {
		if _, code := read("123456789", tc.head, tc.after); code != tc.want {
			t.Errorf("%s: %q, want %q", name, code, tc.want)
		}
	}
}
