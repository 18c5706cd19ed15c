package ship

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/logstore"
)

func TestDatetime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		format, line string
		want         bool
	}{
		{"%Y-%m-%d", "2026-01-31 starting", true},
		{"%Y-%m-%d", "2026-13-31 starting", false},
		{"%Y-%m-%d", "  at line 5", false},
		{`\[%b %d, %Y %H:%M:%S\]`, "[Jan 02, 2026 23:59:00] x", true},
		{`\[%b %d, %Y %H:%M:%S\]`, "[Jan 02, 2026 24:59:00] x", false},
		{"%H:%M:%S%L", "12:00:01.123", true},
		{"%H:%M:%S%L", "12:00:01,123", false},
		{"%I:%M %p", "11:59 PM", true},
		{"%A %w %y %j %z %Z %a %B %f", "Sunday 0 26 366 +0100 CET Mon March 123456", true},
	}
	for _, tc := range tests {
		if got := regexp.MustCompile(Datetime(tc.format)).MatchString(tc.line); got != tc.want {
			t.Errorf("%s and %q: %v, want %v", tc.format, tc.line, got, tc.want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"4096": 4096, "1k": 1024, "25m": 25 << 20, "1.5 GiB": 3 << 29, "2MB": 2 << 20, "10b": 10, "": 0, "many": 0, "-1m": 0} {
		if got := Size(s); got != want {
			t.Errorf("%q is %d bytes, want %d", s, got, want)
		}
	}
}

var multiline = Job{TaskID: "t1", Container: "web", Group: "g", Stream: "s", First: "^#"}

func TestEventsOfSeveralLines(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		s.Follow(multiline)
		e.write("loose", "#1", " a", " b", "#2")
		time.Sleep(time.Second)
		k.want(t, "what is complete", "loose\n #1\n a\n b\n")
		time.Sleep(5 * time.Second)
		k.want(t, "what waited for long enough", "loose\n #1\n a\n b\n #2\n")
		e.write(" late", "#3", " c")
		time.Sleep(time.Second)
		k.want(t, "what came late", "loose\n #1\n a\n b\n #2\n  late\n")
		e.end()
		if err := s.Drain(t.Context(), multiline); err != nil {
			t.Fatal(err)
		}
		k.want(t, "in the end", "loose\n #1\n a\n b\n #2\n  late\n #3\n c\n")
	})
}

func TestLongEventsAreSplit(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		line := strings.Repeat("x", 100<<10)
		e.write("#", line, line, line, "#")
		e.end()
		if err := s.Drain(t.Context(), multiline); err != nil {
			t.Fatal(err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, text := range k.got {
			if len(text) > engine.MaxLine {
				t.Errorf("an event of %d bytes", len(text))
			}
		}
		if got := strings.Join(k.got, ""); got != "#\n"+line+"\n"+line+"\n"+line+"\n#\n" {
			t.Errorf("%d events that aren't the lines", len(k.got))
		}
	})
}

// TestEventsOverCrashes kills the shipper at random moments: each line is stored
// once, in order, and events begin where they should but where one waited too
// long.
func TestEventsOverCrashes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			e, k := newEngine(), newSink()
			var want strings.Builder
			for i := range 20 {
				s, kill := run(t, e, k)
				s.Follow(multiline)
				for j := range r.IntN(8) {
					text := fmt.Sprint(" ", i, ".", j)
					if r.IntN(3) == 0 {
						text = "#" + text
					}
					e.write(text)
					want.WriteString(text + "\n")
					time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
				}
				time.Sleep(time.Duration(r.IntN(3)*r.IntN(3)) * time.Second)
				kill()
			}
			e.end()
			s, kill := run(t, e, k)
			if err := s.Drain(t.Context(), multiline); err != nil {
				t.Fatal(err)
			}
			kill()
			if got := strings.Join(k.got, ""); got != want.String() {
				t.Fatalf("seed %d: stored\n%s\nwant\n%s", seed, got, want.String())
			}
			for _, text := range k.got {
				if strings.Contains(text[1:], "#") {
					t.Errorf("seed %d: two events in one: %q", seed, text)
				}
			}
		})
	}
}

