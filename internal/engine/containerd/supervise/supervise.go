// Package supervise starts and watches a containerd of the instance's own.
//
// The containerd has a directory for its data, one for its state and socket, and
// the plugins that tasks need; no other program knows of it. It outlives this
// process: it is in a session of its own, and outside the control group that
// systemd ends with the service. It is found again by its arguments, which name
// its configuration, so no kill between its start and a note of it can lead to
// two. One that died is started again; tasks don't notice, for their shims live on.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Config says where a containerd is. Both directories are made, mode 0700.
type Config struct {
	Root string // its data: images, snapshots, its log; absolute, and the same at each start
	Run  string // its state and socket, which may go with the machine's power; absolute
	// Memory is a directory in memory, where its shims write for a moment which program is to run in a container, with its
	// environment; "" is where the system has temporary files.
	Memory string
	Log    *slog.Logger
}

// State is how the containerd is.
type State struct {
	PID     int    // 0: none runs
	Version string // as it says itself: "1.6.20~ds1"
	// Problem is why it can't be used, since Since; "": it answers.
	Problem string
	Since   time.Time
}

// Containerd is the instance's containerd.
type Containerd struct {
	root, run, memory string
	log               *slog.Logger

	mu    sync.Mutex
	state State
	ready chan struct{} // closed when it first answered
}

// ErrRunning says that another process watches the containerd.
var ErrRunning = errors.New("another process watches this containerd")

const (
	checkEvery   = 500 * time.Millisecond
	probeTimeout = 3 * time.Second
	minBackoff   = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
	steady       = time.Minute // who runs that long starts at once again
)

// New makes the directories. It starts nothing: Run does. If the socket's path
// would be too long for the kernel, the socket is in a short directory in /run.
func New(c Config) (*Containerd, error) {
	if !filepath.IsAbs(c.Root) || !filepath.IsAbs(c.Run) {
		return nil, fmt.Errorf("containerd's directories %q and %q are not absolute", c.Root, c.Run)
	}
	d := &Containerd{root: filepath.Clean(c.Root), run: shortRun(filepath.Clean(c.Run)), memory: c.Memory, log: c.Log, ready: make(chan struct{})}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	for _, dir := range []string{d.root, d.run, d.memory} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make containerd's directory: %w", err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make containerd's directory: %w", err)
		}
	}
	return d, nil
}

// Address is the path of the socket.
func (d *Containerd) Address() string { return socketIn(d.run) }

// Root is where it keeps its data.
func (d *Containerd) Root() string { return d.root }

// StateDir is where it keeps what goes with the machine's power.
func (d *Containerd) StateDir() string { return filepath.Join(d.run, "state") }

// State returns how it is, as the last look told.
func (d *Containerd) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// Ready waits until it first answers, and returns how it is. If ctx ends first,
// the error says why it doesn't answer.
func (d *Containerd) Ready(ctx context.Context) (State, error) {
	select {
	case <-d.ready:
		return d.State(), nil
	case <-ctx.Done():
		st := d.State()
		return st, fmt.Errorf("containerd isn't ready: %s: %w", st.Problem, ctx.Err())
	}
}

// Run keeps it running until ctx ends, leaves it running and returns ctx's error.
// It returns at once if programs are missing (the error says how to get them), if
// another process watches it (ErrRunning), or if its configuration can't be
// written.
func (d *Containerd) Run(ctx context.Context) error {
	found, err := Find()
	if err != nil {
		return err
	}
	lock, err := d.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := d.writeConfig(); err != nil {
		return fmt.Errorf("write containerd's configuration: %w", err)
	}
	p, _ := d.find()
	backoff := minBackoff
	for ctx.Err() == nil {
		if !p.alive() {
			if p, err = d.start(found); err != nil {
				d.problem(0, err.Error())
			}
		}
		began := time.Now()
		d.watch(ctx, p)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > steady {
			backoff = minBackoff
		}
		d.problem(0, "it ended; see "+d.logPath())
		sleep(ctx, backoff)
		backoff = min(2*backoff, maxBackoff)
	}
	return ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// lock makes this process the one that watches.
func (d *Containerd) lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(d.root, "watched.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock containerd: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrRunning
	}
	return nil, fmt.Errorf("lock containerd: %w", err)
}

// watch looks how it is until it ends, or ctx does.
func (d *Containerd) watch(ctx context.Context, p process) {
	version := ""
	for p.alive() && ctx.Err() == nil {
		err := probe(ctx, d.Address())
		switch {
		case err == nil && version == "":
			version = p.version(ctx)
			_ = os.Chmod(d.Address(), 0o600) // its directory lets nobody else in anyway
			d.answers(p.pid, version)
		case err == nil:
			d.answers(p.pid, version)
		case !p.alive() || ctx.Err() != nil:
			return
		case p.stopped():
			d.problem(p.pid, fmt.Sprintf("it is stopped: kill -CONT %d lets it go on", p.pid))
		default:
			d.problem(p.pid, "it does not answer: "+err.Error())
		}
		d.rotateLog()
		pause := checkEvery
		if version == "" {
			pause = 10 * time.Millisecond // it starts
		}
		sleep(ctx, pause)
	}
}

func (d *Containerd) answers(pid int, version string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.state
	d.state = State{PID: pid, Version: version}
	select {
	case <-d.ready:
		if was != d.state {
			d.log.Info("containerd answers again", "pid", pid, "version", version)
		}
	default:
		close(d.ready)
	}
}

// problem notes why it can't be used. It is logged once, and not while it only
// starts.
func (d *Containerd) problem(pid int, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state.Problem == why && d.state.PID == pid {
		return
	}
	starts := pid != 0 && d.state.PID != pid
	since := d.state.Since
	if since.IsZero() {
		since = time.Now()
	}
	d.state = State{PID: pid, Version: d.state.Version, Problem: why, Since: since}
	if !starts {
		d.log.Warn("containerd can't be used", "pid", pid, "problem", why)
	}
}
