package stream

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/edge/http1"
)

// request makes a request of a head, and of what is there of its body behind it.
func (c *Client) request(s *Stream, r *http1.Request, rest []byte) *http.Request {
	req := &http.Request{
		Method: string(r.Method), URL: &url.URL{Scheme: c.scheme, Host: c.addr, Opaque: opaque(string(r.Host), string(r.Target))},
		Host: string(r.Host), Header: make(http.Header, len(r.Fields)), ContentLength: -1,
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; !f.Hop && f.Kind != http1.Host {
			req.Header.Add(string(f.Name), string(f.Value))
		}
	}
	if _, says := req.Header["User-Agent"]; !says {
		req.Header["User-Agent"] = []string{""} // or the transport would say its own
	}
	announce(req)
	src := &http1.Reader{}
	src.Reset(io.MultiReader(bytes.NewReader(rest), s.far), make([]byte, 4<<10))
	of := r.Body(src)
	switch {
	case of.Framing == http1.None:
		req.Body, req.ContentLength = http.NoBody, 0
	case of.Framing == http1.Sized && of.Length == int64(len(rest)):
		req.ContentLength = of.Length
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(rest)), nil }
		req.Body, _ = req.GetBody()
	default:
		if of.Framing == http1.Sized {
			req.ContentLength = of.Length
		}
		req.Body = &body{Body: of, far: s.far, trailer: req.Trailer}
	}
	return req.WithContext(s.ctx)
}

// announce moves what the client says of trailers to where the transport looks for them:
// those that weren't announced aren't sent.
func announce(req *http.Request) {
	for _, names := range req.Header.Values("Trailer") {
		for name := range bytes.SplitSeq([]byte(names), []byte(",")) {
			if req.Trailer == nil {
				req.Trailer = http.Header{}
			}
			req.Trailer[http.CanonicalHeaderKey(string(bytes.TrimSpace(name)))] = nil
		}
	}
	req.Header.Del("Trailer")
}

// opaque is a target as net/url keeps it untouched.
func opaque(host, target string) string {
	if len(target) > 1 && target[:2] == "//" {
		return "//" + host + target // RequestURI puts the scheme before it, and the transport takes both away
	}
	return target
}

// appendHead writes an answer's head.
func appendHead(out []byte, res *http.Response, chunked bool) []byte {
	out = strconv.AppendInt(append(out, "HTTP/1.1 "...), int64(res.StatusCode), 10)
	out = append(append(append(out, ' '), http.StatusText(res.StatusCode)...), "\r\n"...)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		if name == "Content-Length" && res.StatusCode != http.StatusNotModified {
			continue // that of a 304 is of what it stands for
		}
		for _, v := range res.Header[name] {
			out = append(append(append(append(out, name...), ": "...), v...), "\r\n"...)
		}
	}
	if len(res.Trailer) > 0 {
		out = append(append(append(out, "Trailer: "...), strings.Join(slices.Sorted(maps.Keys(res.Trailer)), ", ")...), "\r\n"...)
	}
	switch {
	case chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case res.ContentLength >= 0 && res.StatusCode != http.StatusNoContent && res.StatusCode != http.StatusNotModified:
		out = append(strconv.AppendInt(append(out, "Content-Length: "...), res.ContentLength, 10), "\r\n"...)
	}
	return append(out, "\r\n"...)
}

// appendTrailers writes what stands behind a chunked body.
func appendTrailers(out []byte, trailers http.Header) []byte {
	for _, name := range slices.Sorted(maps.Keys(trailers)) {
		for _, v := range trailers[name] {
			out = append(append(append(append(out, name...), ": "...), v...), "\r\n"...)
		}
	}
	return append(out, "\r\n"...)
}

// frame makes a chunk of the n bytes at buf[at:], in place.
func frame(buf []byte, at, n int) []byte {
	var size [16]byte
	line := append(strconv.AppendInt(size[:0], int64(n), 16), "\r\n"...)
	from := at - len(line)
	copy(buf[from:], line)
	copy(buf[at+n:], "\r\n")
	return buf[from : at+n+2]
}
