package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/gateway/virtualhost"
	"github.com/skylift/skylift/internal/sigv4"
)

// open admits a call to a service whose requests need not sign their body, and returns the body. The body is nil if the operation reads it as it
// comes. Then the request has it, without the framing that is for the signature.
func (c *call) open(sig *sigv4.Signature, want sigv4.Want) ([]byte, error) {
	want.AllowUnsignedPayload = true
	body, err := sig.Open(c.r, want)
	if err != nil {
		return c.hint(), err
	}
	r := *c.r
	r.Header = c.r.Header.Clone()
	r.Body = &opened{r: body, in: c.in}
	if body.Trailer != nil { // it came in chunks
		r.ContentLength, r.Trailer = body.Length, body.Trailer
		r.Header.Set("Content-Length", strconv.FormatInt(body.Length, 10))
		if rest := withoutChunks(r.Header.Get("Content-Encoding")); rest != "" {
			r.Header.Set("Content-Encoding", rest)
		} else {
			r.Header.Del("Content-Encoding")
		}
	}
	c.r = virtualhost.PathStyle(&r)
	if c.svc.Streams(c.r) {
		return nil, nil
	}
	whole, err := c.read(c.g.cfg.MaxBody)
	if err == nil && whole == nil {
		whole = []byte{}
	}
	return whole, err
}

// withoutChunks removes aws-chunked from a Content-Encoding: that says how the
// body travels, not what it is.
func withoutChunks(encoding string) string {
	var rest []string
	for one := range strings.SplitSeq(encoding, ",") {
		if one = strings.TrimSpace(one); one != "" && !strings.EqualFold(one, "aws-chunked") {
			rest = append(rest, one)
		}
	}
	return strings.Join(rest, ",")
}

// opened is a body that a handler reads. If it ends too early, that is the
// caller's error.
type opened struct {
	r  io.Reader
	in *body
}

// Read reads the next piece.
func (o *opened) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if _, ok := errors.AsType[*sigv4.Error](err); ok || err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	o.in.refuse()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return n, refusal("IncompleteBody", http.StatusBadRequest, "The request body terminated unexpectedly")
	}
	return n, refusal("RequestTimeout", http.StatusBadRequest, "Your socket connection to the server was not read from or written to within the timeout period.")
}

// Close leaves the rest of the body to the server.
func (o *opened) Close() error { return nil }
