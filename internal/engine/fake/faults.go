package fake

import "github.com/skylift/skylift/internal/engine"

// GoAway makes every call fail with engine.ErrUnavailable until ComeBack. Calls
// that are under way do their work, and fail too. Containers run on.
func (e *Engine) GoAway() { e.setAway(true) }

// ComeBack ends what GoAway began.
func (e *Engine) ComeBack() { e.setAway(false) }

func (e *Engine) setAway(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away == away {
		return
	}
	e.away = away
	close(e.changed)
	e.changed = make(chan struct{})
	e.tell("")
}

// LoseAnswers makes the next n calls of a method of the port ("Create") do their
// work and then fail with engine.ErrUnavailable. Inspect, List and Logs change
// nothing and can't lose theirs.
func (e *Engine) LoseAnswers(call string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost[call] = n
}

// Calls returns how often a method of the port was called.
func (e *Engine) Calls(call string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[call]
}

// Restart is a restart of the daemon: all that runs ends, and is still there.
func (e *Engine) Restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.tasks {
		t.sandbox = false
		for _, c := range t.containers {
			e.end(t, c, 128+9, false)
		}
	}
	e.tell("")
}

// Exit ends a running container with an exit code.
func (e *Engine) Exit(taskID, name string, code int) error {
	return e.endNow(taskID, name, code, false)
}

// RunOutOfMemory ends a running container as the kernel's OOM killer does.
func (e *Engine) RunOutOfMemory(taskID, name string) error {
	return e.endNow(taskID, name, 128+9, true)
}

func (e *Engine) endNow(taskID, name string, code int, oom bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, c, err := e.find(taskID, name)
	if err != nil {
		return err
	}
	e.end(t, c, code, oom)
	return nil
}

// Print has a container write a line.
func (e *Engine) Print(taskID, name string, stderr bool, text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, c, err := e.find(taskID, name)
	if err != nil {
		return err
	}
	c.print(stderr, text)
	c.wake()
	return nil
}

// SetHealth has the health checks of a running container say something else.
func (e *Engine) SetHealth(taskID, name string, h engine.Health, output string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, c, err := e.find(taskID, name)
	if err != nil {
		return err
	}
	if c.status.State == engine.Running {
		e.setHealth(t, c, h, output)
	}
	return nil
}
