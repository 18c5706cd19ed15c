package fake

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// pull is a pull that runs; the rest is set when done is closed.
type pull struct {
	done      chan struct{}
	digestRef string
	err       error
}

// Pull pulls ref as the script says, or joins the pull of it that runs.
func (e *Engine) Pull(ctx context.Context, ref string, _ engine.Auth) (digestRef string, err error) {
	if err := e.enter(ctx, "Pull"); err != nil {
		return "", err
	}
	p := e.joinPull(ref)
	select {
	case <-p.done:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if err := e.leave("Pull", p.err); err != nil {
		return "", err
	}
	return p.digestRef, nil
}

func (e *Engine) joinPull(ref string) *pull {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.pulls[ref]; p != nil {
		return p
	}
	p := &pull{done: make(chan struct{})}
	e.pulls[ref] = p
	script := e.config.Pull(ref)
	time.AfterFunc(script.Time, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if p.digestRef = e.digestOf(ref); script.Err != nil {
			p.digestRef, p.err = "", script.Err
		} else {
			e.images[p.digestRef] = time.Now()
		}
		delete(e.pulls, ref)
		close(p.done)
	})
	return p
}

// digestOf returns ref with the digest that its tag has now; e.mu is held.
func (e *Engine) digestOf(ref string) string {
	if strings.Contains(ref, "@") {
		return ref
	}
	name := ref
	if tag := strings.LastIndexByte(ref, ':'); tag > strings.LastIndexByte(ref, '/') {
		name = ref[:tag]
	}
	return fmt.Sprintf("%s@sha256:%x", name, sha256.Sum256(fmt.Appendf(nil, "%s#%d", ref, e.pushes[ref])))
}

// Push makes ref's tag mean another digest from now on, and returns that.
func (e *Engine) Push(ref string) (digestRef string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pushes[ref]++
	return e.digestOf(ref)
}

// Tidy forgets images that were pulled, as the port promises.
func (e *Engine) Tidy(ctx context.Context, kept []string, age time.Duration) (removed []string, err error) {
	if err := e.enter(ctx, "Tidy"); err != nil {
		return nil, err
	}
	e.mu.Lock()
	used := map[string]bool{}
	for _, name := range kept {
		used[name] = true
	}
	for _, t := range e.tasks {
		for _, c := range t.containers {
			used[c.spec.Image] = true
		}
	}
	for name, last := range e.images {
		if !used[name] && !last.After(time.Now().Add(-age)) {
			delete(e.images, name)
			removed = append(removed, name)
		}
	}
	e.mu.Unlock()
	slices.Sort(removed)
	return removed, e.leave("Tidy", nil)
}

// Images returns the images that were pulled and not removed.
func (e *Engine) Images() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.images))
}
