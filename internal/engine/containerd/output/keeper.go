package output

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Command is the program's first argument that makes it a keeper; the second is
// the store's directory.
const Command = "output-keeper"

// A keeper first takes the lock of the one that stands by, then waits for the
// lock of the one that works. The files of the locks have the owner's process id.
const (
	workLock    = ".keeper.lock"
	standbyLock = ".standby.lock"
	keeperLog   = ".keeper.log"
)

// Main is the keeper: args are those after Command. It ends when the store's
// directory is gone, when another keeper stands by already, or when it is killed.
// It is started by Keep, and takes little memory: nothing else of the program is
// set up in it. There are two for an instance, however many containers it has.
// Each has about 11 MB of its own; the other 40 that it shows resident are the
// program's file, which the kernel has once for all processes of it.
func Main(args []string) int {
	if len(args) != 1 {
		fmt.Fprintf(os.Stderr, "%s wants a directory\n", Command)
		return 2
	}
	debug.SetGCPercent(25)
	debug.FreeOSMemory() // what the rest of the program made as it was loaded
	k := &keeper{root: args[0], log: slog.New(slog.NewTextHandler(os.Stderr, nil)), held: map[string]*holding{}}
	if err := k.run(); err != nil {
		k.log.Error("output keeper ends", "err", err)
		return 1
	}
	return 0
}

// keeper holds the FIFOs of all containers, and moves their output once it has
// the lock.
type keeper struct {
	root string
	log  *slog.Logger
	held map[string]*holding
	work *os.File // the lock of who works; nil: another keeper does. Closed, it would be lost.
}

// holding is a container's directory with its FIFOs open.
type holding struct {
	info    os.FileInfo // of stdout's FIFO: another one is another container
	fifo    [2]*os.File
	capture *capture
	streams sync.WaitGroup
	failed  string
}

func (h *holding) close() {
	if h.capture == nil {
		closeAll(h.fifo)
		return
	}
	closeAll(h.fifo)
	h.streams.Wait()
	h.capture.close()
}

func (k *keeper) run() error {
	standby, err := lock(filepath.Join(k.root, standbyLock), false)
	if err != nil {
		return ignore(err, unix.EWOULDBLOCK)
	}
	type result struct {
		file *os.File
		err  error
	}
	locked := make(chan result, 1)
	go func() {
		f, err := lock(filepath.Join(k.root, workLock), true)
		standby.Close()
		locked <- result{f, err}
	}()
	changes, err := watch(k.root)
	if err != nil {
		return err
	}
	rescan := time.NewTicker(time.Second)
	for {
		if err := k.scan(); err != nil {
			return ignore(err, os.ErrNotExist)
		}
		select {
		case r := <-locked:
			if r.err != nil {
				return r.err
			}
			k.work = r.file
		case <-changes:
		case <-rescan.C:
		}
	}
}

func ignore(err, which error) error {
	if errors.Is(err, which) {
		return nil
	}
	return err
}

// lock takes the lock of a file, which it makes, and writes the process id there.
// The lock goes with the process, or when the file is closed.
func lock(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	_, _ = f.WriteAt(fmt.Appendf(nil, "%-20d\n", os.Getpid()), 0) // Stop looks there; a full disk keeps the old one
	return f, nil
}

// watch says when directories come to or go from root, and when root goes.
func watch(root string) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", root, err)
	}
	const what = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE_SELF | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, root, what); err != nil {
		return nil, fmt.Errorf("watch %s: %w", root, err)
	}
	changes := make(chan struct{}, 1)
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := unix.Read(fd, buf); err != nil && !errors.Is(err, unix.EINTR) {
				return // the scan by time goes on
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	return changes, nil
}

// scan opens the FIFOs of new directories, and closes those of directories that
// are gone.
func (k *keeper) scan() error {
	if _, err := os.Stat(k.root); err != nil {
		return err
	}
	entries, err := os.ReadDir(k.root)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, e := range entries {
		if name := e.Name(); e.IsDir() && !strings.HasPrefix(name, ".") {
			there[name] = true
			k.hold(name)
		}
	}
	for name, h := range k.held {
		if !there[name] {
			h.close()
			delete(k.held, name)
		}
	}
	return nil
}

// hold holds a container's FIFOs, and moves its output if it is our turn.
func (k *keeper) hold(name string) {
	dir := filepath.Join(k.root, name)
	info, err := os.Stat(filepath.Join(dir, fifoNames[0]))
	if err != nil {
		return // it goes just now
	}
	h := k.held[name]
	if h != nil && !os.SameFile(h.info, info) {
		h.close()
		h = nil
	}
	if h == nil {
		fifo, err := openFIFOs(dir)
		if err != nil {
			delete(k.held, name)
			return
		}
		h = &holding{info: info, fifo: fifo}
		k.held[name] = h
	}
	if k.work == nil || h.capture != nil {
		return
	}
	c, err := newCapture(dir, h.fifo, k.log)
	if err != nil {
		if h.failed != err.Error() {
			h.failed = err.Error()
			k.log.Error("output can't be taken up, and waits", "err", err)
		}
		return
	}
	h.capture = c
	for stream := range fifoNames {
		h.streams.Go(func() { c.run(stream) })
	}
}
