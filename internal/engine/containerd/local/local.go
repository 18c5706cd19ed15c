// Package local is the containerd engine of an instance with what it stands on: a
// containerd of the instance's own, unless it is told another, and the keepers of
// output. Both outlive this process, as the tasks do, and are found again.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/engine/containerd"
	"github.com/skylift/skylift/internal/engine/containerd/output"
	"github.com/skylift/skylift/internal/engine/containerd/supervise"
)

// Config says whose engine it is and where its files are.
type Config struct {
	Instance string // unique id of this Skylift instance: 12 or more hex digits
	DataDir  string // the instance's; the engine has the directory Dir there
	Address  string // path of the socket of a containerd that runs; "": the instance's own
	Log      *slog.Logger
}

// Dir is the directory in an instance's data directory that the engine has for
// itself: images, containers' files and output.
const Dir = "engine"

// runRoot has a directory for each instance: sockets and namespaces, which go with
// the machine's power.
const runRoot = "/run/skylift"

// startTimeout is how long containerd may take to answer.
const startTimeout = time.Minute

func (c Config) dir(name string) string { return filepath.Join(c.DataDir, Dir, name) }
func (c Config) run() string            { return filepath.Join(runRoot, c.Instance) }

// supervisor returns the instance's own containerd, which may not run; nil: the
// instance uses another.
func (c Config) supervisor() (*supervise.Containerd, error) {
	if c.Address != "" {
		return nil, nil
	}
	return supervise.New(supervise.Config{
		Root: c.dir("containerd"), Run: filepath.Join(c.run(), "containerd"), Memory: containerd.Config{Run: c.run()}.Memory(), Log: c.Log,
	})
}

// engine is the configuration of the engine itself.
func (c Config) engine(own *supervise.Containerd, store *output.Store) containerd.Config {
	e := containerd.Config{
		Instance: c.Instance, Address: c.Address, State: filepath.Dir(c.Address), Data: c.dir(""), Run: c.run(), Output: store, Log: c.Log,
	}
	if own != nil {
		e.Address, e.Root, e.State = own.Address(), own.Root(), own.StateDir()
	}
	return e
}

// Engine is the engine of an instance.
type Engine struct {
	*containerd.Engine
	base *base
}

// base is what an engine stands on.
type base struct {
	own     *supervise.Containerd // nil: another
	output  *output.Store
	address string

	stop   context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	failed error // why nobody watches the containerd
}

// Open starts what doesn't run yet, and opens the engine. Close it after use.
func Open(ctx context.Context, c Config) (*Engine, error) {
	b, err := start(ctx, c)
	if err != nil {
		return nil, err
	}
	e, err := containerd.Open(ctx, c.engine(b.own, b.output))
	if err != nil {
		b.close()
		return nil, err
	}
	return &Engine{e, b}, nil
}

// start starts what an engine stands on, and waits until containerd answers.
func start(ctx context.Context, c Config) (*base, error) {
	own, err := c.supervisor()
	if err != nil {
		return nil, err
	}
	store, err := output.New(c.dir("output"))
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	// They are watched until the engine is closed, not until it is open.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	b := &base{own: own, output: store, address: c.Address, stop: stop}
	b.wg.Go(func() { _ = store.Keep(watching, []string{self, output.Command}, c.Log) }) // until watching ends
	if own == nil {
		return b, nil
	}
	ready, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it did not answer within %v", startTimeout))
	defer cancel()
	b.wg.Go(func() {
		if err := own.Run(watching); watching.Err() == nil {
			b.fail(err)
			cancel()
		}
	})
	if _, err := own.Ready(ready); err != nil {
		b.close()
		return nil, fmt.Errorf("start containerd: %w", errors.Join(b.failure(), context.Cause(ready)))
	}
	return b, nil
}

func (b *base) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = err
}

func (b *base) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// close stops watching; what runs goes on.
func (b *base) close() {
	b.stop()
	b.wg.Wait()
}

// Close closes the engine. Tasks run on, and so does what they stand on.
func (e *Engine) Close() error {
	err := e.Engine.Close()
	e.base.close()
	return err
}

// About says for people which engine it is.
func (e *Engine) About() string {
	if e.base.own == nil {
		return "containerd at " + e.base.address
	}
	is := e.base.own.State()
	return fmt.Sprintf("containerd %s, the instance's own (process %d)", is.Version, is.PID)
}

// Problems says why tasks can't be started now; "" if they can.
func (e *Engine) Problems() []string {
	if e.base.own == nil {
		return nil
	}
	if err := e.base.failure(); err != nil {
		return []string{"nobody watches containerd: " + err.Error()}
	}
	if is := e.base.own.State(); is.Problem != "" {
		return []string{"containerd can't be used since " + is.Since.UTC().Format(time.RFC3339) + ", tasks run on: " + is.Problem}
	}
	return nil
}
