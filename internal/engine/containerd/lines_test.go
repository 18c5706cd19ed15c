package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
)

// lines is an Output in memory.
type lines struct {
	dir string

	mu   sync.Mutex
	wake *sync.Cond
	kept map[string]*kept
}

type kept struct {
	lines    []engine.Line
	terminal bool
	idle     [2]int // by stream: how often nothing was there and nobody wrote
	files    [2]*os.File
	partial  [2][]byte
}

func newLines(tb testing.TB) *lines {
	tb.Helper()
	l := &lines{dir: tb.TempDir(), kept: map[string]*kept{}}
	l.wake = sync.NewCond(&l.mu)
	return l
}

var streams = [2]string{"stdout", "stderr"}

func (l *lines) Prepare(id string, terminal bool) (stdout, stderr string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dir := filepath.Join(l.dir, id)
	if l.kept[id] == nil {
		k := &kept{terminal: terminal}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", "", err
		}
		for i, name := range streams {
			path := filepath.Join(dir, name)
			if err := unix.Mkfifo(path, 0o600); err != nil {
				return "", "", err
			}
			if k.files[i], err = os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
				return "", "", err
			}
			go l.copy(k, i)
		}
		l.kept[id] = k
	}
	return filepath.Join(dir, streams[0]), filepath.Join(dir, streams[1]), nil
}

// copy keeps a stream's lines until its FIFO is closed.
func (l *lines) copy(k *kept, stream int) {
	buf := make([]byte, 64<<10)
	for {
		n, err := k.files[stream].Read(buf)
		if n == 0 && err == nil || errors.Is(err, os.ErrClosed) {
			return
		}
		l.mu.Lock()
		rest := append(k.partial[stream], buf[:n]...)
		for {
			text, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole && (n > 0 || len(rest) == 0) {
				break
			}
			l.add(k, stream, string(text))
			rest = after
		}
		k.partial[stream] = bytes.Clone(rest)
		if n == 0 {
			k.idle[stream]++
		}
		l.wake.Broadcast()
		l.mu.Unlock()
		if n == 0 {
			time.Sleep(2 * time.Millisecond) // nobody has it open
		}
	}
}

func (l *lines) add(k *kept, stream int, text string) {
	at := time.Now().UTC().Round(0)
	if n := len(k.lines); n > 0 && !at.After(k.lines[n-1].Time) {
		at = k.lines[n-1].Time.Add(1)
	}
	if k.terminal {
		text = strings.TrimSuffix(text, "\r")
	}
	k.lines = append(k.lines, engine.Line{Time: at, Stderr: stream == 1, Text: text})
}

func (l *lines) of(id string) (*kept, error) {
	if k := l.kept[id]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("output of %s: %w", id, engine.ErrNotFound)
}

func (l *lines) Read(ctx context.Context, id string, since time.Time, emit func(engine.Line) error) error {
	l.mu.Lock()
	k, err := l.of(id)
	if err != nil {
		l.mu.Unlock()
		return err
	}
	all := k.lines
	l.mu.Unlock()
	for _, line := range all {
		if !line.Time.After(since) {
			continue
		}
		if err := errors.Join(ctx.Err(), emit(line)); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) Follow(ctx context.Context, id string, since time.Time, ended func() bool, emit func(engine.Line) error) error {
	keep := func(line engine.Line) error {
		since = line.Time
		return emit(line)
	}
	for {
		complete := ended()
		if complete {
			if err := l.Settle(ctx, id); err != nil {
				return err
			}
		}
		if err := l.Read(ctx, id, since, keep); err != nil || complete {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (l *lines) Settle(_ context.Context, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, err := l.of(id)
	if err != nil {
		return err
	}
	for before := k.idle; k.idle[0] < before[0]+2 || k.idle[1] < before[1]+2; {
		l.wake.Wait()
	}
	return nil
}

func (l *lines) Tail(_ context.Context, id string, n int) ([]engine.Line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, err := l.of(id)
	if err != nil {
		return nil, err
	}
	return k.lines[max(0, len(k.lines)-n):], nil
}

func (l *lines) Remove(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.kept[id]; k != nil {
		delete(l.kept, id)
		return errors.Join(k.files[0].Close(), k.files[1].Close(), os.RemoveAll(filepath.Join(l.dir, id)))
	}
	return nil
}
