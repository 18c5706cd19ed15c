package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/diff/apply"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Applier unpacks layers in this process, for a client of a containerd on this
// host. Layers are unpacked one after the other, and nearly all of the work is to
// decompress them; so some are decompressed ahead, as many at once as there are
// processors.
type Applier struct {
	blobs blobs
	slots chan struct{} // a place each, for a layer that is decompressed ahead
}

// NewApplier returns an Applier for a client, on which New makes a Store.
func NewApplier() *Applier {
	return &Applier{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Compare implements the client's DiffService.
func (*Applier) Compare(context.Context, []mount.Mount, []mount.Mount, ...diff.Opt) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, errors.ErrUnsupported
}

// Apply unpacks a layer onto mounts.
func (a *Applier) Apply(ctx context.Context, desc ocispec.Descriptor, mounts []mount.Mount, opts ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	var s *stream
	if begun, ok := ctx.Value(aheadKey{}).(*ahead); ok {
		s = begun.take(desc.Digest)
	}
	if s == nil {
		s = newStream(ctx)
		go s.run(a.blobs.path(desc.Digest))
	}
	defer s.end()
	desc.MediaType = ocispec.MediaTypeImageLayer // what the stream gives
	return apply.NewFileSystemApplier(s).Apply(ctx, desc, unmounted(mounts), opts...)
}

// unmounted unpacks the lowest layer in its directory, without a mount, as the
// other layers are: a kill would leave the mount behind.
func unmounted(mounts []mount.Mount) []mount.Mount {
	if len(mounts) != 1 || mounts[0].Type != "bind" {
		return mounts
	}
	return []mount.Mount{{Type: "overlay", Source: "overlay", Options: []string{"upperdir=" + mounts[0].Source}}}
}

// ahead is what a pull has decompressed before it is applied.
type ahead struct {
	applier *Applier
	ctx     context.Context // of the pull
	mu      sync.Mutex
	streams map[digest.Digest]*stream
}

type aheadKey struct{}

// ahead returns a context for a pull, in which layers are decompressed ahead, and
// the object that does it. Close it after the pull.
func (a *Applier) ahead(ctx context.Context) (context.Context, *ahead) {
	h := &ahead{applier: a, ctx: ctx, streams: map[digest.Digest]*stream{}}
	return context.WithValue(ctx, aheadKey{}, h), h
}

// fetched begins to decompress layers that were fetched.
func (h *ahead) fetched(fetch images.Handler) images.Handler {
	return images.HandlerFunc(func(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		children, err := fetch.Handle(ctx, desc)
		if err == nil && images.IsLayerType(desc.MediaType) {
			h.begin(desc.Digest)
		}
		return children, err
	})
}

// begin decompresses a layer that is here, when it is its turn.
func (h *ahead) begin(d digest.Digest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams[d] != nil {
		return
	}
	s := newStream(h.ctx)
	h.streams[d] = s
	go func() {
		select {
		case h.applier.slots <- struct{}{}:
			defer func() { <-h.applier.slots }()
		case <-s.wanted:
		case <-s.ctx.Done():
		}
		s.run(h.applier.blobs.path(d))
	}()
}

// take returns the stream of a layer that was begun, for whoever applies it.
func (h *ahead) take(d digest.Digest) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.streams[d]
	if s != nil {
		delete(h.streams, d)
		close(s.wanted)
	}
	return s
}

// close ends the streams that weren't applied.
func (h *ahead) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.streams {
		s.end()
	}
	clear(h.streams)
}

const (
	// pieceSize is how much is decompressed at once, and mostPieces how much of a
	// layer may wait to be applied.
	pieceSize  = 1 << 20
	mostPieces = 32
)

// stream is a layer on its way from its blob, decompressed.
type stream struct {
	ctx    context.Context // ends with the pull, or with end
	stop   context.CancelFunc
	wanted chan struct{} // closed when somebody applies it
	pieces chan []byte   // closed at the end
	err    error         // of a stream that ended
	rest   []byte        // of the last piece
}

func newStream(ctx context.Context) *stream {
	s := &stream{wanted: make(chan struct{}), pieces: make(chan []byte, mostPieces)}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s
}

// run decompresses a file.
func (s *stream) run(name string) {
	defer close(s.pieces)
	s.err = s.decompress(name)
}

func (s *stream) decompress(name string) error {
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", cerrdefs.ErrNotFound, err)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := compression.DecompressStream(file)
	if err != nil {
		return err
	}
	defer plain.Close()
	for err == nil {
		piece, n := make([]byte, pieceSize), 0
		for n < len(piece) && err == nil {
			var more int
			more, err = plain.Read(piece[n:])
			n += more
		}
		select {
		case s.pieces <- piece[:n]:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// end ends a stream, and waits for that.
func (s *stream) end() {
	s.stop()
	for range s.pieces {
		continue // until it is closed
	}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		piece, ok := <-s.pieces
		if !ok && s.err != nil {
			return 0, s.err
		}
		if !ok {
			return 0, io.EOF
		}
		s.rest = piece
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// ReaderAt implements content.Provider for whoever applies the stream.
func (s *stream) ReaderAt(context.Context, ocispec.Descriptor) (content.ReaderAt, error) {
	return once{s}, nil
}

// once is a stream as somebody's content that is read once, from its start.
type once struct{ *stream }

// Reader is what content.NewReader asks for.
func (o once) Reader() io.Reader { return o.stream }

// ReadAt implements content.ReaderAt.
func (once) ReadAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

// Size implements content.ReaderAt: nobody knows it.
func (once) Size() int64 { return -1 }

// Close implements content.ReaderAt.
func (o once) Close() error {
	o.stop()
	return nil
}
