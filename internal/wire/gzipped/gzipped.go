// Package gzipped reads the bodies that SDKs send compressed: Smithy's requestCompression trait, which knows gzip alone
// (https://smithy.io/2.0/spec/behavior-traits.html#requestcompression-trait).
package gzipped

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Longest bounds, in bytes, a body after decompression.
const Longest = 16 << 20

// Plain returns a body without its compression. The signature is of the compressed body.
func Plain(r *http.Request, body []byte) ([]byte, error) {
	if !strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the body is not compressed by gzip, as its Content-Encoding says")
	}
	out, err := io.ReadAll(io.LimitReader(z, Longest+1))
	switch {
	case err != nil:
		return nil, errors.New("the body is not whole: its gzip ends too early")
	case len(out) > Longest:
		return nil, errors.New("the body is too large once it is not compressed any more")
	}
	return out, nil
}
