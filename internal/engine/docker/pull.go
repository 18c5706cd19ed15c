package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
)

const (
	// pullsAtOnce bounds the pulls that run; more wait for their turn.
	pullsAtOnce = 8
	// pullStall is how long a pull may show no progress before it is given up.
	pullStall = 5 * time.Minute
)

// errStalled ends a pull without progress.
var errStalled = fmt.Errorf("no progress in %v", pullStall)

// pulls are the running pulls, each owned by the engine and not by a caller.
type pulls struct {
	ctx   context.Context // ends with the engine, not with a call
	stop  context.CancelFunc
	slots chan struct{}
	wg    sync.WaitGroup

	mu      sync.Mutex
	running map[string]*pull
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
	p.running = make(map[string]*pull)
}

func (p *pulls) close() {
	p.stop()
	p.wg.Wait()
}

// Pull pulls ref, or joins the pull of it that runs. What a digest names is
// not pulled again when it is here.
func (e *Engine) Pull(ctx context.Context, ref string, auth engine.Auth) (digestRef string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", &engine.PullError{Ref: ref, Reason: err.Error()}
	}
	named = reference.TagNameOnly(named)
	if d, ok := named.(reference.Digested); ok {
		_, err := e.cli.ImageInspect(ctx, named.Name()+"@"+d.Digest().String())
		if err == nil {
			return named.Name() + "@" + d.Digest().String(), nil
		}
		if !cerrdefs.IsNotFound(err) {
			return "", translate("look for image "+ref, err)
		}
	}
	for {
		p := e.joinPull(named, auth)
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

// joinPull returns the running pull of named, or starts one.
func (e *Engine) joinPull(named reference.Named, auth engine.Auth) *pull {
	e.pulls.mu.Lock()
	defer e.pulls.mu.Unlock()
	key := named.String()
	if p := e.pulls.running[key]; p != nil {
		return p
	}
	p := &pull{auth: auth, done: make(chan struct{})}
	e.pulls.running[key] = p
	e.pulls.wg.Go(func() {
		p.digestRef, p.err = e.pullOne(e.pulls.ctx, named, auth)
		e.pulls.mu.Lock()
		delete(e.pulls.running, key)
		e.pulls.mu.Unlock()
		close(p.done)
	})
	return p
}

// pullOne pulls an image and returns its digest reference.
func (e *Engine) pullOne(ctx context.Context, named reference.Named, auth engine.Auth) (string, error) {
	select {
	case e.pulls.slots <- struct{}{}:
		defer func() { <-e.pulls.slots }()
	case <-ctx.Done():
		return "", fmt.Errorf("pull %s: %w: engine closed", named, engine.ErrUnavailable)
	}
	login, err := registryAuth(named, auth)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(pullStall, func() { cancel(errStalled) })
	defer stalled.Stop()
	answer, err := e.cli.ImagePull(ctx, named.String(), client.ImagePullOptions{RegistryAuth: login})
	if err != nil {
		return "", pullError(ctx, named, err)
	}
	defer answer.Close()
	digest := ""
	for m, err := range answer.JSONMessages(ctx) {
		stalled.Reset(pullStall)
		switch {
		case err != nil:
			return "", pullError(ctx, named, err)
		case m.Error != nil:
			return "", classify(named.String(), daemonPrefix+m.Error.Message)
		}
		if d, ok := strings.CutPrefix(m.Status, "Digest: "); ok {
			digest = d
		}
	}
	if digest != "" {
		return named.Name() + "@" + digest, nil
	}
	return e.digestOf(ctx, named)
}

// digestOf asks for the digest of a pulled image.
func (e *Engine) digestOf(ctx context.Context, named reference.Named) (string, error) {
	image, err := e.cli.ImageInspect(ctx, named.String())
	if err != nil {
		return "", pullError(ctx, named, err)
	}
	for _, s := range image.RepoDigests {
		if r, err := reference.ParseNormalizedNamed(s); err == nil && r.Name() == named.Name() {
			return r.String(), nil
		}
	}
	return "", &engine.PullError{Ref: named.String(), Reason: "the registry gave no digest for " + named.String()}
}

// registryAuth encodes a login as the daemon takes it; none is "".
func registryAuth(named reference.Named, auth engine.Auth) (string, error) {
	if auth == (engine.Auth{}) {
		return "", nil
	}
	encoded, err := authconfig.Encode(registry.AuthConfig{
		Username: auth.Username, Password: auth.Password, ServerAddress: reference.Domain(named),
	})
	if err != nil {
		return "", fmt.Errorf("encode login for %s: %w", reference.Domain(named), err)
	}
	return encoded, nil
}

// daemonPrefix is what the docker command, and ECS, put before a message of
// the daemon.
const daemonPrefix = "Error response from daemon: "

// pullError sorts out why a pull failed. Registries and the daemon tell it in
// the text only.
func pullError(ctx context.Context, named reference.Named, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return &engine.PullError{Ref: named.String(), Reason: fmt.Sprintf("pull of %s stalled: %v", named, errStalled)}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("pull %s: %w: engine closed", named, engine.ErrUnavailable)
	}
	text := err.Error()
	if fromDaemon := strings.HasPrefix(text, daemonPrefix); !fromDaemon {
		return translate("pull "+named.String(), err)
	}
	return classify(named.String(), text)
}

// classify reads the daemon's text.
func classify(ref, text string) *engine.PullError {
	says := func(words ...string) bool {
		lower := strings.ToLower(text)
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
	}
	p := &engine.PullError{Ref: ref, Reason: text}
	// "pull access denied … repository does not exist or may require 'docker
	// login'" is the daemon's word for a missing repository as well.
	p.Denied = says("denied", "unauthorized", "no basic auth credentials", "authentication required", "403 forbidden")
	p.NotFound = says("manifest unknown", "not found", "repository does not exist", "name unknown")
	return p
}
