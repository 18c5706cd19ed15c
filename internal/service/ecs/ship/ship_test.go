package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/logstore"
)

// fakeEngine has one container, whose lines it keeps.
type fakeEngine struct {
	mu      sync.Mutex
	lines   []engine.Line
	ended   bool
	gone    bool
	away    bool          // ErrUnavailable; ends what is being followed
	holds   bool          // it wants to know what is stored
	kept    time.Time     // up to where that is
	changed chan struct{} // closed and replaced when any of these changes
}

func newEngine() *fakeEngine { return &fakeEngine{changed: make(chan struct{})} }

func (e *fakeEngine) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

// write is the container writing lines now.
func (e *fakeEngine) write(texts ...string) {
	e.set(func() {
		for i, text := range texts {
			e.lines = append(e.lines, engine.Line{Time: time.Now().Add(time.Duration(i)), Text: text})
		}
	})
	time.Sleep(time.Microsecond) // times increase strictly
}

func (e *fakeEngine) Release(_ context.Context, _, _ string, upto time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.holds {
		return errors.ErrUnsupported
	}
	e.kept = upto
	return nil
}

func (e *fakeEngine) end() { e.set(func() { e.ended = true }) }

func (e *fakeEngine) Logs(ctx context.Context, _, _ string, since time.Time, follow bool, emit func(engine.Line) error) error {
	for {
		e.mu.Lock()
		var lines []engine.Line
		for _, l := range e.lines {
			if l.Time.After(since) {
				lines = append(lines, l)
			}
		}
		ended, gone, away, changed := e.ended, e.gone, e.away, e.changed
		e.mu.Unlock()
		if gone {
			return engine.ErrNotFound
		}
		if away {
			return engine.ErrUnavailable
		}
		for _, l := range lines {
			since = l.Time
			if err := emit(l); err != nil {
				return err
			}
		}
		if ended && len(lines) == 0 || !follow {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fakeSink keeps one stream and its cursor, in one step.
type fakeSink struct {
	mu      sync.Mutex
	got     []string
	cursor  map[string]string
	fail    error // what Ship answers
	stored  bool  // although it failed, it stored
	noGroup bool
	stream  bool
	held    bool // it takes only what is urgent
}

func newSink() *fakeSink { return &fakeSink{cursor: map[string]string{}, stream: true} }

func (s *fakeSink) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

var errGone = &smithy.GenericAPIError{Code: "ResourceNotFoundException"}

func (s *fakeSink) EnsureStream(context.Context, string, string, bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noGroup {
		return errGone
	}
	s.stream = true
	return nil
}

func (s *fakeSink) Ship(ctx context.Context, _, _ string, events []logstore.Event, source, cursor string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil && !s.stored {
		return s.fail
	}
	if s.held && !logstore.IsUrgent(ctx) {
		return logstore.ErrFull
	}
	if s.noGroup || !s.stream {
		return errGone
	}
	for _, e := range events {
		s.got = append(s.got, e.Text)
	}
	s.cursor[source] = cursor
	return s.fail
}

func (s *fakeSink) Cursor(_ context.Context, source string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor[source], nil
}

func (s *fakeSink) DropCursors(_ context.Context, prefix string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.cursor {
		if strings.HasPrefix(k, prefix) {
			delete(s.cursor, k)
		}
	}
	return nil
}

func (s *fakeSink) want(t *testing.T, when, want string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.got, " "); got != want {
		t.Errorf("%s: stored %q, want %q", when, got, want)
	}
}

var job = Job{TaskID: "t1", Container: "web", Group: "g", Stream: "s"}

// run starts a Shipper; kill ends it as a crash would.
func run(t *testing.T, e *fakeEngine, k *fakeSink) (s *Shipper, kill func()) {
	t.Helper()
	s = New(Config{Engine: e, Sink: k, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	kill = func() { stop(); wg.Wait() }
	t.Cleanup(kill)
	return s, kill
}

// bubble runs a test with an engine, a sink and fake time.
func bubble(t *testing.T, f func(t *testing.T, e *fakeEngine, k *fakeSink)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newEngine(), newSink()) })
}

func TestFollowStoresWithinTwoSeconds(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		e.write("a", "", "b")
		s, _ := run(t, e, k)
		s.Follow(job)
		s.Follow(job)
		time.Sleep(300 * time.Millisecond)
		k.want(t, "what was written before", "a b")
		e.write("c")
		time.Sleep(300 * time.Millisecond)
		k.want(t, "what is written", "a b c")
	})
}

// TestFinishCopiesOnce: what ended before it was followed is copied, and what is
// copied isn't read again.
func TestFinishCopiesOnce(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		e.write("a", "b")
		e.end()
		s.Finish(job)
		time.Sleep(300 * time.Millisecond)
		k.want(t, "what had ended", "a b")
		e.write("never")
		s.Finish(job)
		time.Sleep(300 * time.Millisecond)
		k.want(t, "what is known", "a b")
	})
}

// TestDrainReadsOnce: what is drained isn't read again, however often it is asked
// for.
func TestDrainReadsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		s.Follow(job)
		e.write("a")
		e.end()
		for range 2 { // the first may find that it is followed to its end
			if err := s.Drain(t.Context(), job); err != nil {
				t.Fatal(err)
			}
		}
		e.write("never")
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		k.want(t, "what is drained", "a")
	})
}

