package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// The examples that AWS publishes for bodies in chunks.
const (
	s3Key    = "AKIAIOSFODNN7EXAMPLE"
	s3Secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func s3Want() Want {
	return Want{Secret: s3Secret, Regions: []string{"us-east-1"}, Service: "s3", Now: time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), AllowUnsignedPayload: true}
}

type chunk struct{ data, mac string }

func chunked(chunks []chunk, rest string) string {
	var b strings.Builder
	for _, c := range chunks {
		b.WriteString(strconv.FormatInt(int64(len(c.data)), 16))
		if c.mac != "" {
			b.WriteString(";chunk-signature=" + c.mac)
		}
		b.WriteString("\r\n")
		if c.data != "" {
			b.WriteString(c.data + "\r\n")
		}
	}
	return b.String() + rest
}

// published is the example that AWS publishes of a body in signed chunks.
func published() []chunk {
	return []chunk{
		{strings.Repeat("a", 65536), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
		{strings.Repeat("a", 1024), "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
		{"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
	}
}

func publishedTrailer() ([]chunk, string) {
	return []chunk{
		{strings.Repeat("a", 65536), "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"},
		{strings.Repeat("a", 1024), "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"},
		{"", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
	}, "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
}

// streamed is the request of the examples.
func streamed(kind, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPut, "/examplebucket/chunkObject.txt", strings.NewReader(body))
	r.Host = "s3.amazonaws.com"
	signed, seed := "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class", "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
	for k, v := range map[string]string{
		"X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "X-Amz-Content-Sha256": kind, "Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "66560",
	} {
		r.Header.Set(k, v)
	}
	r.ContentLength = 66824
	if kind == streamSignedTrailer {
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
		signed, seed = "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer", "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s3Key+"/20130524/us-east-1/s3/aws4_request,SignedHeaders="+signed+",Signature="+seed)
	return r
}

// read opens and reads a request's body in pieces.
func read(r *http.Request, w Want) (*Body, string, error) {
	s, err := Parse(r)
	if err != nil {
		return nil, "", err
	}
	b, err := s.Open(r, w)
	if err != nil {
		return nil, "", err
	}
	data, err := io.ReadAll(iotest.HalfReader(b))
	return b, string(data), err
}

func TestPublishedChunks(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("a", 66560)
	for _, end := range []string{"\r\n", ""} {
		b, got, err := read(streamed(streamSigned, chunked(published(), end)), s3Want())
		if err != nil || got != want || b.Length != 66560 {
			t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
		}
	}
	b, got, err := read(streamed(streamSignedTrailer, chunked(publishedTrailer())), s3Want())
	if err != nil || got != want || b.Trailer.Get("x-amz-checksum-crc32c") != "sOO8/Q==" {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

// TestNothingOfAChunkIsReadBeforeItsSignature changes one byte of each chunk: none of it, or of what follows, is read.
func TestNothingOfAChunkIsReadBeforeItsSignature(t *testing.T) {
	t.Parallel()
	for at := range 3 {
		chunks := published()
		before := 0
		for _, c := range chunks[:at] {
			before += len(c.data)
		}
		if c := &chunks[at]; c.data == "" {
			c.mac = strings.Repeat("0", 64)
		} else {
			c.data = c.data[1:] + "b"
		}
		_, got, err := read(streamed(streamSigned, chunked(chunks, "\r\n")), s3Want())
		if kind(err) != Mismatch || len(got) != before {
			t.Errorf("chunk %d: %d bytes are read, %v", at, len(got), err)
		}
	}
}

func TestBrokenChunks(t *testing.T) {
	t.Parallel()
	good := chunked(published(), "\r\n")
	trailed := chunked(publishedTrailer())
	for name, tc := range map[string]struct {
		kind, body string
		want       Kind // "": cut off
	}{
		"cut in a chunk":       {streamSigned, good[:1000], ""},
		"cut between":          {streamSigned, good[:65536+90], ""},
		"cut at the end":       {streamSigned, good[:len(good)-20], ""},
		"nothing":              {streamSigned, "", ""},
		"more":                 {streamSigned, good + "x", Broken},
		"a trailer":            {streamSigned, good[:len(good)-2] + "a:b\r\n\r\n", Broken},
		"no size":              {streamSigned, "x" + good, Broken},
		"a negative size":      {streamSigned, "-" + good, Broken},
		"an endless size":      {streamSigned, strings.Repeat("0", 10000) + good, Broken},
		"no signature":         {streamSigned, "10000\r\n" + strings.Repeat("a", 65536) + "\r\n0\r\n\r\n", Broken},
		"another extension":    {streamSigned, "10000;a=b\r\n", Broken},
		"too long":             {streamSigned, "ffffff;chunk-signature=0\r\n", Broken},
		"another trailer":      {streamSignedTrailer, strings.Replace(trailed, "sOO8/Q==", "sOO8/w==", 1), Mismatch},
		"no trailer signature": {streamSignedTrailer, trailed[:strings.Index(trailed, "x-amz-trailer-s")] + "\r\n", Mismatch},
		"a trailer cut":        {streamSignedTrailer, trailed[:len(trailed)-2], ""},
		"a trailer twice":      {streamSignedTrailer, strings.Replace(trailed, "x-amz-checksum", "x-amz-checksum-crc32c:a\r\nx-amz-checksum", 1), Broken},
		"after the signature":  {streamSignedTrailer, strings.TrimSuffix(trailed, "\r\n") + "a:b\r\n\r\n", Broken},
		"a trailer in short":   {streamSignedTrailer, strings.Replace(trailed, "x-amz-checksum", "nonsense\r\nx-amz-checksum", 1), Broken},
	} {
		_, got, err := read(streamed(tc.kind, tc.body), s3Want())
		if kind(err) != tc.want || tc.want == "" && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes, %v, want %q", name, len(got), err, tc.want)
		}
	}
	for name, change := range map[string]func(r *http.Request, w *Want){
		"no length":         func(r *http.Request, _ *Want) { r.Header.Del("X-Amz-Decoded-Content-Length") },
		"another signature": func(_ *http.Request, w *Want) { w.Secret += "x" },
		"must be signed":    func(_ *http.Request, w *Want) { w.AllowUnsignedPayload = false },
		"too late":          func(_ *http.Request, w *Want) { w.Now = w.Now.Add(time.Hour) },
	} {
		r, w := streamed(streamSigned, good), s3Want()
		change(r, &w)
		if _, got, err := read(r, w); kind(err) == "" || got != "" {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// sign signs r as its headers are, with the payload's hash as it says.
func sign(r *http.Request, names ...string) {
	s := &Signature{Scope: Scope{"20130524", "us-east-1", "s3"}, Time: s3Want().Now, Signed: append([]string{"host", "x-amz-content-sha256", "x-amz-date"}, names...)}
	r.Header.Set("X-Amz-Date", s.Time.Format(timeFormat))
	toSign := s.stringToSign(s.canonicalRequest(r, r.Header.Get("X-Amz-Content-Sha256")))
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%x", algorithm, s3Key, s.Scope, strings.Join(s.Signed, ";"), mac(s.signingKey(s3Secret), toSign)))
}

func TestBodiesAsTheyCome(t *testing.T) {
	t.Parallel()
	const text = "some body"
	sum := sha256.Sum256([]byte(text))
	for name, tc := range map[string]struct {
		kind, body, want string
		fault            Kind
	}{
		"unsigned":         {UnsignedPayload, text, text, ""},
		"a hash":           {hex.EncodeToString(sum[:]), text, text, ""},
		"another hash":     {hex.EncodeToString(sum[:]), text + "x", text + "x", Digest},
		"a trailer":        {streamTrailer, "4\r\nsome\r\n5\r\n body\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", text, ""},
		"no trailer":       {streamTrailer, "9\r\nsome body\r\n0\r\n\r\n", text, ""},
		"short":            {streamTrailer, "4\r\nsome\r\n0\r\n\r\n", "some", Broken},
		"long":             {streamTrailer, "9\r\nsome body\r\n1\r\nx\r\n0\r\n\r\n", text, Broken},
		"longer than said": {streamTrailer, "4\r\nsomex\r\n", "some", Broken},
	} {
		r := httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader(tc.body))
		r.Header.Set("X-Amz-Content-Sha256", tc.kind)
		r.Header.Set("X-Amz-Decoded-Content-Length", "9")
		sign(r, "x-amz-decoded-content-length")
		b, got, err := read(r, s3Want())
		if kind(err) != tc.fault || got != tc.want || tc.fault == "" && err != nil {
			t.Errorf("%s: got %q, %v, want %q, %q", name, got, err, tc.want, tc.fault)
		}
		if name == "a trailer" && b.Trailer.Get("x-amz-checksum-crc32") != "AAAAAA==" {
			t.Errorf("trailer %v", b.Trailer)
		}
	}
}

// FuzzChunks holds that what is read of a body in chunks is never more than it says, and that its end is an error or
// that of the whole body.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("4\r\nsome\r\n5\r\n body\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"))
	f.Add([]byte("9\r\nsome body\r\n0\r\n\r\n"))
	f.Add([]byte("0;chunk-signature=\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPut, "/b/k", bytes.NewReader(body))
		r.Header.Set("X-Amz-Content-Sha256", streamTrailer)
		r.Header.Set("X-Amz-Decoded-Content-Length", "9")
		sign(r, "x-amz-decoded-content-length")
		_, got, err := read(r, s3Want())
		if len(got) > 9 || err == nil && len(got) != 9 {
			t.Errorf("%q: got %q, %v", body, got, err)
		}
	})
}
