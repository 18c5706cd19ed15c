package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// What stands for the body's hash where the body comes in chunks
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html).
const (
	chunksSigned        = algorithm + "-PAYLOAD" // what chunks sign
	trailerSigned       = algorithm + "-TRAILER"
	streamSigned        = "STREAMING-" + chunksSigned
	streamSignedTrailer = streamSigned + "-TRAILER"
	streamTrailer       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

const (
	// mostChunk bounds, in bytes, a signed chunk: it is held until its signature is verified.
	mostChunk = 16 << 20
	// mostTrailer bounds, in bytes, what follows the last chunk.
	mostTrailer = 16 << 10
	longestLine = 4 << 10
)

// Body is a request's body without what is around it for the signature. Nothing of a chunk is passed on before its
// signature is verified. The end of a body, io.EOF, is there only when all of the body is what the signature is of;
// any other error is an *Error, or that of the connection. It is for one reader.
type Body struct {
	// Length is the body's length in bytes; -1 where the client didn't say.
	Length int64
	// Trailer is what follows the last chunk. It is filled when the end is read, and nil where there are no chunks.
	Trailer http.Header

	source io.Reader
	err    error
}

// Read reads on.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.source.Read(p)
	b.err = err
	return n, err
}

// Open holds s against the head of r, and returns the body, which it verifies as it is read. The error is an *Error.
func (s *Signature) Open(r *http.Request, w Want) (*Body, error) {
	declared := s.declared(r)
	switch declared {
	case streamSigned, streamSignedTrailer, streamTrailer:
		if !w.AllowUnsignedPayload {
			return nil, mismatch("The payload of this request must be signed as one: x-amz-content-sha256 must not be %s for service '%s'.", declared, s.Scope.Service)
		}
	default:
		return s.openWhole(r, declared, w)
	}
	if err := s.verify(r, declared, w); err != nil {
		return nil, err
	}
	length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return nil, &Error{Broken, "You must provide the x-amz-decoded-content-length header, the length of the body without its chunks."}
	}
	b := &Body{Length: length, Trailer: http.Header{}}
	c := &chunks{r: bufio.NewReaderSize(r.Body, longestLine), body: b, left: length, trailer: declared != streamSigned}
	if declared != streamTrailer {
		c.sign, c.key, c.last = s, s.signingKey(w.Secret), s.mac
	}
	b.source = c
	return b, nil
}

// openWhole is Open for a body without chunks: not signed, or by its hash.
func (s *Signature) openWhole(r *http.Request, declared string, w Want) (*Body, error) {
	unsigned := declared == UnsignedPayload || declared == "" && s.presigned
	switch {
	case unsigned && !w.AllowUnsignedPayload:
		return nil, s.mustSign()
	case unsigned:
		declared = UnsignedPayload
	case declared == "":
		return nil, mismatch("The request must have the x-amz-content-sha256 header.")
	}
	if err := s.verify(r, declared, w); err != nil {
		return nil, err
	}
	b := &Body{Length: r.ContentLength, source: r.Body}
	if !unsigned {
		b.source = &hashed{r: r.Body, sum: sha256.New(), want: declared}
	}
	return b, nil
}

// hashed is a body that must have a hash.
type hashed struct {
	r    io.Reader
	sum  hash.Hash
	want string
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(h.sum.Sum(nil)); subtle.ConstantTimeCompare([]byte(got), []byte(h.want)) != 1 {
			return n, &Error{Digest, "The provided 'x-amz-content-sha256' header does not match what was computed."}
		}
	}
	return n, err
}

// chunks is a body in chunks.
type chunks struct {
	r       *bufio.Reader
	body    *Body
	left    int64 // bytes that are still to come
	trailer bool  // something follows the last chunk

	sign *Signature // nil where chunks aren't signed
	key  []byte
	last string // the signature before

	held []byte // the verified rest of a signed chunk
	open int64  // bytes left of an unsigned chunk
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.held) == 0 && c.open == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.held) > 0 {
		n := copy(p, c.held)
		c.held = c.held[n:]
		return n, nil
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.open)])
	c.open -= int64(n)
	if err == nil && c.open == 0 {
		err = c.lineEnd()
	}
	return n, cut(err)
}

