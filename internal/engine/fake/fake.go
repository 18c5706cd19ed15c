// Package fake is an engine that runs nothing: containers are entries in
// memory that behave as a script says.
//
// It keeps the promises of the port, takes its time from package time only, so
// that testing/synctest drives it, and holds thousands of tasks. Faults are
// made on purpose: a daemon that is away, answers that get lost, a restart that
// ends every container, an out-of-memory kill.
package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// Config scripts the engine; the zero value pulls every image at once, and its
// containers run until SIGTERM.
type Config struct {
	Latency time.Duration                      // of each call but Watch and Logs
	Behave  func(c engine.Container) Behaviour // at its creation and each restart; nil: Runs for all
	Pull    func(ref string) Pull              // nil: every image is there at once
	// Exec runs a command in a container; nil: none can be run.
	Exec  func(ctx context.Context, c engine.Container, x engine.Exec) (exitCode int, err error)
	Users map[string]Users // by image; one that isn't there has root alone
}

// Behaviour is the script of a container. The zero value runs until it is
// stopped, and exits with 0 at SIGTERM.
type Behaviour struct {
	CreateError string // why it can't be created
	StartError  string // why it can't be started
	StartTime   time.Duration
	Output      []engine.Line // printed at the start; their times don't matter

	Exits     bool          // it ends by itself
	ExitAfter time.Duration // how long after its start
	ExitCode  int
	OOM       bool // it ends by being killed for its memory

	IgnoreTerm bool          // SIGTERM does nothing
	TermTime   time.Duration // from SIGTERM to the end
	TermCode   int           // exit code after SIGTERM

	Unhealthy    bool   // its health checks, if it has any, fail
	HealthOutput string // what they print

	CPU     float64 // how many processors it keeps busy
	Memory  int64   // bytes that it uses
	Storage int64   // bytes that it writes at its start

	Processes int // how many it tries to have; 0: one
}

// Runs is a container without a handler for SIGTERM.
func Runs(engine.Container) Behaviour { return Behaviour{TermCode: 128 + 15} }

// Pull is the script of a pull.
type Pull struct {
	Time time.Duration
	Err  *engine.PullError
}

// Engine is a simulated engine.Engine.
type Engine struct {
	config Config

	mu       sync.Mutex
	tasks    map[string]*task
	pulls    map[string]*pull
	images   map[string]time.Time // when each image that is here was last pulled
	pushes   map[string]int       // how often an image was pushed again
	watchers map[*watcher]struct{}
	away     bool
	changed  chan struct{}  // closed when away changes
	lost     map[string]int // answers to lose, by call
	calls    map[string]int
	began    time.Time
}

var _ engine.Engine = (*Engine)(nil)

type task struct {
	id         string
	spec       engine.Task
	sandbox    bool
	containers []*container
}

type container struct {
	spec    engine.Container
	script  Behaviour
	status  engine.ContainerStatus
	run     int // counts the starts
	lines   []engine.Line
	changed chan struct{} // closed at the next line or state
}

// New returns an engine without tasks.
func New(c Config) *Engine {
	if c.Behave == nil {
		c.Behave = Runs
	}
	if c.Pull == nil {
		c.Pull = func(string) Pull { return Pull{} }
	}
	return &Engine{
		config:   c,
		tasks:    make(map[string]*task),
		pulls:    make(map[string]*pull),
		images:   make(map[string]time.Time),
		pushes:   make(map[string]int),
		watchers: make(map[*watcher]struct{}),
		changed:  make(chan struct{}),
		lost:     make(map[string]int),
		calls:    make(map[string]int),
		began:    time.Now(),
	}
}

// enter begins a call.
func (e *Engine) enter(ctx context.Context, call string) error {
	if err := sleep(ctx, e.config.Latency); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[call]++
	if e.away {
		return fmt.Errorf("%s: %w", call, engine.ErrUnavailable)
	}
	return nil
}

