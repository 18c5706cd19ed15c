package containerd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	apievents "github.com/containerd/containerd/api/events"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/typeurl/v2"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/netns"
)

const (
	firstRetry   = 100 * time.Millisecond
	slowestRetry = 5 * time.Second
	steadyEnough = 10 * time.Second
)

// watchers are those who are told of changes.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

// watcher has the tasks that it wasn't told of yet.
type watcher struct {
	pending map[string]struct{}
	wake    chan struct{}
}

func (w *watchers) add() *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	one := &watcher{pending: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	w.all[one] = struct{}{}
	return one
}

func (w *watchers) remove(one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, one)
}

// tell tells all watchers that a task changed; "": any may have changed.
func (w *watchers) tell(task string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		one.pending[task] = struct{}{}
		select {
		case one.wake <- struct{}{}:
		default:
		}
	}
}

// take returns what a watcher wasn't told of.
func (w *watchers) take(one *watcher) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := slices.Sorted(maps.Keys(one.pending))
	clear(one.pending)
	return list
}

// Watch tells of changes until ctx ends, and returns ctx's error. Several changes
// of a task between two calls are told once.
func (e *Engine) Watch(ctx context.Context, changed func(taskID string)) error {
	one := e.watchers.add()
	defer e.watchers.remove(one)
	changed("")
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-one.wake:
		}
		for _, task := range e.watchers.take(one) {
			changed(task)
		}
	}
}

// follow follows containerd's events until ctx ends, and connects again when it
// was away.
func (e *Engine) follow(ctx context.Context) {
	retry := firstRetry
	for {
		began := time.Now()
		err := e.followOnce(e.in(ctx))
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steadyEnough {
			retry = firstRetry
		}
		e.log.Warn("container events interrupted", slog.Any("err", err), slog.Duration("retry", retry))
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
		retry = min(2*retry, slowestRetry)
	}
}

// topics are the events that change a task's status. Those of health checks,
// which are processes too, are not among them.
var topics = []string{`topic=="/tasks/exit"`, `topic=="/tasks/start"`, `topic=="/tasks/oom"`, `topic=="/tasks/delete"`, `topic=="/tasks/paused"`, `topic=="/tasks/resumed"`}

// followOnce follows one subscription until it breaks.
func (e *Engine) followOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	namespace := "namespace==" + namespaceOf(e.instance)
	filters := make([]string, len(topics))
	for i, topic := range topics {
		filters[i] = namespace + "," + topic
	}
	stream, broken := e.client.Subscribe(ctx, filters...)
	if err := e.catchUp(ctx); err != nil {
		return err
	}
	e.watchers.tell("")
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	without := map[string]bool{}
	for {
		select {
		case <-look.C:
			without = e.lookAtNetworks(without)
		case event := <-stream:
			e.took(ctx, event)
		case err := <-broken:
			return errors.Join(errors.New("containerd's events ended"), err)
		}
	}
}

// lookEvery is how often the tasks' networks are looked for: nothing tells when
// one goes.
const lookEvery = 5 * time.Second

// lookAtNetworks tells of each task that has no network and had one, or wasn't
// there, at the look before. It returns the tasks that have none.
func (e *Engine) lookAtNetworks(before map[string]bool) map[string]bool {
	ids, err := e.records.Tasks()
	if err != nil {
		return before
	}
	without := map[string]bool{}
	for _, id := range ids {
		if netns.Is(e.netnsPath(id)) {
			continue
		}
		without[id] = true
		if !before[id] {
			e.watchers.tell(id)
		}
	}
	return without
}

// catchUp updates all records after a time in which nobody listened, and goes on
// with what a kill broke off: restarts and health checks.
func (e *Engine) catchUp(ctx context.Context) error {
	list, err := e.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		for _, c := range s.Containers {
			if c.State != engine.Running {
				continue
			}
			if c.Restarts > 0 {
				if err := e.StartAgain(ctx, s.ID, c.Name); err != nil {
					e.log.Warn("a container can't be started again", "task", s.ID, "container", c.Name, "err", err)
				}
			}
			e.checks.begin(e, s.ID, c.RuntimeID)
		}
	}
	return nil
}

// took does what an event calls for.
func (e *Engine) took(ctx context.Context, event *events.Envelope) {
	if event == nil || event.Event == nil {
		return
	}
	is, err := typeurl.UnmarshalAny(event.Event)
	if err != nil {
		e.log.Warn("an event of containerd can't be read", "err", fmt.Errorf("event %s: %w", event.Topic, err))
		return
	}
	id, process := "", ""
	var exit *apievents.TaskExit
	switch is := is.(type) {
	case *apievents.TaskExit:
		id, process, exit = is.ContainerID, is.ID, is
	case *apievents.TaskDelete:
		id, process = is.ContainerID, is.ID
	case interface{ GetContainerID() string }:
		id = is.GetContainerID()
	}
	if id == "" || process != "" && process != id {
		return // a health check's
	}
	task := taskOf(id)
	if exit != nil && id != task {
		// How it ended is remembered before its shim may be gone. If that can't be
		// done now, the next look at the task does it.
		if err := e.ended(ctx, task, id, exit); err != nil {
			e.log.Debug("the end of a container wasn't seen", "task", task, "container", id, "err", err)
		}
	}
	e.watchers.tell(task)
}

// ended remembers how a container ended. Its process may be gone already, and then
// the event alone tells.
func (e *Engine) ended(ctx context.Context, task, id string, exit *apievents.TaskExit) error {
	r, err := e.records.Get(task, id)
	if err != nil {
		return err
	}
	p, err := e.processOf(ctx, id)
	if err != nil {
		return err
	}
	if p == nil && exit.ExitedAt.AsTime().After(r.Started) {
		p = &tasktypes.Process{Status: tasktypes.Status_STOPPED, ExitStatus: exit.ExitStatus, ExitedAt: exit.ExitedAt}
	}
	_, err = e.settle(task, id, r, p)
	return err
}
