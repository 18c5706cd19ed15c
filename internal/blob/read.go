package blob

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// reader reads a range of one file.
type reader struct {
	f       *os.File
	pieces  pieces
	size    int64 // of the file's plain bytes
	at, end int64
	sealed  []byte
	plain   []byte // of piece number piece
	piece   int64
}

// Open returns the bytes from from up to but not including to of a file that has size bytes, encrypted under key. A file that
// goes meanwhile is read to the end. ErrGone says that there is no such file.
func (s *Store) Open(name string, key []byte, size, from, to int64) (io.ReadCloser, error) {
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, known(err)
	}
	b := make([]byte, head)
	if _, err := f.ReadAt(b, 0); err != nil || b[0] != version {
		return nil, errors.Join(fmt.Errorf("read the object's file %s: its head is damaged", name), err, f.Close())
	}
	p, err := newPieces(key, b[1:])
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &reader{f: f, pieces: p, size: size, at: from, end: to, piece: -1}, nil
}

func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.end {
		return 0, io.EOF
	}
	if n := r.at / pieceSize; n != r.piece {
		if err := r.load(n); err != nil {
			return 0, err
		}
	}
	off := r.at - r.piece*pieceSize
	n := copy(p, r.plain[off:min(int64(len(r.plain)), r.end-r.piece*pieceSize)])
	r.at += int64(n)
	return n, nil
}

// load reads and opens a piece.
func (r *reader) load(n int64) error {
	last := lastPiece(r.size)
	length := int64(pieceSize)
	if n == last {
		length = r.size - last*pieceSize
	}
	if r.sealed == nil {
		r.sealed, r.plain = make([]byte, pieceSize+tagSize), make([]byte, 0, pieceSize)
	}
	b := r.sealed[:length+tagSize]
	if _, err := r.f.ReadAt(b, head+n*(pieceSize+tagSize)); err != nil {
		return fmt.Errorf("read piece %d of %s: %w", n, r.f.Name(), err)
	}
	plain, err := r.pieces.open(r.plain[:0], n, n == last, b)
	if err != nil {
		return fmt.Errorf("piece %d of %s was changed on the disk, or its key is another", n, r.f.Name())
	}
	r.plain, r.piece = plain, n
	return nil
}

func (r *reader) Close() error { return r.f.Close() }

// Part is a range of a file.
type Part struct {
	ID       string
	Size     int64 // of the file
	From, To int64
}

// chain reads parts one after the other.
type chain struct {
	s     *Store
	key   []byte
	parts []Part
	now   io.ReadCloser
	held  []string
}

// Chain returns the bytes of parts one after the other, each of which is opened when it is reached. They don't go before it is
// closed. ErrGone says that one of them has gone.
func (s *Store) Chain(key []byte, parts []Part) (io.ReadCloser, error) {
	c := &chain{s: s, key: key, parts: parts}
	for _, p := range parts {
		c.held = append(c.held, p.ID)
	}
	if !s.hold(c.held) {
		return nil, errors.Join(ErrGone, c.Close())
	}
	if err := c.begin(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// begin opens the first part, and holds that the others are there.
func (c *chain) begin() error {
	if len(c.parts) == 0 {
		return nil
	}
	if err := c.next(); err != nil {
		return err
	}
	for _, p := range c.parts {
		if _, err := os.Stat(c.s.path(p.ID)); err != nil {
			return known(err)
		}
	}
	return nil
}

// next opens the part that follows.
func (c *chain) next() error {
	p := c.parts[0]
	r, err := c.s.Open(p.ID, c.key, p.Size, p.From, p.To)
	if err == nil {
		c.now, c.parts = r, c.parts[1:]
	}
	return err
}

func (c *chain) Read(p []byte) (int, error) {
	for {
		if c.now == nil {
			if len(c.parts) == 0 {
				return 0, io.EOF
			}
			if err := c.next(); err != nil {
				return 0, err
			}
		}
		n, err := c.now.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		err = c.now.Close()
		if c.now = nil; n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *chain) Close() (err error) {
	if c.now != nil {
		err = c.now.Close()
	}
	c.s.Release(c.held...)
	c.held = nil
	return err
}
