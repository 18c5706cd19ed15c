// Package blob keeps the bytes of objects in files of a directory, encrypted, each under an id of its own.
//
// A file that was committed is whole and on stable storage, with its name. What a crash leaves of others is removed when the
// directory is opened. Nobody who lacks a file's key reads it, and a changed byte is noticed. Memory is bounded: a file is
// written and read piece by piece.
package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/id"
)

// ErrFull says that the disk has no room for more.
var ErrFull = errors.New("the disk has no room for more objects")

// ErrGone says that there is no file of that id.
var ErrGone = errors.New("the file is gone")

const (
	tmpDir = "tmp"
	idSize = 32 // hex digits
	fanOut = 2  // of which name the directory
)

// Store is the files below a directory. It is safe for concurrent use.
type Store struct {
	dir  string
	full func() bool

	mu     sync.Mutex
	held   map[string]int  // files that somebody is about to refer to, or reads
	doomed map[string]bool // held files that go when they are let go
	going  map[string]bool // files that are being removed: who holds them comes too late

	sweeping sync.Mutex
	suspects map[string]bool // files that no record referred to in the last sweep
}

// Open returns the files below dir, which it makes. Full says that the disk has no room for more; it may be nil.
func Open(dir string, full func() bool) (*Store, error) {
	if full == nil {
		full = func() bool { return false }
	}
	s := &Store{dir: dir, full: full, held: map[string]int{}, doomed: map[string]bool{}, going: map[string]bool{}}
	if err := os.RemoveAll(filepath.Join(dir, tmpDir)); err != nil {
		return nil, fmt.Errorf("remove unfinished objects: %w", err)
	}
	for n := range 256 {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprintf("%02x", n)), 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of objects: %w", err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, tmpDir), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of objects: %w", err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := atomicfile.Sync(d); err != nil {
			return nil, fmt.Errorf("make the directory of objects: %w", err)
		}
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name[:fanOut], name) }

// Hold keeps files from going until they are let go. Whoever makes a file holds it already.
func (s *Store) Hold(ids ...string) { s.hold(ids) }

// hold is Hold, and says whether it came in time for all of them.
func (s *Store) hold(ids []string) (kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept = true
	for _, name := range ids {
		s.held[name]++
		kept = kept && !s.going[name]
	}
	return kept
}

// Release lets files go that were held: those that were removed meanwhile go now.
func (s *Store) Release(ids ...string) {
	var gone []string
	s.mu.Lock()
	for _, name := range ids {
		if s.held[name]--; s.held[name] > 0 {
			continue
		}
		delete(s.held, name)
		if s.doomed[name] {
			delete(s.doomed, name)
			s.going[name] = true
			gone = append(gone, name)
		}
	}
	s.mu.Unlock()
	s.unlink(gone)
}

// Remove removes files that no record refers to any more. One that is held goes when it is let go. What can't be removed is
// left to Sweep.
func (s *Store) Remove(ids ...string) {
	var gone []string
	s.mu.Lock()
	for _, name := range ids {
		if s.held[name] > 0 {
			s.doomed[name] = true
		} else {
			s.going[name] = true
			gone = append(gone, name)
		}
	}
	s.mu.Unlock()
	s.unlink(gone)
}

func (s *Store) unlink(ids []string) {
	for _, name := range ids {
		_ = os.Remove(s.path(name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range ids {
		delete(s.going, name)
	}
}

// Link makes a further file of the bytes of one, without copying them. It is held, as one that was written.
func (s *Store) Link(name string) (string, error) {
	to := id.Hex(idSize)
	s.Hold(to)
	err := os.Link(s.path(name), s.path(to))
	if err == nil {
		err = atomicfile.Sync(filepath.Dir(s.path(to)))
	}
	if err != nil {
		s.Remove(to)
		s.Release(to)
		return "", known(err)
	}
	return to, nil
}

// known gives an error of the file system the name that callers know it by.
func known(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

// Sweep removes the files that no record refers to, and none referred to in the sweep before: a transaction whose end isn't
// known may be committed late. Referred is called once, after the files were listed, and returns what tells whether a record
// refers to a file.
func (s *Store) Sweep(referred func() (func(id string) bool, error)) (removed int, err error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	found, err := s.list()
	if err != nil {
		return 0, err
	}
	is, err := referred()
	if err != nil {
		return 0, err
	}
	before := s.suspects
	s.suspects = map[string]bool{}
	for _, name := range found {
		switch {
		case is(name):
		case before[name]:
			s.Remove(name)
			removed++
		default:
			s.suspects[name] = true
		}
	}
	return removed, nil
}

// list returns the files that nobody holds.
func (s *Store) list() (found []string, err error) {
	for n := range 256 {
		entries, err := os.ReadDir(filepath.Join(s.dir, fmt.Sprintf("%02x", n)))
		if err != nil {
			return nil, fmt.Errorf("list objects: %w", err)
		}
		s.mu.Lock()
		for _, e := range entries {
			if s.held[e.Name()] == 0 && len(e.Name()) == idSize {
				found = append(found, e.Name())
			}
		}
		s.mu.Unlock()
	}
	return found, nil
}