// leave ends a call that did its work: its answer may get lost.
func (e *Engine) leave(call string, err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away || e.lost[call] > 0 {
		e.lost[call] = max(0, e.lost[call]-1)
		return fmt.Errorf("%s: answer lost: %w", call, engine.ErrUnavailable)
	}
	return err
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Create makes the entries of t.
func (e *Engine) Create(ctx context.Context, t engine.Task) (netns string, err error) {
	if err := e.enter(ctx, "Create"); err != nil {
		return "", err
	}
	if err := t.Check(); err != nil {
		return "", err
	}
	netns, err = e.create(t)
	if err := e.leave("Create", err); err != nil {
		return "", err
	}
	return netns, nil
}

func (e *Engine) create(t engine.Task) (netns string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	made := e.tasks[t.ID]
	if made == nil {
		made = &task{id: t.ID, spec: t, sandbox: true}
		e.tasks[t.ID] = made
		e.tell(t.ID)
	}
	if !made.sandbox {
		return "", &engine.StartError{Reason: "the task's sandbox has stopped"}
	}
	for _, c := range t.Containers {
		if made.find(c.Name) != nil {
			continue
		}
		script := e.config.Behave(c)
		if script.CreateError != "" {
			return "", &engine.StartError{Container: c.Name, Reason: script.CreateError}
		}
		made.containers = append(made.containers, &container{
			spec:    c,
			script:  script,
			status:  engine.ContainerStatus{Name: c.Name, RuntimeID: "fake-" + t.ID + "-" + c.Name, State: engine.Created, CreatedAt: time.Now()},
			changed: make(chan struct{}),
		})
	}
	return made.netns(), nil
}

// netns is a name only; there is no such namespace.
func (t *task) netns() string { return "fake:" + t.id }

func (t *task) find(name string) *container {
	for _, c := range t.containers {
		if c.spec.Name == name {
			return c
		}
	}
	return nil
}

// Start starts those of the named containers that never ran.
func (e *Engine) Start(ctx context.Context, taskID string, containers ...string) error {
	if err := e.enter(ctx, "Start"); err != nil {
		return err
	}
	for _, name := range containers {
		if err := e.start(taskID, name); err != nil {
			return e.leave("Start", err)
		}
	}
	return e.leave("Start", nil)
}

// start starts one container; as with a real engine, that isn't broken off by the
// caller's end.
func (e *Engine) start(taskID, name string) error {
	script, err := e.scriptOf(taskID, name)
	if err != nil {
		return err
	}
	time.Sleep(script.StartTime)
	e.mu.Lock()
	defer e.mu.Unlock()
	t, c, err := e.find(taskID, name)
	if err != nil || c.status.State != engine.Created {
		return err
	}
	return e.begin(t, c)
}

// begin starts a container that doesn't run; e.mu is held.
func (e *Engine) begin(t *task, c *container) error {
	if !t.sandbox {
		return &engine.StartError{Container: c.spec.Name, Reason: "cannot join network of a non running container"}
	}
	if c.script.StartError != "" {
		c.status.Error = c.script.StartError
		return &engine.StartError{Container: c.spec.Name, Reason: c.script.StartError}
	}
	c.run++
	c.status.State = engine.Running
	c.status.StartedAt, c.status.FinishedAt = time.Now(), time.Time{}
	c.status.ExitCode, c.status.OOMKilled, c.status.Error = 0, false, ""
	for _, l := range c.script.Output {
		c.print(l.Stderr, l.Text)
	}
	e.beginChecks(t, c)
	e.touch(t, c)
	if c.script.Exits {
		code := c.script.ExitCode
		if c.script.OOM {
			code = 128 + 9
		}
		e.endAfter(t, c, c.script.ExitAfter, code, c.script.OOM)
	}
	return nil
}

// scriptOf returns the script of a container that isn't started yet.
func (e *Engine) scriptOf(taskID, name string) (Behaviour, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, c, err := e.find(taskID, name)
	if err != nil {
		return Behaviour{}, err
	}
	if c.status.State != engine.Created {
		return Behaviour{}, nil
	}
	return c.script, nil
}

// find returns a container; e.mu is held.
func (e *Engine) find(taskID, name string) (*task, *container, error) {
	t := e.tasks[taskID]
	if t == nil {
		return nil, nil, fmt.Errorf("task %s: %w", taskID, engine.ErrNotFound)
	}
	c := t.find(name)
	if c == nil {
		return nil, nil, fmt.Errorf("container %s of task %s: %w", name, taskID, engine.ErrNotFound)
	}
	return t, c, nil
}

// endAfter ends a container later, if it still is the same run then; e.mu is
// held.
func (e *Engine) endAfter(t *task, c *container, d time.Duration, code int, oom bool) {
	if d <= 0 {
		e.end(t, c, code, oom)
		return
	}
	e.later(c, d, func() { e.end(t, c, code, oom) })
}

// later calls f after d, with e.mu held, if c is still in the same run; e.mu is
// held.
func (e *Engine) later(c *container, d time.Duration, f func()) {
	run := c.run
	time.AfterFunc(d, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if c.run == run && c.status.State == engine.Running {
			f()
		}
	})
}

