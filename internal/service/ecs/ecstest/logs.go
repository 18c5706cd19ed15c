package ecstest

import (
	"context"
	"sync"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

// Logs is a log shipper with one group, /web.
type Logs struct {
	Full bool // what is drained is never stored

	mu       sync.Mutex
	followed []ship.Job
}

// Prepare knows the group /web, and makes others if it may.
func (*Logs) Prepare(_ context.Context, group, _ string, create bool) error {
	if group != "/web" && !create {
		return awserr.New("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return nil
}

// Follow notes the job.
func (l *Logs) Follow(j ship.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followed = append(l.followed, j)
}

// Finish notes the job.
func (l *Logs) Finish(j ship.Job) { l.Follow(j) }

// Drain returns at once, or with Full when ctx ends.
func (l *Logs) Drain(ctx context.Context, _ ship.Job) error {
	if !l.Full {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// Forget does nothing.
func (*Logs) Forget(context.Context, string) error { return nil }

// Jobs returns what was to be copied since it was called last.
func (l *Logs) Jobs() []ship.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	jobs := l.followed
	l.followed = nil
	return jobs
}
