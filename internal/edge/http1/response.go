package http1

import "bytes"

// Response is the head of an answer. Its slices are good until the reader it
// came from is read again.
type Response struct {
	head
	Status int
	Reason []byte
	Minor  byte
}

// Parse reads a whole head.
func (r *Response) Parse(p []byte) error {
	line, rest := cutLine(p)
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return malformed("malformed status line")
	}
	r.Minor = line[7] - '0'
	r.Status = 0
	for _, c := range line[9:12] {
		if c < '0' || '9' < c {
			return malformed("malformed status code")
		}
		r.Status = 10*r.Status + int(c-'0')
	}
	if r.Status < 100 || len(line) > 12 && line[12] != ' ' {
		return malformed("malformed status code")
	}
	r.Reason = nil
	if len(line) > 13 {
		r.Reason = line[13:]
	}
	for _, c := range r.Reason {
		if c < ' ' && c != '\t' || c == 0x7f {
			return malformed("malformed reason")
		}
	}
	return r.parse(rest)
}

// Informs tells whether another head follows.
func (r *Response) Informs() bool { return r.Status < 200 && r.Status != 101 }

// Closes tells whether the connection ends with this answer, whose body is
// framed so.
func (r *Response) Closes(f Framing) bool {
	ambiguous := r.framing.coded && r.framing.length >= 0
	return r.close || ambiguous || f == UntilClose || r.Minor == 0 && !r.keep
}

// Body is the answer's body, which is read from b behind the head. It is
// empty for an answer to a HEAD request.
func (r *Response) Body(b *Reader, toHead bool) Body {
	switch {
	case toHead || r.Status < 200 || r.Status == 204 || r.Status == 304:
		return Body{src: b, Framing: None, Length: max(0, r.framing.length), told: r.framing.length >= 0 && r.Status != 204}
	case r.framing.chunked && r.Minor == 1:
		return Body{src: b, Framing: Chunked}
	case r.framing.chunked || r.framing.coded && r.framing.length < 0:
		return Body{src: b, Framing: UntilClose}
	case r.framing.length > 0:
		return Body{src: b, Framing: Sized, Length: r.framing.length, left: r.framing.length}
	case r.framing.length == 0:
		return Body{src: b, Framing: None, told: true}
	default:
		return Body{src: b, Framing: UntilClose}
	}
}
