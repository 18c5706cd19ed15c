// Package checksum holds a body against the checksums that its request says, in headers or behind it, as it is read.
//
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.
package checksum

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/awserr"
)

const prefix = "X-Amz-Checksum-"

// kinds makes the sums, by what their headers' names end in. CRC64NVME is the CRC-64 of the NVM Express specification,
// here with its polynomial's bits reversed, as Go has them.
var kinds = map[string]func() hash.Hash{
	"Crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"Crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"Crc64nvme": func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) },
	"Md5":       md5.New,
	"Sha1":      sha1.New,
	"Sha256":    sha256.New,
	"Sha512":    sha512.New,
}

// settings are headers of that prefix that are no checksums.
var settings = map[string]bool{"Algorithm": true, "Mode": true, "Type": true}

// Reader is a body. Its end, io.EOF, is there only when all checksums are right; what is wrong is an AWS error. It is
// for one reader.
type Reader struct {
	body    io.Reader
	trailer func() http.Header
	sums    map[string]*sum // by header
	err     error
}

type sum struct {
	hash.Hash
	want []byte // nil where the trailer says it
}

// New returns body with the checksums that h, the request's head, says. Trailer returns what followed the body, once its
// end was read; it may be nil. The error is an AWS error.
func New(body io.Reader, h http.Header, trailer func() http.Header) (*Reader, error) {
	r := &Reader{body: body, trailer: trailer, sums: map[string]*sum{}}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if kind, ok := strings.CutPrefix(name, prefix); ok && !settings[kind] {
			if err := r.add(name, kind, h.Get(name)); err != nil {
				return nil, err
			}
		}
	}
	if said := h.Get("Content-Md5"); said != "" {
		want, err := base64.StdEncoding.DecodeString(said)
		if err != nil || len(want) != md5.Size {
			return nil, awserr.New("InvalidDigest", "The Content-MD5 you specified is not valid.")
		}
		r.sums["Content-Md5"] = &sum{md5.New(), want}
	}
	for name := range strings.SplitSeq(h.Get("X-Amz-Trailer"), ",") {
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		kind, ok := strings.CutPrefix(name, prefix)
		if name == "" {
			continue
		}
		if !ok || trailer == nil || r.sums[name] != nil {
			return nil, awserr.New("InvalidRequest", "The value specified in the x-amz-trailer header is not supported.")
		}
		if err := r.add(name, kind, ""); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// add notes a checksum; said is "" where the trailer says it.
func (r *Reader) add(name, kind, said string) error {
	made, ok := kinds[kind]
	if !ok {
		return awserr.New("NotImplemented", "The checksum %s is not supported by Skylift.", strings.ToLower(name))
	}
	s := &sum{Hash: made()}
	if said != "" {
		var err error
		if s.want, err = decode(name, said, s.Size()); err != nil {
			return err
		}
	}
	r.sums[name] = s
	return nil
}

func decode(name, said string, size int) ([]byte, error) {
	want, err := base64.StdEncoding.DecodeString(said)
	if err != nil || len(want) != size {
		return nil, awserr.New("InvalidRequest", "Value for %s header is invalid.", strings.ToLower(name))
	}
	return want, nil
}

// Read reads on.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	for _, s := range r.sums {
		s.Write(p[:n])
	}
	if errors.Is(err, io.EOF) {
		if wrong := r.check(); wrong != nil {
			err = wrong
		}
	}
	r.err = err
	return n, err
}

// check holds the sums of the whole body against what was said.
func (r *Reader) check() error {
	var after http.Header
	if r.trailer != nil {
		after = r.trailer()
	}
	for _, name := range slices.Sorted(maps.Keys(r.sums)) {
		s := r.sums[name]
		want := s.want
		if want == nil {
			said := after.Get(name)
			if said == "" {
				return awserr.New("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
			}
			var err error
			if want, err = decode(name, said, s.Size()); err != nil {
				return err
			}
		}
		if !bytes.Equal(want, s.Sum(nil)) {
			return awserr.New("BadDigest", "The %s you specified did not match what we received.", spelled(name))
		}
	}
	for name := range after {
		if r.sums[name] == nil {
			return awserr.New("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
		}
	}
	return nil
}

func spelled(name string) string {
	if name == "Content-Md5" {
		return "Content-MD5"
	}
	return strings.ToUpper(strings.TrimPrefix(name, prefix))
}

// Sums returns, once the end was read, the checksums of the body that the request said, as headers.
func (r *Reader) Sums() http.Header {
	h := http.Header{}
	for name, s := range r.sums {
		if name != "Content-Md5" {
			h.Set(name, base64.StdEncoding.EncodeToString(s.Sum(nil)))
		}
	}
	return h
}