// next reads up to the data of a chunk that isn't signed, or to the end of one that is; io.EOF after the last.
func (c *chunks) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	text, extension, extended := strings.Cut(line, ";")
	size, err := strconv.ParseUint(text, 16, 62)
	mac, signed := strings.CutPrefix(extension, "chunk-signature=")
	switch {
	case err != nil || extended != signed || signed != (c.sign != nil):
		return broken("A chunk of the body does not begin with its length in hexadecimal digits and, where chunks are signed, its signature.")
	case int64(size) > c.left:
		return broken("The body is longer than its x-amz-decoded-content-length.")
	case signed && size > mostChunk:
		return broken("A signed chunk must not have more than %d bytes.", mostChunk)
	}
	c.left -= int64(size)
	switch {
	case size == 0:
		return c.end(mac)
	case !signed:
		c.open = int64(size)
		return nil
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(c.r, data); err != nil {
		return cut(err)
	}
	if err := c.verify(chunksSigned, emptyHash, data, mac); err != nil {
		return err
	}
	c.held = data
	return c.lineEnd()
}

// emptyHash is SHA-256 of nothing, which chunks sign in place of headers.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// verify holds the next signature against what it is of.
func (c *chunks) verify(kind, headers string, data []byte, got string) error {
	sum := sha256.Sum256(data)
	parts := []string{kind, c.sign.Time.Format(timeFormat), c.sign.Scope.String(), c.last}
	if headers != "" {
		parts = append(parts, headers)
	}
	want := hex.EncodeToString(mac(c.key, strings.Join(append(parts, hex.EncodeToString(sum[:])), "\n")))
	if subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
		return mismatch("The signature of a chunk, or of what follows the last one, does not match the signature we calculated. Check your AWS Secret Access Key and signing method.")
	}
	c.last = want
	return nil
}

// end reads what follows the last chunk's line.
func (c *chunks) end(mac string) error {
	if c.left != 0 {
		return broken("The body is shorter than its x-amz-decoded-content-length.")
	}
	if c.sign != nil {
		if err := c.verify(chunksSigned, emptyHash, nil, mac); err != nil {
			return err
		}
	}
	if err := c.readTrailer(); err != nil {
		return err
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return cut(err)
		}
		return broken("Something follows the end of the body.")
	}
	return io.EOF
}

func (c *chunks) readTrailer() error {
	var signed strings.Builder
	said := ""
	for {
		line, err := c.line()
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF) && !c.trailer && signed.Len() == 0:
			return nil // some clients end with the last chunk
		case err != nil:
			return err
		case line == "" && c.trailer && c.sign != nil:
			return c.verify(trailerSigned, "", []byte(signed.String()), said)
		case line == "":
			return nil
		case !c.trailer || signed.Len()+len(line) > mostTrailer:
			return broken("Something follows the end of the body.")
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || name == "" || said != "" || len(c.body.Trailer.Values(name)) > 0:
			return broken("What follows the last chunk is not well-formed.")
		case name == "x-amz-trailer-signature":
			said = value
		default:
			c.body.Trailer.Set(name, value)
			signed.WriteString(name + ":" + value + "\n")
		}
	}
}

// line reads up to the end of a line, which is not part of it.
func (c *chunks) line() (string, error) {
	b, err := c.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", broken("A line between the chunks of the body is too long.")
	}
	if err != nil {
		return "", cut(err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// lineEnd reads the end of a chunk's data.
func (c *chunks) lineEnd() error {
	line, err := c.line()
	if err == nil && line != "" {
		err = broken("A chunk of the body is longer than it says.")
	}
	return err
}

// cut says that an end of the connection is none of the body.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