func TestDrainWaitsForAll(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		s.Follow(job)
		e.write("a")
		e.end()
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		k.want(t, "drained", "a")
		if err := s.Forget(t.Context(), "t1"); err != nil {
			t.Fatal(err)
		}
		if len(k.cursor) != 0 {
			t.Errorf("cursors are left: %v", k.cursor)
		}
	})
}

func TestDrainCopiesWhatNobodyFollowed(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		e.write("a", "b")
		e.end()
		s, _ := run(t, e, k)
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		k.want(t, "drained", "a b")
	})
}

func TestDrainEndsWhenTheContainerIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		e.gone = true
		s, _ := run(t, e, k)
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDrainIsBoundByItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		s.Follow(job)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := s.Drain(ctx, job); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnotherProcessGoesOnFromTheCursor(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		var want []string
		for i := range 10 {
			s, kill := run(t, e, k)
			s.Follow(job)
			for j := range 3 {
				text := fmt.Sprint(i, ".", j)
				want = append(want, text)
				e.write(text)
				time.Sleep(time.Duration(i*37) * time.Millisecond)
			}
			kill()
		}
		e.end()
		s, _ := run(t, e, k)
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		k.want(t, "after ten crashes", strings.Join(want, " "))
	})
}

func TestTheSameShipperRunsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s := New(Config{Engine: e, Sink: k, Log: slog.New(slog.DiscardHandler)})
		s.Follow(job)
		for i := range 2 {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			e.write(fmt.Sprint(i))
			if err := s.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		k.want(t, "after two terms", "0 1")
	})
}

func TestFailuresLoseAndDoubleNothing(t *testing.T) {
	tests := map[string]struct {
		breaks, mends func(e *fakeEngine, k *fakeSink)
	}{
		"engine away": {
			func(e *fakeEngine, _ *fakeSink) { e.set(func() { e.away = true }) },
			func(e *fakeEngine, _ *fakeSink) { e.set(func() { e.away = false }) },
		},
		"disk full": {
			func(_ *fakeEngine, k *fakeSink) { k.set(func() { k.fail = logstore.ErrFull }) },
			func(_ *fakeEngine, k *fakeSink) { k.set(func() { k.fail = nil }) },
		},
		"answer lost": {
			func(_ *fakeEngine, k *fakeSink) { k.set(func() { k.fail, k.stored = errors.New("lost"), true }) },
			func(_ *fakeEngine, k *fakeSink) { k.set(func() { k.fail = nil }) },
		},
		"stream deleted": {
			func(_ *fakeEngine, k *fakeSink) { k.set(func() { k.stream = false }) },
			func(*fakeEngine, *fakeSink) {},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
				s, _ := run(t, e, k)
				s.Follow(job)
				e.write("a")
				time.Sleep(time.Second)
				tt.breaks(e, k)
				var want []string
				for i := range 500 { // more than fits between the engine and the sink
					want = append(want, fmt.Sprint(i))
					e.write(fmt.Sprint(i))
				}
				time.Sleep(time.Minute)
				tt.mends(e, k)
				time.Sleep(time.Minute)
				e.write("z")
				e.end()
				if err := s.Drain(t.Context(), job); err != nil {
					t.Fatal(err)
				}
				k.want(t, "in the end", "a "+strings.Join(want, " ")+" z")
			})
		})
	}
}

// TestTheLastOutputIsUrgent: output waits while the disk is nearly full, but for
// that of a container that has ended, without which its task can't go.
func TestTheLastOutputIsUrgent(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		k.held = true
		s.Follow(job)
		e.write("a")
		time.Sleep(time.Minute)
		k.want(t, "while it runs", "")
		e.end()
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		k.want(t, "when it ended", "a")
	})
}

func TestAGroupThatIsGoneHoldsNothingUp(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		k.noGroup = true
		s, _ := run(t, e, k)
		s.Follow(job)
		e.write("a")
		time.Sleep(time.Second)
		k.set(func() { k.noGroup, k.stream = false, false })
		e.write("b")
		e.end()
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		k.want(t, "when the group is back", "b")
	})
}

// What the execution role doesn't allow to store is dropped, and holds nothing up.
func TestADenialDropsOutput(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		var denied atomic.Bool
		denied.Store(true)
		s := New(Config{Engine: e, Sink: k, Log: slog.New(slog.DiscardHandler), As: func(ctx context.Context, j Job) (context.Context, error) {
			if j.Role == "arn:role" && denied.Load() {
				return ctx, &smithy.GenericAPIError{Code: "AccessDeniedException"}
			}
			return ctx, nil
		}})
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		defer func() { stop(); wg.Wait() }()
		of := job
		of.Role = "arn:role"
		s.Follow(of)
		e.write("a")
		time.Sleep(time.Second)
		k.want(t, "denied", "")
		denied.Store(false)
		e.write("b")
		time.Sleep(time.Second)
		k.want(t, "allowed", "b")
	})
}

func TestLongLinesAreSplitBetweenCharacters(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", engine.MaxLine-1) + strings.Repeat("é", 10) + strings.Repeat("\xa9", engine.MaxLine)
	events := toEvents([]engine.Line{{Text: text}})
	var joined strings.Builder
	for _, e := range events {
		if len(e.Text) > engine.MaxLine {
			t.Errorf("an event of %d bytes", len(e.Text))
		}
		joined.WriteString(e.Text)
	}
	if joined.String() != text || !strings.HasPrefix(events[1].Text, "é") {
		t.Errorf("%d events that don't make up the line", len(events))
	}
}
