package image

import (
	"context"
	"errors"
	"os"

	"github.com/containerd/containerd/v2/core/images"
	cerrdefs "github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/engine"
)

// mayBeCorrupt tells whether a pull may have failed because of a corrupt file
// that was here before it.
func mayBeCorrupt(err error) bool {
	p, refused := errors.AsType[*engine.PullError](err)
	return refused && !p.Denied && !p.NotFound && !p.Busy
}

// mend removes those blobs of an image that are corrupt, and reports whether there
// were any. It reads all of them.
func (s *Store) mend(ctx context.Context, target ocispec.Descriptor, progress func()) (mended bool) {
	children := images.ChildrenHandler(s.client.ContentStore())
	look := images.HandlerFunc(func(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		if _, err := os.Stat(s.blobs.path(desc.Digest)); err != nil {
			return nil, nil // it isn't here
		}
		if s.blobs.sound(ctx, desc, progress) {
			return children.Handle(ctx, desc)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.log.Error("a blob of an image is corrupt, and is pulled again", "digest", desc.Digest.String(), "image", target.Digest.String())
		mended = true
		// The file goes too: containerd would take it for the blob again.
		err := s.client.ContentStore().Delete(ctx, desc.Digest)
		if cerrdefs.IsNotFound(err) {
			err = nil
		}
		return nil, errors.Join(err, os.Remove(s.blobs.path(desc.Digest)))
	})
	if err := images.Walk(ctx, look, target); err != nil {
		s.log.Warn("corrupt blobs of an image can't be removed", "image", target.Digest.String(), "err", err)
	}
	s.mu.Lock()
	delete(s.known, target.Digest)
	s.mu.Unlock()
	return mended
}
