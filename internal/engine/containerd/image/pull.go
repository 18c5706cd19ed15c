package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/engine"
)

const (
	// pullsAtOnce bounds the pulls that run; more wait for their turn.
	pullsAtOnce = 8
	// layersAtOnce bounds the layers of one image that are fetched at once.
	layersAtOnce = 4
	// pullStall is how long a pull may show no progress before it is given up.
	pullStall = 5 * time.Minute
)

// errStalled ends a pull without progress.
var errStalled = fmt.Errorf("no progress in %v", pullStall)

// pulls are the running pulls, each owned by the store and not by a caller.
type pulls struct {
	ctx   context.Context // ends with the store, not with a call
	stop  context.CancelFunc
	slots chan struct{}
	wg    sync.WaitGroup
}

// pull is one pull; digestRef and err are set when done is closed.
type pull struct {
	auth      engine.Auth
	done      chan struct{}
	digestRef string
	err       error
}

func (p *pulls) init() {
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.slots = make(chan struct{}, pullsAtOnce)
}

func (p *pulls) close() {
	p.stop()
	p.wg.Wait()
}

// Pull pulls ref, or joins the pull of it that runs. What a digest names is
// not pulled again when it is here. Errors: *engine.PullError, and those of
// containerd.
func (s *Store) Pull(ctx context.Context, ref string, auth engine.Auth) (digestRef string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", &engine.PullError{Ref: ref, Reason: err.Error()}
	}
	named = reference.TagNameOnly(named)
	if d, ok := named.(reference.Digested); ok {
		here, err := s.has(ctx, digestName(named, d.Digest()))
		if err != nil || here {
			return digestName(named, d.Digest()), err
		}
	}
	for {
		p := s.joinPull(named, auth)
		select {
		case <-p.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if refused, ok := errors.AsType[*engine.PullError](p.err); ok && refused.Denied && p.auth != auth {
			continue // another caller's login was refused, ours may do
		}
		return p.digestRef, p.err
	}
}

func digestName(named reference.Named, d digest.Digest) string {
	return named.Name() + "@" + d.String()
}

func (s *Store) has(ctx context.Context, name string) (bool, error) {
	_, err := s.client.ImageService().Get(ctx, name)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for image %s: %w", name, err)
	}
	return true, nil
}

// joinPull returns the running pull of named, or starts one.
func (s *Store) joinPull(named reference.Named, auth engine.Auth) *pull {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := named.String()
	if p := s.running[key]; p != nil {
		return p
	}
	p := &pull{auth: auth, done: make(chan struct{})}
	s.running[key] = p
	s.pulls.wg.Go(func() {
		p.digestRef, p.err = s.pullOne(s.pulls.ctx, named, auth)
		s.mu.Lock()
		delete(s.running, key)
		s.mu.Unlock()
		close(p.done)
	})
	return p
}

// pullOne asks the registry which image ref is, and pulls that unless it is here.
func (s *Store) pullOne(ctx context.Context, named reference.Named, auth engine.Auth) (string, error) {
	select {
	case s.pulls.slots <- struct{}{}:
		defer func() { <-s.pulls.slots }()
	case <-ctx.Done():
		return "", fmt.Errorf("pull %s: %w: engine closed", named, engine.ErrUnavailable)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(pullStall, func() { cancel(errStalled) })
	defer stalled.Stop()
	resolver := newResolver(auth, func() { stalled.Reset(pullStall) })
	_, found, err := resolver.Resolve(ctx, named.String())
	if err != nil {
		return "", pullError(ctx, named, fmt.Errorf("failed to resolve ref %s: %w", named, err))
	}
	name := digestName(named, found.Digest)
	if here, err := s.has(ctx, name); err != nil || here {
		return name, err
	}
	_, err = s.client.Pull(ctx, name,
		containerd.WithResolver(resolver),
		containerd.WithPullUnpack,
		containerd.WithPullSnapshotter(Snapshotter),
		containerd.WithMaxConcurrentDownloads(layersAtOnce))
	if err != nil {
		return "", pullError(ctx, named, err)
	}
	return name, nil
}

// newResolver returns who asks registries. progress is called when bytes come.
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
func pullError(ctx context.Context, named reference.Named, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return &engine.PullError{Ref: named.String(), Reason: fmt.Sprintf("pull of %s stalled: %v", named, errStalled)}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("pull %s: %w: engine closed", named, engine.ErrUnavailable)
	}
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
