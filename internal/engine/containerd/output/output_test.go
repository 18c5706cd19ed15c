package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// kept returns a store whose keepers run until the test ends.
func kept(t testing.TB) *Store {
	t.Helper()
	return keptAt(t, t.TempDir())
}

func keptAt(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Keep(ctx, []string{os.Args[0], Command}, slog.New(slog.DiscardHandler)) // ctx's
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(s.root, keeperLog))
			t.Logf("keeper: %s", log)
		}
	})
	return s
}

// shim is what the shim has of a container: its FIFOs open at both ends.
type shim struct {
	out, err         *os.File
	readOut, readErr *os.File
	closed           atomic.Bool
}

func open(t testing.TB, s *Store, id string, o Options) *shim {
	t.Helper()
	stdout, stderr, err := s.Prepare(id, o)
	if err != nil {
		t.Fatal(err)
	}
	sh := &shim{}
	for _, f := range []struct {
		to   **os.File
		path string
		flag int
	}{{&sh.readOut, stdout, os.O_RDONLY | unix.O_NONBLOCK}, {&sh.readErr, stderr, os.O_RDONLY | unix.O_NONBLOCK}, {&sh.out, stdout, os.O_WRONLY}, {&sh.err, stderr, os.O_WRONLY}} {
		if *f.to, err = os.OpenFile(f.path, f.flag, 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(sh.close)
	return sh
}

func (s *shim) close() {
	for _, f := range []*os.File{s.out, s.err, s.readOut, s.readErr} {
		f.Close()
	}
	s.closed.Store(true)
}

func settle(t testing.TB, s *Store, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Settle(ctx, id); err != nil {
		t.Fatal(err)
	}
}

func readAll(t testing.TB, s *Store, id string, since time.Time) []engine.Line {
	t.Helper()
	var lines []engine.Line
	if err := s.Read(t.Context(), id, since, func(l engine.Line) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}

func checkTimes(t testing.TB, lines []engine.Line) {
	t.Helper()
	for i := 1; i < len(lines); i++ {
		if !lines[i].Time.After(lines[i-1].Time) {
			t.Fatalf("line %d at %v is not after %v", i, lines[i].Time, lines[i-1].Time)
		}
	}
}

// checkCount wants the lines of one stream to count from 0 to n-1.
func checkCount(t testing.TB, lines []engine.Line, stderr bool, n int) {
	t.Helper()
	i := 0
	for _, l := range lines {
		if l.Stderr != stderr {
			continue
		}
		if want := fmt.Sprintf("line %d", i); l.Text != want {
			t.Fatalf("stream %v: line %d is %.80q, want %q", stderr, i, l.Text, want)
		}
		i++
	}
	if i != n {
		t.Fatalf("stream %v: %d lines, want %d", stderr, i, n)
	}
}

func write(t testing.TB, to io.Writer, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		if _, err := fmt.Fprintf(to, "line %d\n", i); err != nil {
			t.Error(err)
			return
		}
	}
}

func TestEveryCursorResumes(t *testing.T) {
	s := kept(t)
	sh := open(t, s, "c", Options{Segment: 2000})
	const n = 400
	for i := range n {
		write(t, sh.out, i, 1)
		write(t, sh.err, i, 1)
		if i%50 == 0 {
			fmt.Fprint(sh.err, "") // nothing
			time.Sleep(time.Millisecond)
		}
	}
	fmt.Fprint(sh.out, "no end")
	sh.close()
	settle(t, s, "c")
	whole := readAll(t, s, "c", time.Time{})
	checkTimes(t, whole)
	noEnd := func(l engine.Line) bool { return l == engine.Line{Time: l.Time, Text: "no end"} }
	counted := slices.DeleteFunc(slices.Clone(whole), noEnd)
	if len(whole) != 2*n+1 || len(counted) != 2*n {
		t.Fatalf("%d lines, %d of which count", len(whole), len(counted))
	}
	checkCount(t, counted, false, n)
	checkCount(t, counted, true, n)
	numbers, err := segments(s.dir("c"))
	if err != nil || len(numbers) < 3 {
		t.Errorf("segments %v, %v: want several", numbers, err)
	}
	for i := range whole {
		if rest := readAll(t, s, "c", whole[i].Time); !slices.Equal(rest, whole[i+1:]) {
			t.Fatalf("after line %d come %d lines, want %d", i, len(rest), len(whole)-i-1)
		}
	}
	for _, k := range []int{1, 5, 300, 2 * n, 3 * n} {
		tail, err := s.Tail(t.Context(), "c", k)
		if err != nil || !slices.Equal(tail, whole[max(0, len(whole)-k):]) {
			t.Errorf("the last %d lines are %d, %v", k, len(tail), err)
		}
	}
}

func TestLongLinesAreCutAsFargateCutsThem(t *testing.T) {
	s := kept(t)
	sh := open(t, s, "c", Options{Segment: 300 << 10})
	long := strings.Repeat("é", 1<<20) + "."
	go func() {
		fmt.Fprintf(sh.out, "%s\n", long)
		fmt.Fprintf(sh.err, "%s\n", strings.Repeat("x", engine.MaxLine))
		sh.close()
	}()
	var out, errs []string
	err := s.Follow(t.Context(), "c", time.Time{}, sh.closed.Load, func(l engine.Line) error {
		if l.Stderr {
			errs = append(errs, l.Text)
		} else {
			out = append(out, l.Text)
		}
		return nil
	})
	if err != nil || strings.Join(out, "") != long || len(out) != 9 || len(out[0]) != engine.MaxLine {
		t.Errorf("%d parts, the first of %d bytes, %v", len(out), len(out[0]), err)
	}
	if len(errs) != 1 || len(errs[0]) != engine.MaxLine {
		t.Errorf("a line that just fits is %d", len(errs))
	}
}

// TestKilledKeeperLosesNothing kills both keepers again and again.
func TestKilledKeeperLosesNothing(t *testing.T) {
	s := kept(t)
	sh := open(t, s, "c", Options{Segment: 1 << 20, Unread: 1 << 40})
	const n = 300_000
	written := make(chan struct{})
	go func() {
		defer close(written)
		done := make(chan struct{})
		go func() { defer close(done); write(t, sh.err, 0, n) }()
		write(t, sh.out, 0, n)
		<-done
	}()
	kills := 0
	for alive := true; alive; {
		select {
		case <-written:
			alive = false
		case <-time.After(time.Duration(rand.IntN(30)) * time.Millisecond):
			for i, name := range []string{workLock, standbyLock} {
				if i == 1 && kills%5 != 0 {
					continue // mostly one alone
				}
				if pid := s.owner(name); pid > 0 && unix.Kill(pid, unix.SIGKILL) == nil {
					kills++
				}
			}
		}
	}
	sh.close()
	settle(t, s, "c")
	lines := readAll(t, s, "c", time.Time{})
	checkTimes(t, lines)
	checkCount(t, lines, false, n)
	checkCount(t, lines, true, n)
	if t.Logf("%d kills", kills); kills < 5 {
		t.Errorf("only %d kills", kills)
	}
}

func TestBlockWaitsUntilReleased(t *testing.T) {
	s := kept(t)
	sh := open(t, s, "c", Options{Mode: Block, Unread: 1, Segment: 64 << 10})
	const n = 200_000
	written := make(chan struct{})
	go func() { write(t, sh.out, 0, n); close(written) }()
	select {
	case <-written:
		t.Fatal("the writer did not wait")
	case <-time.After(500 * time.Millisecond):
	}
	go func() { <-written; sh.close() }()
	ended := func() bool {
		select {
		case <-written:
			return true
		default:
			return false
		}
	}
	var lines []engine.Line
	err := s.Follow(t.Context(), "c", time.Time{}, ended, func(l engine.Line) error {
		if lines = append(lines, l); len(lines)%5000 == 0 {
			return s.Release("c", l.Time)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checkCount(t, lines, false, n)
	if numbers, err := segments(s.dir("c")); err != nil || numbers[0] == 1 {
		t.Errorf("segments %v, %v: want those that are released deleted", numbers, err)
	}
}

func TestDropCountsWhatItLoses(t *testing.T) {
	s := kept(t)
	sh := open(t, s, "c", Options{Mode: Drop, Unread: 1})
	const n = 200_000
	write(t, sh.out, 0, n)
	settleEmpty(t, sh)
	lines := readAll(t, s, "c", time.Time{})
	if err := s.Release("c", lines[len(lines)-1].Time); err != nil {
		t.Fatal(err)
	}
	write(t, sh.out, n, 10)
	sh.close()
	settle(t, s, "c")
	told := int64(0)
	lines = slices.DeleteFunc(readAll(t, s, "c", time.Time{}), func(l engine.Line) bool {
		lost := int64(0)
		_, err := fmt.Sscanf(l.Text, "[%d lines were dropped here", &lost)
		told += lost
		return err == nil
	})
	st, err := s.State("c")
	if err == nil && told != st.DroppedLines {
		t.Errorf("lines say that %d were dropped, and the state %+v", told, st)
	}
	if err != nil || st.DroppedLines == 0 || int64(len(lines))+st.DroppedLines < n+10 || int64(len(lines))+st.DroppedLines > n+12 {
		t.Errorf("%d lines and %+v, %v; want %d in all", len(lines), st, err, n+10)
	}
	if last := lines[len(lines)-1].Text; last != fmt.Sprintf("line %d", n+9) {
		t.Errorf("the last line is %q", last)
	}
}

// settleEmpty waits until a FIFO that is open has nothing in it.
func settleEmpty(t *testing.T, sh *shim) {
	t.Helper()
	for range 1000 {
		n := 0
		if err := control(sh.readOut, func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCINQ); return err }); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			time.Sleep(20 * time.Millisecond)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the FIFO isn't read")
}

func TestRollKeepsTheLast(t *testing.T) {
	s := kept(t)
	sh := open(t, s, "c", Options{Mode: Roll, Unread: 1})
	const n = 200_000
	write(t, sh.out, 0, n)
	sh.close()
	settle(t, s, "c")
	lines := readAll(t, s, "c", time.Time{})
	if len(lines) == 0 || len(lines) == n || lines[len(lines)-1].Text != fmt.Sprintf("line %d", n-1) {
		t.Errorf("%d lines are left", len(lines))
	}
}

func TestRestartGoesOn(t *testing.T) {
	s := kept(t)
	sh := open(t, s, "c", Options{Terminal: true})
	fmt.Fprint(sh.out, "first\r\nno end")
	sh.close()
	settle(t, s, "c")
	sh = open(t, s, "c", Options{})
	fmt.Fprint(sh.out, "second\r\n")
	sh.close()
	settle(t, s, "c")
	var texts []string
	for _, l := range readAll(t, s, "c", time.Time{}) {
		texts = append(texts, l.Text)
	}
	if want := []string{"first", "no end", "second"}; !slices.Equal(texts, want) {
		t.Errorf("lines %q, want %q", texts, want)
	}
	if err := s.Remove("c"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("c"); err != nil {
		t.Error(err)
	}
	if _, err := s.Tail(t.Context(), "c", 1); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("tail of what is removed: %v", err)
	}
}

// TestFullDiskWaits fills a small file system, and makes room.
func TestFullDiskWaits(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounts a tmpfs")
	}
	dir := t.TempDir()
	if err := unix.Mount("output-test", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := keptAt(t, filepath.Join(dir, "store"))
	sh := open(t, s, "c", Options{Segment: 128 << 10})
	const n = 400_000
	written := make(chan struct{})
	go func() { write(t, sh.out, 0, n); sh.close(); close(written) }()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) { // nobody reads yet, so it gets full
		if st, err := s.State("c"); err == nil && !st.DiskFull.IsZero() {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatal("nobody was told that the disk was full")
		}
	}
	var lines []engine.Line
	for ended := false; !ended; time.Sleep(50 * time.Millisecond) {
		select {
		case <-written:
			var err error
			if ended, err = settled(s.dir("c")); err != nil {
				t.Fatal(err)
			}
		case <-time.After(300 * time.Millisecond):
		}
		var since time.Time
		if len(lines) > 0 {
			since = lines[len(lines)-1].Time
		}
		lines = append(lines, readAll(t, s, "c", since)...)
		if err := s.Release("c", lines[len(lines)-1].Time); err != nil {
			t.Fatal(err)
		}
	}
	checkCount(t, lines, false, n)
}

func TestSplitterIsTheSameForAnyChunks(t *testing.T) {
	text := []byte(strings.Repeat("a", 2*engine.MaxLine+5) + "\n\nb\n" + strings.Repeat("ü", engine.MaxLine/2+10) + "\nend")
	lines := func(size func() int) (got []string) {
		var s splitter
		emit := func(p piece) error {
			got = append(got, fmt.Sprint(p.at, len(p.text), string(p.text[:min(3, len(p.text))])))
			return nil
		}
		for at := 0; at < len(text); {
			n := min(size(), len(text)-at)
			if err := s.feed(int64(at), bytes.Clone(text[at:at+n]), emit); err != nil {
				t.Fatal(err)
			}
			at += n
		}
		if err := s.flush(int64(len(text)), emit); err != nil {
			t.Fatal(err)
		}
		return got
	}
	whole := lines(func() int { return len(text) })
	for range 50 {
		if got := lines(func() int { return 1 + rand.IntN(300_000) }); !slices.Equal(got, whole) {
			t.Fatalf("lines %v, want %v", got, whole)
		}
	}
}

// BenchmarkOutput is a writer at full speed, through the keeper and read to the end.
func BenchmarkOutput(b *testing.B) {
	s := kept(b)
	sh := open(b, s, "c", Options{Unread: 1 << 40})
	block := bytes.Repeat([]byte(strings.Repeat("x", 99)+"\n"), 320)
	b.SetBytes(int64(len(block)))
	b.ResetTimer()
	go func() {
		for range b.N {
			if _, err := sh.out.Write(block); err != nil {
				b.Error(err)
			}
		}
		sh.close()
	}()
	lines := 0
	ended := sh.closed.Load
	if err := s.Follow(b.Context(), "c", time.Time{}, ended, func(engine.Line) error { lines++; return nil }); err != nil {
		b.Fatal(err)
	}
	if lines != 320*b.N {
		b.Fatalf("%d lines, want %d", lines, 320*b.N)
	}
}

// owner returns the process that has a lock; 0: it isn't a keeper of this store.
func (s *Store) owner(name string) int {
	text, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || pid <= 1 {
		return 0
	}
	if !s.isKeeper(pid) {
		return 0
	}
	return pid
}
