package image

import (
	"io"
	"net/http"
)

// watched is a transport that tells when bytes of an answer come.
type watched struct {
	http.RoundTripper
	progress func()
}

// RoundTrip implements http.RoundTripper.
func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.progress()
	answer.Body = &watchedBody{answer.Body, w.progress}
	return answer, nil
}

type watchedBody struct {
	io.ReadCloser
	progress func()
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.progress()
	}
	return n, err
}
