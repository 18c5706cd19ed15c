// Package ship copies what containers write into log streams.
//
// A line arrives within a second of being written, once, whatever crashes in
// between: it is stored together with the cursor from which copying goes on.
// While the store refuses (a full disk, say) or the engine is away, copying
// waits and nothing is lost. Only where the log group was deleted, or the task's
// execution role doesn't allow it, is output dropped, as on AWS.
package ship

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/logstore"
)

// logEngine is what ship needs of an engine.
type logEngine interface {
	Logs(ctx context.Context, taskID, container string, since time.Time, follow bool, emit func(engine.Line) error) error
	Release(ctx context.Context, taskID, container string, upto time.Time) error
}

// sink is where the output goes: the logs service.
type sink interface {
	EnsureStream(ctx context.Context, group, stream string, createGroup bool) error
	Ship(ctx context.Context, group, stream string, events []logstore.Event, source, cursor string) error
	Cursor(ctx context.Context, source string) (string, error)
	DropCursors(ctx context.Context, prefix string) error
}

// Job says which container's output goes where.
type Job struct {
	TaskID, Container string
	Group, Stream     string
	First             string // pattern of the first line of an event; "": each line is one
	// Buffer is how many bytes wait to be stored before what comes is dropped, with
	// an engine that does not do that itself; 0: all of it waits in the engine.
	Buffer int64
	// Role is the ARN of the task's execution role, which must allow what is done; "": it has none. Source is the task's ARN.
	Role, Source string
}

// source names the job's cursor.
func (j Job) source() string { return j.TaskID + "/" + j.Container }

// Config is what a Shipper needs.
type Config struct {
	Engine logEngine
	Sink   sink
	// As returns a context in which a job's role is judged. Errors: an API's when the role can't be assumed. It may be absent.
	As  func(ctx context.Context, j Job) (context.Context, error)
	Log *slog.Logger
}

// Shipper copies the output of many containers. It is safe for concurrent
// use, and copies while Run runs.
type Shipper struct {
	engine   logEngine
	sink     sink
	as       func(context.Context, Job) (context.Context, error)
	log      *slog.Logger
	buffered *semaphore.Weighted // of the bytes in all buffers

	mu     sync.Mutex
	copies map[string]*copying // by source
	start  func(*copying)      // nil while Run doesn't run
}

// copying is one container's output on its way.
type copying struct {
	Job
	follow bool
	last   bool // nothing comes after it
	cancel context.CancelFunc
	urgent atomic.Bool   // its container ended, and somebody waits
	ended  chan struct{} // closed when its goroutine ended; nil when Run hasn't started it
	done   chan struct{} // closed when all is stored
}

// New returns a Shipper that copies nothing yet.
func New(c Config) *Shipper {
	return &Shipper{engine: c.Engine, sink: c.Sink, as: c.As, log: c.Log, copies: map[string]*copying{}, buffered: semaphore.NewWeighted(maxBuffered)}
}

// Run copies until ctx ends, and waits for its goroutines. What is not copied
// by then is copied by the next Run, of this process or another.
func (s *Shipper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	s.begin(func(c *copying) {
		ctx, cancel := context.WithCancel(ctx)
		c.cancel, c.ended = cancel, make(chan struct{})
		wg.Go(func() {
			defer close(c.ended)
			defer cancel()
			s.copy(ctx, c)
		})
	})
	<-ctx.Done()
	s.end()
	wg.Wait()
	return ctx.Err()
}

func (s *Shipper) begin(start func(*copying)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = start
	for _, c := range s.copies {
		if !c.finished() {
			start(c)
		}
	}
}

func (s *Shipper) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = nil
}

// Follow copies what a running container wrote since its cursor and what it
// writes, until it ends. It may be called again for the same container, and must
// be when that was started again.
func (s *Shipper) Follow(j Job) { s.add(j, true, false) }

// Finish copies what a container wrote that ended before anybody followed it. Of
// one that was followed nothing is missing.
func (s *Shipper) Finish(j Job) {
	s.mu.Lock()
	_, known := s.copies[j.source()]
	s.mu.Unlock()
	if !known {
		s.add(j, false, false)
	}
}

// Drain waits until all is stored that a container wrote that ended and won't be
// started again. Run must run. Asked again, it doesn't read again what is stored:
// else of many containers some would never be waited for.
func (s *Shipper) Drain(ctx context.Context, j Job) error {
	c := s.add(j, false, true)
	c.urgent.Store(true)
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Shipper) add(j Job, follow, last bool) *copying {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.copies[j.source()]; ok && (!c.finished() || last && c.last) {
		return c
	}
	c := &copying{Job: j, follow: follow, last: last, done: make(chan struct{})}
	s.copies[j.source()] = c
	if s.start != nil {
		s.start(c)
	}
	return c
}

// Forget ends the copying of a task's output and drops its cursors. Call it
// when all of the task is drained and nobody will follow it again.
func (s *Shipper) Forget(ctx context.Context, taskID string) error {
	prefix := Job{TaskID: taskID}.source()
	for _, ended := range s.drop(prefix) {
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.sink.DropCursors(ctx, prefix)
}

// drop ends the copying of the sources that start with prefix and says what
// to wait for.
func (s *Shipper) drop(prefix string) (ended []<-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for source, c := range s.copies {
		if !strings.HasPrefix(source, prefix) {
			continue
		}
		delete(s.copies, source)
		if c.ended != nil {
			c.cancel()
			ended = append(ended, c.ended)
		}
	}
	return ended
}

func (c *copying) finished() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
