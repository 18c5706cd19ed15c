package disk

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLevelAt(t *testing.T) {
	t.Parallel()
	const small, large = 512 * mib, 1 << 40 // steps of 16 and of 128 MiB
	for _, tt := range []struct {
		free, total int64
		was, want   Level
	}{
		{small, small, Roomy, Roomy},
		{96 * mib, small, Roomy, Roomy},
		{96*mib - 1, small, Roomy, Low},
		{80*mib - 1, small, Roomy, NoLogs},
		{64*mib - 1, small, Roomy, NoPushes},
		{48 * mib, small, Roomy, NoPushes},
		{48*mib - 1, small, Roomy, NoGreed},
		{32 * mib, small, Roomy, NoGreed},
		{32*mib - 1, small, Roomy, Full},
		{0, small, Roomy, Full},
		{-16 * mib, small, Low, Full}, // a reserve that was given up
		// On the way back each level lasts half a step longer.
		{32 * mib, small, Full, Full},
		{40 * mib, small, Full, NoGreed},
		{56 * mib, small, NoGreed, NoPushes},
		{56 * mib, small, NoPushes, NoPushes},
		{103 * mib, small, Low, Low},
		{104 * mib, small, Low, Roomy},
		{544 * mib, large, Roomy, Roomy},
		{544*mib - 1, large, Roomy, Low},
		{160*mib - 1, large, Roomy, NoGreed},
		{600 * mib, large, Full, Low},
	} {
		if got := LevelAt(tt.free, tt.total, tt.was); got != tt.want {
			t.Errorf("%d MiB of %d, after %d: level %d, want %d", tt.free/mib, tt.total/mib, tt.was, got, tt.want)
		}
	}
}

// TestLevelsAreOrdered: whatever the disk, more is stopped the less is left.
func TestLevelsAreOrdered(t *testing.T) {
	t.Parallel()
	for _, total := range []int64{0, mib, 512 * mib, 5 << 30, 1 << 44} {
		for was := Roomy; was <= Full; was++ {
			last := Full
			for free := int64(0); free <= 800*mib; free += 4 * mib {
				l := LevelAt(free, total, was)
				if l > last {
					t.Fatalf("a disk of %d, after %d: level %d with %d MiB, and %d with less", total, was, l, free/mib, last)
				}
				last = l
			}
			if last != Roomy {
				t.Errorf("a disk of %d is at level %d with 800 MiB left", total, last)
			}
		}
	}
}

func TestWatchTells(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := &Watch{c: Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}}
		const total = 512 * mib
		if w.saw(200*mib, total); len(w.Problems()) != 0 || log.Len() != 0 {
			t.Errorf("of a disk with room: %q, %s", w.Problems(), &log)
		}
		w.saw(70*mib, total)
		w.saw(69*mib, total)
		if n := strings.Count(log.String(), "\n"); n != 1 || w.seen() != NoLogs {
			t.Errorf("level %d, told of it in %d lines", w.seen(), n)
		}
		w.saw(-mib, total)
		w.Note("task x was stopped")
		want := []string{
			"the disk of " + dir + " is full: free some space: 0 MB are left; only what stops or deletes something is written",
			"task x was stopped",
		}
		if diff := cmp.Diff(want, w.Problems()); diff != "" || w.Free() != 0 {
			t.Errorf("problems (-want +got):\n%s%d bytes are free", diff, w.Free())
		}
		w.saw(300*mib, total)
		if diff := cmp.Diff(want[1:], w.Problems()); diff != "" || !strings.Contains(log.String(), "the disk has room again") {
			t.Errorf("with room (-want +got):\n%s%s", diff, &log)
		}
		time.Sleep(noteKept) // simulated
		if p := w.Problems(); len(p) != 0 {
			t.Errorf("long after: %q", p)
		}
		for range 2 * notesKept {
			w.Note("again")
		}
		if n := len(w.Problems()); n != notesKept {
			t.Errorf("%d notes are kept", n)
		}
	})
}

func TestNewLooks(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	w, err := New(Config{Dir: t.TempDir(), Lent: func() int64 { return 1 << 60 }, Log: log})
	if err != nil || w.Level() != Full {
		t.Errorf("a disk whose free bytes are all lent is at level %d, %v", w.Level(), err)
	}
	if _, err := New(Config{Dir: t.TempDir() + "/none", Log: log}); err == nil {
		t.Error("looked at a directory that isn't there")
	}
}