// end ends a running container; e.mu is held.
func (e *Engine) end(t *task, c *container, code int, oom bool) {
	if c.status.State != engine.Running {
		return
	}
	c.status.State = engine.Exited
	c.status.ExitCode, c.status.OOMKilled = code, oom
	c.status.FinishedAt = time.Now()
	c.status.Health = ""
	e.touch(t, c)
}

// touch wakes who waits for c, and tells the watchers; e.mu is held.
func (e *Engine) touch(t *task, c *container) {
	c.wake()
	e.tell(t.id)
}

func (c *container) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Signal sends sig to a container that runs.
func (e *Engine) Signal(ctx context.Context, taskID, name, sig string) error {
	if err := e.enter(ctx, "Signal"); err != nil {
		return err
	}
	return e.leave("Signal", e.signal(taskID, name, sig))
}

func (e *Engine) signal(taskID, name, sig string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, c, err := e.find(taskID, name)
	if err != nil {
		return err
	}
	switch {
	case sig == "SIGKILL":
		e.end(t, c, 128+9, false)
	case sig == "SIGTERM" && !c.script.IgnoreTerm && c.status.State == engine.Running:
		e.endAfter(t, c, c.script.TermTime, c.script.TermCode, false)
	}
	return nil
}

// Inspect returns what is true of a task.
func (e *Engine) Inspect(ctx context.Context, taskID string) (engine.Status, error) {
	if err := e.enter(ctx, "Inspect"); err != nil {
		return engine.Status{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tasks[taskID]
	if t == nil {
		return engine.Status{}, fmt.Errorf("inspect task %s: %w", taskID, engine.ErrNotFound)
	}
	return t.status(), nil
}

// List returns what is true of every task, by id.
func (e *Engine) List(ctx context.Context) ([]engine.Status, error) {
	if err := e.enter(ctx, "List"); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]engine.Status, 0, len(e.tasks))
	for _, id := range slices.Sorted(maps.Keys(e.tasks)) {
		all = append(all, e.tasks[id].status())
	}
	return all, nil
}

func (t *task) status() engine.Status {
	s := engine.Status{ID: t.id, Sandbox: t.sandbox}
	if t.sandbox {
		s.NetNS = t.netns()
	}
	for _, c := range t.containers {
		s.Containers = append(s.Containers, c.status)
	}
	return s
}

// Remove removes all that there is of a task.
func (e *Engine) Remove(ctx context.Context, taskID string) error {
	if err := e.enter(ctx, "Remove"); err != nil {
		return err
	}
	e.remove(taskID)
	return e.leave("Remove", nil)
}

func (e *Engine) remove(taskID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tasks[taskID]
	if t == nil {
		return
	}
	for _, c := range t.containers {
		e.end(t, c, 128+9, false)
	}
	delete(e.tasks, taskID)
	e.tell(taskID)
}
