package blob

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/id"
)

// Writer writes one file. Whoever has one commits or aborts it, and lets the id go when a record refers to it or never will.
type Writer struct {
	s      *Store
	f      *os.File
	id     string
	pieces pieces
	n      int64  // the piece that is being filled
	plain  []byte // of it
	sealed []byte
	size   int64
	err    error
}

// Create begins a file whose bytes are encrypted under key. It is held.
func (s *Store) Create(key []byte) (*Writer, error) {
	if s.full() {
		return nil, ErrFull
	}
	name := id.Hex(idSize)
	salt := make([]byte, saltSize)
	rand.Read(salt)
	p, err := newPieces(key, salt)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, tmpDir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, known(err)
	}
	w := &Writer{s: s, f: f, id: name, pieces: p, plain: make([]byte, 0, pieceSize), sealed: make([]byte, 0, pieceSize+tagSize)}
	s.Hold(name)
	if _, err := f.Write(append([]byte{version}, salt...)); err != nil {
		w.Abort()
		return nil, known(err)
	}
	return w, nil
}

// ID is what the file is read by.
func (w *Writer) ID() string { return w.id }

// Size is how many bytes were written.
func (w *Writer) Size() int64 { return w.size }

// Write writes on.
func (w *Writer) Write(b []byte) (n int, err error) {
	for len(b) > 0 && w.err == nil {
		if len(w.plain) == pieceSize {
			w.flush(false)
		}
		k := min(len(b), pieceSize-len(w.plain))
		w.plain = append(w.plain, b[:k]...)
		b, n = b[k:], n+k
	}
	w.size += int64(n)
	return n, w.err
}

func (w *Writer) flush(last bool) {
	if w.n&0xff == 0xff && w.s.full() {
		w.err = ErrFull
	}
	if w.err != nil {
		return
	}
	w.sealed = w.pieces.seal(w.sealed[:0], w.n, last, w.plain)
	w.plain = w.plain[:0]
	w.n++
	_, err := w.f.Write(w.sealed)
	w.err = known(err)
}

// Commit ends the file. It is on stable storage then, with its name.
func (w *Writer) Commit() error {
	w.flush(true)
	if w.err == nil {
		w.err = known(w.f.Sync())
	}
	w.err = errors.Join(w.err, known(w.f.Close()))
	if w.err == nil {
		w.err = known(os.Rename(w.f.Name(), w.s.path(w.id)))
	}
	if w.err == nil {
		w.err = known(atomicfile.Sync(filepath.Dir(w.s.path(w.id))))
	}
	if err := w.err; err != nil {
		w.Abort()
		return err
	}
	return nil
}

// Abort removes what was written, and lets the id go. It is of no effect on the error of a Commit that failed.
func (w *Writer) Abort() {
	if w.id == "" {
		return
	}
	_ = w.f.Close() // it may be closed
	_ = os.Remove(w.f.Name())
	w.s.Remove(w.id)
	w.s.Release(w.id)
	w.id, w.err = "", errors.New("the file was given up")
}
