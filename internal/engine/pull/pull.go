// Package pull runs the pulls of an engine, whatever it pulls with: pulls of one
// image with one login are one, only so many run at once, and one that stalls is given up.
package pull

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/engine"
)

const (
	// atOnce bounds the pulls that run; more wait for their turn.
	atOnce = 8
	// stall is how long a pull may show no progress before it is given up.
	stall = 5 * time.Minute
)

// errStalled ends a pull without progress.
var errStalled = fmt.Errorf("no progress in %v", stall)

// Source is what an engine pulls with.
type Source interface {
	// Has reports whether an image is here, by its digest reference
	// (name@sha256:…).
	Has(ctx context.Context, digestRef string) (bool, error)
	// Pull pulls an image and returns its digest reference. It calls progress when
	// something comes. Errors: *engine.PullError, engine.ErrUnavailable.
	Pull(ctx context.Context, named reference.Named, auth engine.Auth, progress func()) (digestRef string, err error)
}

// Group is the pulls of one engine. They belong to it and not to a caller.
type Group struct {
	source Source
	ctx    context.Context // ends with the group, not with a call
	stop   context.CancelFunc
	slots  chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	running map[asked]*pull
}

// asked is what a pull is of, and as whom: nobody has an image by another's login.
type asked struct {
	ref  string
	auth engine.Auth
}

// pull is one pull; digestRef and err are set when done is closed.
type pull struct {
	done      chan struct{}
	digestRef string
	err       error
}

// New returns a group without pulls. Close it after use.
func New(s Source) *Group {
	g := &Group{source: s, slots: make(chan struct{}, atOnce), running: map[asked]*pull{}}
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g
}

// Close ends running pulls.
func (g *Group) Close() {
	g.stop()
	g.wg.Wait()
}

// Do pulls ref, or joins a running pull of it with the same login. A ref with a digest isn't pulled
// again when its image is here. Errors: *engine.PullError, engine.ErrUnavailable,
// those of the source, and ctx's: the pull then goes on.
func (g *Group) Do(ctx context.Context, ref string, auth engine.Auth) (digestRef string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", &engine.PullError{Ref: ref, Reason: err.Error()}
	}
	named = reference.TagNameOnly(named)
	if d, ok := named.(reference.Digested); ok {
		name := DigestRef(named, d.Digest())
		here, err := g.source.Has(ctx, name)
		if err != nil {
			return "", err
		}
		if here {
			return name, nil
		}
	}
	p := g.join(named, auth)
	select {
	case <-p.done:
		return p.digestRef, p.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// DigestRef returns name@sha256:….
func DigestRef(named reference.Named, d digest.Digest) string {
	return named.Name() + "@" + d.String()
}

// join returns the running pull of named, or starts one.
func (g *Group) join(named reference.Named, auth engine.Auth) *pull {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := asked{named.String(), auth}
	if p := g.running[key]; p != nil {
		return p
	}
	p := &pull{done: make(chan struct{})}
	g.running[key] = p
	g.wg.Go(func() {
		p.digestRef, p.err = g.run(named, auth)
		g.mu.Lock()
		delete(g.running, key)
		g.mu.Unlock()
		close(p.done)
	})
	return p
}

// run pulls an image when it is its turn.
func (g *Group) run(named reference.Named, auth engine.Auth) (string, error) {
	closed := fmt.Errorf("pull %s: %w: engine closed", named, engine.ErrUnavailable)
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-g.ctx.Done():
		return "", closed
	}
	ctx, cancel := context.WithCancelCause(g.ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer stalled.Stop()
	digestRef, err := g.source.Pull(ctx, named, auth, func() { stalled.Reset(stall) })
	switch {
	case err == nil:
		return digestRef, nil
	case errors.Is(context.Cause(ctx), errStalled):
		return "", &engine.PullError{Ref: named.String(), Reason: fmt.Sprintf("pull of %s stalled: %v", named, errStalled)}
	case ctx.Err() != nil:
		return "", closed
	default:
		return "", err
	}
}
