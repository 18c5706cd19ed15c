package inventory

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"
)

// Limits bound what is read of an image.
type Limits struct {
	Bytes   int64 // of all layers, unpacked
	Entries int   // of all layers
	Kept    int64 // bytes in memory
}

// Most is what images get.
var most = Limits{Bytes: 64 << 30, Entries: 4 << 20, Kept: 64 << 20}

// A Union is what there is to see of layers that lie upon each other. Make it by NewUnion.
type Union struct {
	limits Limits
	files  map[string]content // what is of interest, by path
	above  map[string]bool    // the directories above those
}

// content is what is known of a file.
type content struct {
	text     []byte    // of a package manager's files
	packages []Package // of a program
}

func (c content) size() (n int64) {
	n = int64(len(c.text))
	for _, p := range c.packages {
		n += int64(len(p.Name) + len(p.Version) + 128)
	}
	return n
}

// NewUnion returns one without layers.
func NewUnion() *Union {
	return &Union{limits: most, files: map[string]content{}, above: map[string]bool{}}
}

// Add puts a layer upon those that are there: a tar archive, which gzip or zstd may have compressed. Errors: *TooLargeError,
// *MalformedError, and those of reading.
func (u *Union) Add(layer io.Reader) error {
	from := &source{r: layer}
	unpacked, done, err := decompress(from)
	if err != nil {
		return from.fault("its compression", err)
	}
	defer done()
	l := &level{Union: u, own: map[string]content{}, archive: tar.NewReader(&bounded{unpacked, &u.limits.Bytes})}
	for {
		h, err := l.archive.Next()
		if errors.Is(err, io.EOF) {
			l.finish()
			return nil
		}
		if err == nil {
			err = l.entry(h)
		}
		if err != nil {
			return from.fault("its archive", err)
		}
	}
}

// source remembers why reading failed, which isn't the layer's fault.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// fault says whose an error is.
func (s *source) fault(what string, err error) error {
	if s.err != nil {
		return fmt.Errorf("read a layer: %w", s.err)
	}
	if large, ok := errors.AsType[*TooLargeError](err); ok {
		return large
	}
	return malformed(what, err)
}

// bounded reads as many bytes as are left.
type bounded struct {
	r    io.Reader
	left *int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if *b.left <= 0 {
		return 0, &TooLargeError{"the image"}
	}
	n, err := b.r.Read(p[:min(int64(len(p)), *b.left)])
	*b.left -= int64(n)
	return n, err
}

// A level is a layer that is being added.
type level struct {
	*Union
	archive *tar.Reader
	own     map[string]content
}

// What names of the files are that say what is gone from the layers below
// (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts).
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

func (l *level) entry(h *tar.Header) error {
	if l.limits.Entries--; l.limits.Entries < 0 {
		return &TooLargeError{"the number of files in the image"}
	}
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	dir, base := path.Split(name)
	switch {
	case base == opaque:
		l.removeBelow(strings.TrimSuffix(dir, "/"))
		return nil
	case strings.HasPrefix(base, whiteout):
		l.remove(dir + strings.TrimPrefix(base, whiteout))
		return nil
	case h.Typeflag == tar.TypeDir:
		delete(l.files, name)
		delete(l.own, name)
		return nil
	}
	c, is, err := l.look(h, name)
	if err != nil {
		return err
	}
	l.remove(name)
	delete(l.own, name)
	if !is {
		return nil
	}
	if l.limits.Kept -= c.size(); l.limits.Kept < 0 {
		return &TooLargeError{"what the image says of its packages"}
	}
	l.own[name] = c
	return nil
}

// look reads a file, if it is of interest.
func (l *level) look(h *tar.Header, name string) (c content, is bool, err error) {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return read(l.archive, name, h.Size)
	case tar.TypeLink:
		to := strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		if c, is = l.own[to]; !is {
			c, is = l.files[to]
		}
		return c, is, nil
	}
	return c, false, nil
}

// remove takes away what the layers below have at a path, and below it.
func (l *level) remove(name string) {
	delete(l.files, name)
	if l.above[name] {
		l.removeBelow(name)
	}
}

// removeBelow takes away what the layers below have below a directory; "" is the root.
func (l *level) removeBelow(dir string) {
	if dir == "" {
		clear(l.files)
		return
	}
	maps.DeleteFunc(l.files, func(name string, _ content) bool { return strings.HasPrefix(name, dir+"/") })
}

// finish makes the layer the topmost one.
func (l *level) finish() {
	maps.Copy(l.files, l.own)
	clear(l.above)
	for name := range l.files {
		for dir := path.Dir(name); dir != "." && !l.above[dir]; dir = path.Dir(dir) {
			l.above[dir] = true
		}
	}
}
