package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/pull"
)

// layersAtOnce bounds the layers of one image that are fetched at once.
const layersAtOnce = 4

// source pulls with containerd.
type source struct{ *Store }

// Pull pulls ref, or joins a running pull of it. A ref with a digest isn't pulled
// again when its image is here. Errors: *engine.PullError, and those of
// containerd.
func (s *Store) Pull(ctx context.Context, ref string, auth engine.Auth) (digestRef string, err error) {
	return s.pulls.Do(ctx, ref, auth)
}

// Has reports whether an image is here, with its layers unpacked. It removes the
// corrupt parts of one that isn't whole, so that a pull brings them.
func (s source) Has(ctx context.Context, digestRef string) (bool, error) {
	s.uses.touch(digestRef)
	i, err := s.Get(ctx, digestRef)
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = s.ready(ctx, i)
	}
	if err == nil {
		return true, nil
	}
	record, gone := s.client.ImageService().Get(ctx, digestRef)
	if gone != nil || cerrdefs.IsUnavailable(err) || ctx.Err() != nil {
		return false, fmt.Errorf("look for image %s: %w", digestRef, err)
	}
	if cerrdefs.IsNotFound(err) || s.mend(ctx, record.Target, func() {}) {
		return false, nil
	}
	return false, fmt.Errorf("look for image %s: %w", digestRef, err)
}

// ready unpacks an image's layers if they aren't.
func (s source) ready(ctx context.Context, i Image) error {
	_, err := s.client.SnapshotService(Snapshotter).Stat(ctx, i.Chain)
	if cerrdefs.IsNotFound(err) {
		return s.Unpack(ctx, i)
	}
	return err
}

// Pull asks the registry which image named is, and pulls that unless it is here.
func (s source) Pull(ctx context.Context, named reference.Named, auth engine.Auth, progress func()) (string, error) {
	ctx, begun := s.apply.ahead(ctx)
	defer begun.close()
	fetched := begun.fetched
	resolver := newResolver(auth, progress)
	if from := s.local.of(named); from != nil {
		here := localResolver{from, auth, progress}
		link := s.linking(named, here)
		resolver, fetched = here, func(h images.Handler) images.Handler { return begun.fetched(link(h)) }
	}
	options := []containerd.RemoteOpt{
		containerd.WithResolver(resolver),
		containerd.WithImageHandlerWrapper(fetched),
		containerd.WithPullUnpack,
		containerd.WithPullSnapshotter(Snapshotter),
		containerd.WithUnpackOpts([]containerd.UnpackOpt{containerd.WithUnpackDuplicationSuppressor(s.shared(progress))}),
		containerd.WithMaxConcurrentDownloads(layersAtOnce),
	}
	_, found, err := resolver.Resolve(ctx, named.String())
	if err != nil {
		return "", pullError(named, fmt.Errorf("failed to resolve ref %s: %w", named, err))
	}
	name := pull.DigestRef(named, found.Digest)
	if here, err := s.Has(ctx, name); err != nil || here {
		return name, err
	}
	_, err = s.client.Pull(ctx, name, options...)
	if err != nil && mayBeCorrupt(pullError(named, err)) && s.mend(ctx, found, progress) {
		_, err = s.client.Pull(ctx, name, options...)
	}
	if err != nil {
		return "", pullError(named, err)
	}
	return name, nil
}

// newResolver returns a resolver that asks registries. progress is called when
// bytes come.
func newResolver(auth engine.Auth, progress func()) remotes.Resolver {
	client := &http.Client{Transport: watched{http.DefaultTransport, progress}}
	options := []docker.AuthorizerOpt{docker.WithAuthClient(client)}
	if auth != (engine.Auth{}) {
		options = append(options, docker.WithAuthCreds(func(string) (string, string, error) {
			return auth.Username, auth.Password, nil
		}))
	}
	return docker.NewResolver(docker.ResolverOptions{Hosts: docker.ConfigureDefaultRegistries(
		docker.WithClient(client),
		docker.WithAuthorizer(docker.NewDockerAuthorizer(options...)),
		docker.WithPlainHTTP(docker.MatchLocalhost),
	)})
}

// pullError sorts out why a pull failed.
func pullError(named reference.Named, err error) error {
	if cerrdefs.IsUnavailable(err) {
		return fmt.Errorf("pull %s: %w: %w", named, engine.ErrUnavailable, err)
	}
	p := &engine.PullError{Ref: named.String(), Reason: err.Error(), NotFound: cerrdefs.IsNotFound(err)}
	p.Denied = errors.Is(err, docker.ErrInvalidAuthorization) || cerrdefs.IsUnauthorized(err) || cerrdefs.IsPermissionDenied(err)
	if status, ok := errors.AsType[remoteerrors.ErrUnexpectedStatus](err); ok {
		switch code := status.StatusCode; {
		case code == http.StatusUnauthorized || code == http.StatusForbidden:
			p.Denied = true
		case code == http.StatusNotFound:
			p.NotFound = true
		case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
			p.Busy = true
		}
	}
	if wire, ok := errors.AsType[net.Error](err); ok && wire.Timeout() {
		p.Busy = true
	}
	return p
}

func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
