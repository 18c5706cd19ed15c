package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/engine"
)

// Registry is a registry whose files are on this host. An error with a method
// HTTPStatus is a refusal, and has the status that it would have over HTTP.
type Registry interface {
	// Find returns which manifest ref, a tag or a digest, stands for in a
	// repository, if who has the login may pull it.
	Find(ctx context.Context, user, password, repo, ref string) (dgst, mediaType string, size int64, err error)
	// Open opens the file of a manifest or a blob of a repository. Nobody writes to
	// it again.
	Open(ctx context.Context, repo, dgst string) (*os.File, error)
}

// local is a registry under the name that references have for it.
type local struct {
	host string
	Registry
}

// locals holds the registry of this host, if there is one.
type locals struct{ atomic.Pointer[local] }

// of returns the registry that serves an image; nil: none of this host.
func (l *locals) of(named reference.Named) *local {
	if r := l.Load(); r != nil && r.host == reference.Domain(named) {
		return r
	}
	return nil
}

// localResolver resolves and fetches from a registry of this host, without HTTP.
type localResolver struct {
	from     *local
	auth     engine.Auth
	progress func()
}

// Resolve implements remotes.Resolver.
func (r localResolver) Resolve(ctx context.Context, ref string) (string, ocispec.Descriptor, error) {
	named, err := reference.ParseNamed(ref)
	if err != nil {
		return "", ocispec.Descriptor{}, fmt.Errorf("%s: %w", ref, err)
	}
	wanted := ""
	switch n := named.(type) {
	case reference.Digested:
		wanted = n.Digest().String()
	case reference.Tagged:
		wanted = n.Tag()
	}
	dgst, mediaType, size, err := r.from.Find(ctx, r.auth.Username, r.auth.Password, reference.Path(named), wanted)
	if err != nil {
		return "", ocispec.Descriptor{}, fmt.Errorf("%s: %w", ref, refusal(err))
	}
	return ref, ocispec.Descriptor{Digest: digest.Digest(dgst), MediaType: mediaType, Size: size}, nil
}

// refusal gives a registry's refusal the kind that containerd has for it.
func refusal(err error) error {
	says, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err)
	if !ok {
		return err
	}
	return kindOf(says.HTTPStatus(), err)
}

// Fetcher implements remotes.Resolver.
func (r localResolver) Fetcher(_ context.Context, ref string) (remotes.Fetcher, error) {
	named, err := reference.ParseNamed(ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return remotes.FetcherFunc(func(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
		file, err := r.from.Open(ctx, reference.Path(named), desc.Digest.String())
		if err != nil {
			return nil, refusal(err)
		}
		return &watchedBody{file, r.progress}, nil
	}), nil
}

// Pusher implements remotes.Resolver.
func (localResolver) Pusher(_ context.Context, ref string) (remotes.Pusher, error) {
	return nil, fmt.Errorf("push %s: %w", ref, errors.ErrUnsupported)
}

// linking puts layers in place before they are fetched, so that there is nothing
// to fetch. The collector of garbage removes a file that containerd doesn't know
// of. Then the file is put there again, now that containerd knows of it. A layer
// that can't be put in place is fetched.
func (s *Store) linking(named reference.Named, r localResolver) func(images.Handler) images.Handler {
	place := func(ctx context.Context, desc ocispec.Descriptor) error {
		err := s.blobs.place(ctx, desc, func(ctx context.Context) (*os.File, error) {
			return r.from.Open(ctx, reference.Path(named), desc.Digest.String())
		}, r.progress)
		if errors.Is(err, errCorrupt) {
			return fmt.Errorf("%s: %w", named.Name(), err)
		}
		return nil // fetching it tells what is wrong, if something is
	}
	return func(fetch images.Handler) images.Handler {
		return images.HandlerFunc(func(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
			if !images.IsLayerType(desc.MediaType) {
				return fetch.Handle(ctx, desc)
			}
			if err := place(ctx, desc); err != nil {
				return nil, err
			}
			children, err := fetch.Handle(ctx, desc)
			if err == nil && !s.blobs.has(desc) {
				err = place(ctx, desc)
			}
			return children, err
		})
	}
}

// kindOf marks an error with the kind that a status of HTTP says.
func kindOf(status int, err error) error {
	switch status {
	case 401:
		return fmt.Errorf("%w: %w", err, cerrdefs.ErrUnauthenticated)
	case 403:
		return fmt.Errorf("%w: %w", err, cerrdefs.ErrPermissionDenied)
	case 404:
		return fmt.Errorf("%w: %w", err, cerrdefs.ErrNotFound)
	default:
		return err
	}
}
