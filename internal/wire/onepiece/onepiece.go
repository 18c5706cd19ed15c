// Package onepiece sends the requests of the SDK for Go in one piece.
//
// The SDK gives net/http a body of a type of its own, so net/http sends head and
// body apart. When the answer is there before net/http has closed that body, which
// the SDK has closed already, net/http ends the connection under the answer. That
// happens to a few requests of a thousand, and only on loopback.
package onepiece

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// Client returns an HTTP client that reads a request's body before it sends the
// request by to.
func Client(to http.RoundTripper) *http.Client { return &http.Client{Transport: whole{to}} }

type whole struct{ to http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return w.to.RoundTrip(r)
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(b))
	return w.to.RoundTrip(r)
}
