package docker

import (
	"context"
	"log/slog"
	"time"

	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

const (
	// eventOverlap is how far back a new subscription reaches: the daemon
	// answers before it listens, and an event told twice does no harm.
	eventOverlap = 2 * time.Second
	firstRetry   = 100 * time.Millisecond
	slowestRetry = 5 * time.Second
	steadyEnough = 10 * time.Second
)

// Watch tells of changes as the daemon reports them, and connects again when
// the daemon was away. It returns ctx's error.
func (e *Engine) Watch(ctx context.Context, changed func(taskID string)) error {
	retry := firstRetry
	for {
		began := time.Now()
		err := e.watchOnce(ctx, changed)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > steadyEnough {
			retry = firstRetry
		}
		e.log.Warn("container events interrupted", slog.Any("err", err), slog.Duration("retry", retry))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retry):
		}
		retry = min(2*retry, slowestRetry)
	}
}

// watchOnce follows one subscription until it breaks.
func (e *Engine) watchOnce(ctx context.Context, changed func(taskID string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := e.cli.Events(ctx, client.EventsListOptions{
		Since: time.Now().Add(-eventOverlap).Format(time.RFC3339Nano),
		Filters: e.filter().Add("type", "container").
			Add("event", "create", "start", "die", "oom", "destroy", "health_status"),
	})
	select {
	case err := <-stream.Err: // not connected
		return daemon.Translate("watch events", err)
	default:
	}
	changed("")
	for {
		select {
		case m := <-stream.Messages:
			changed(m.Actor.Attributes[labelTask])
		case err := <-stream.Err:
			return daemon.Translate("watch events", err)
		}
	}
}
