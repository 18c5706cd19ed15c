package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// longestPlain bounds, in bytes, what a compressed body says.
const longestPlain = 16 << 20

// plain returns a body without the compression that SDKs send large ones with where an operation asks
// for it (Smithy's requestCompression, which knows gzip alone). Its signature is of what was sent.
func plain(r *http.Request, body []byte) ([]byte, error) {
	if !strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the body is not compressed by gzip, as its Content-Encoding says")
	}
	out, err := io.ReadAll(io.LimitReader(z, longestPlain+1))
	switch {
	case err != nil:
		return nil, errors.New("the body is not whole: its gzip ends too early")
	case len(out) > longestPlain:
		return nil, errors.New("the body is too large once it is not compressed any more")
	}
	return out, nil
}
