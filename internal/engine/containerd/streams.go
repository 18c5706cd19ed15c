package containerd

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// streams are the standard streams of a command in a container: FIFOs in a
// directory of its own.
type streams struct {
	dir   string
	paths [3]string // "": there is none
	files [3]*os.File
	wg    sync.WaitGroup
	mu    sync.Mutex
	err   error // of who was to be written to
}

const (
	// fifoSize is how much a FIFO of a command holds, if it may.
	fifoSize = 1 << 20
	// restSize is more than the shim may still have of a command's output when
	// the command has ended: a pipe and a buffer.
	restSize = 128 << 10
)

// openStreams makes a command's FIFOs and opens our ends of them.
func (e *Engine) openStreams(id string, x execution) (*streams, error) {
	s := &streams{dir: filepath.Join(e.execsDir(), id, x.id)}
	// New ones each time: what a kill left may have a writer yet.
	err := errors.Join(os.RemoveAll(s.dir), os.MkdirAll(s.dir, 0o700))
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		if err != nil || i == 0 && x.Stdin == nil || i == 2 && x.joined {
			continue
		}
		s.paths[i] = filepath.Join(s.dir, name)
		if err = unix.Mkfifo(s.paths[i], 0o600); err != nil {
			continue
		}
		how := os.O_RDONLY
		if i == 0 {
			how = os.O_RDWR // to write it waits for nobody
		}
		if s.files[i], err = os.OpenFile(s.paths[i], how|unix.O_NONBLOCK, 0); err == nil && i > 0 {
			_, _ = onFile(s.files[i], func(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, fifoSize) }) // less does, slower
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	if x.joined && !x.Terminal {
		s.paths[2] = s.paths[1]
	}
	return s, nil
}

// begin hands on the command's output, and hands its input to it. The shim has
// all FIFOs open, stdin also for writing: closeInput makes it close that.
func (s *streams) begin(x execution, closeInput func()) {
	if s.files[0] != nil {
		go func() { // it may wait in a read of somebody's for ever
			_, _ = io.Copy(s.files[0], x.Stdin) // the command ended, or whoever writes did
			s.files[0].Close()
			closeInput()
		}()
	}
	for i, to := range map[int]io.Writer{1: x.Stdout, 2: x.Stderr} {
		if s.files[i] == nil {
			continue
		}
		if to == nil {
			to = io.Discard
		}
		s.wg.Go(func() {
			_, err := io.Copy(to, s.files[i])
			if err == nil || errors.Is(err, os.ErrClosed) {
				return
			}
			s.mu.Lock()
			s.err = errors.Join(s.err, err)
			s.mu.Unlock()
			_, _ = io.Copy(io.Discard, s.files[i]) // the command must not wait for who is gone
		})
	}
}

// makeRoom waits until the FIFOs have room for what the shim still has: the shim
// throws away what it can't hand on soon after a command's end.
func (s *streams) makeRoom(ctx context.Context) {
	for _, f := range s.files[1:] {
		for f != nil {
			size, err := onFile(f, func(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0) })
			if err != nil {
				break
			}
			n, err := onFile(f, func(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCINQ) })
			if err != nil || n == 0 || size-n >= restSize {
				break
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

// wait waits until all output is handed on, and returns why it couldn't be.
func (s *streams) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close closes the FIFOs and removes them.
func (s *streams) close() {
	for _, f := range s.files {
		if f != nil {
			f.Close()
		}
	}
	s.wg.Wait()
	_ = os.RemoveAll(s.dir) // the next start removes it
}

// onFile does something with a file's descriptor, which os.File.Fd would have
// reads of it wait in the kernel, where Close doesn't end them.
func onFile(f *os.File, do func(fd int) (int, error)) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	if outer := raw.Control(func(fd uintptr) { n, err = do(int(fd)) }); outer != nil {
		return 0, outer
	}
	return n, err
}