func TestFullBufferDropsAndSaysSo(t *testing.T) {
	j := Job{TaskID: "t1", Container: "web", Group: "g", Stream: "s", Buffer: 50}
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, kill := run(t, e, k)
		s.Follow(j)
		e.write("first")
		time.Sleep(time.Second)
		k.set(func() { k.fail = logstore.ErrFull })
		for i := range 3000 { // more than fits between the engine and the sink, too
			e.write(fmt.Sprintf("%04d", i))
		}
		time.Sleep(time.Minute)
		k.set(func() { k.fail = nil })
		time.Sleep(time.Minute)
		e.write("after")
		time.Sleep(time.Second)
		kill()
		s, _ = run(t, e, k) // it goes on behind what was dropped
		e.write("last")
		e.end()
		if err := s.Drain(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		n := len(k.got)
		if n < 10 || n > 2500 || k.got[0] != "first" || k.got[1] != "0000" || k.got[n-2] != "after" || k.got[n-1] != "last" {
			t.Fatalf("stored %d lines: %.20q", n, k.got)
		}
		dropped := 0
		if _, err := fmt.Sscanf(k.got[n-3], "[%d lines were dropped here", &dropped); err != nil || dropped+n-4 != 3000 {
			t.Errorf("it says %q after %d lines", k.got[n-3], n-4)
		}
	})
}

// With an engine that holds output back, what is stored is released, and only
// that; nothing is dropped here.
func TestStoredOutputIsReleased(t *testing.T) {
	j := Job{TaskID: "t1", Container: "web", Group: "g", Stream: "s", Buffer: 50}
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		e.holds = true
		s, kill := run(t, e, k)
		s.Follow(j)
		released := func(when string, lines int) {
			t.Helper()
			time.Sleep(time.Minute)
			e.mu.Lock()
			defer e.mu.Unlock()
			if want := e.lines[lines-1].Time; !e.kept.Equal(want) {
				t.Errorf("%s: released up to %v, want %v", when, e.kept, want)
			}
		}
		e.write("a", "b")
		released("two lines stored", 2)
		k.set(func() { k.fail = logstore.ErrFull })
		for i := range 3000 {
			e.write(fmt.Sprintf("%04d", i))
		}
		released("3000 lines not stored", 2)
		kill()
		e.set(func() { e.kept = time.Time{} })
		k.set(func() { k.fail = nil })
		s, _ = run(t, e, k)
		s.Follow(j)
		released("all stored by the next process", 3002)
		e.end()
		if err := s.Drain(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if n := len(k.got); n != 3002 || k.got[3001] != "2999" {
			t.Errorf("stored %d lines, want 3002", n)
		}
	})
}

func TestFollowAgain(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		s.Follow(job)
		e.write("a")
		e.end()
		time.Sleep(time.Second)
		e.set(func() { e.ended = false }) // it was started again
		e.write("b")
		s.Follow(job)
		time.Sleep(time.Second)
		k.want(t, "the second run", "a b")
		e.write("c")
		e.end()
		if err := s.Drain(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		k.want(t, "in the end", "a b c")
	})
}

// TestAllBuffersTogetherAreBounded: when they are full, lines wait in the engine
// and none is dropped that its own buffer has room for.
func TestAllBuffersTogetherAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, e *fakeEngine, k *fakeSink) {
		s, _ := run(t, e, k)
		j := job
		j.Buffer = maxBuffered * 2
		k.set(func() { k.fail = logstore.ErrFull })
		line := strings.Repeat("x", 1<<20)
		const lines = maxBuffered>>20 + 100 // some of them wait on their way out of the buffer
		for range lines {
			e.write(line)
		}
		s.Follow(j)
		time.Sleep(time.Minute)
		if s.buffered.TryAcquire(1 << 20) {
			t.Error("there is room left in the buffers, and more to read")
		}
		k.set(func() { k.fail = nil })
		e.end()
		if err := s.Drain(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		k.mu.Lock()
		got := 0
		for _, text := range k.got {
			got += len(text)
		}
		k.mu.Unlock()
		if want := lines << 20; got != want {
			t.Errorf("%d bytes are stored, want %d", got, want)
		}
		if !s.buffered.TryAcquire(maxBuffered) {
			t.Error("the room wasn't given back")
		}
	})
}
