package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/skylift/skylift/internal/wire/checksum"
)

// ErrCut says that an answer whose head went out can't be sent whole: the connection must end with it.
var ErrCut = errors.New("the answer is cut off")

// UnsignedPayload says whether the signature of a request to the service need not be of its body, or may be in the
// chunks of it.
func (s *Service) UnsignedPayload() bool { return s.desc.UnsignedPayload }

// Streams says whether r is for an operation that reads the body as it comes. It looks at the head alone. Such a body
// has no bound in size, and no time in which it must be there: these are the operation's.
func (s *Service) Streams(r *http.Request) bool {
	f := s.face(r, nil)
	req, err := f.codec.open(s.desc, r, nil)
	if err != nil {
		return false
	}
	op := f.ops[req.operation()]
	return op != nil && op.input.Stream() != nil
}

// feed gives in, an operation's input, the body: that of r where it has not been read. Its end is there only when the
// checksums that the request says are right. What it says behind the body is in r.Trailer then.
func (s *Service) feed(op *operation, in reflect.Value, r *http.Request, body []byte) error {
	f := op.input.Stream()
	if f == nil {
		if !s.desc.Operations[op.name].Checksum {
			return nil
		}
		sums, err := checksum.New(bytes.NewReader(body), r.Header, func() http.Header { return r.Trailer })
		if err == nil {
			_, err = io.Copy(io.Discard, sums)
		}
		return err
	}
	source := io.Reader(r.Body)
	if body != nil || source == nil {
		source = bytes.NewReader(body)
	}
	sums, err := checksum.New(source, r.Header, func() http.Header { return r.Trailer })
	if err == nil {
		in.Elem().Field(f.Index).Set(reflect.ValueOf(sums))
	}
	return err
}

// Sums returns the checksums of a body that a handler has read to its end, as the request said them: in the form of
// headers. Body is the input's member.
func Sums(body io.Reader) http.Header {
	r, ok := body.(*checksum.Reader)
	if !ok {
		return nil
	}
	return r.Sums()
}

// copyTo sends an answer whose body is read as it is sent.
func copyTo(w http.ResponseWriter, status int, requestID string, body io.ReadCloser) error {
	defer body.Close()
	w.Header().Set("X-Amzn-Requestid", requestID)
	w.WriteHeader(status)
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	return nil
}
