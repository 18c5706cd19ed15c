package output

import (
	"encoding/binary"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// wakes tells followers that something happened in their container's directory:
// bytes were kept, a segment began, or the FIFOs were closed. There is one
// inotify(7) for all of them, while there are some.
type wakes struct {
	mu    sync.Mutex
	file  *os.File
	of    map[int32]map[chan struct{}]bool // by watch
	ended chan struct{}                    // closed when nobody reads the file any more
}

// happenings in a directory may mean more to read.
const happenings = unix.IN_MODIFY | unix.IN_MOVED_TO | unix.IN_CLOSE_WRITE | unix.IN_ONLYDIR

// follow returns a channel that gets something when something happened in dir,
// until stop is called. nil: the kernel has no watch left.
func (w *wakes) follow(dir string) (wake <-chan struct{}, stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	nobody := func() {}
	if w.file == nil && w.begin() != nil {
		return nil, nobody
	}
	watch := 0
	err := control(w.file, func(fd int) (err error) { watch, err = unix.InotifyAddWatch(fd, dir, happenings); return err })
	if err != nil {
		w.endIdle()
		return nil, nobody
	}
	wd, one := int32(watch), make(chan struct{}, 1)
	if w.of[wd] == nil {
		w.of[wd] = map[chan struct{}]bool{}
	}
	w.of[wd][one] = true
	return one, func() { w.leave(wd, one) }
}

// begin makes the inotify and reads it.
func (w *wakes) begin() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	w.file, w.of, w.ended = os.NewFile(uintptr(fd), "inotify"), map[int32]map[chan struct{}]bool{}, make(chan struct{})
	go w.read(w.file, w.ended)
	return nil
}

// leave ends a follower's watch.
func (w *wakes) leave(wd int32, one chan struct{}) {
	w.mu.Lock()
	delete(w.of[wd], one)
	if len(w.of[wd]) == 0 {
		delete(w.of, wd)
		_ = control(w.file, func(fd int) error { _, err := unix.InotifyRmWatch(fd, uint32(wd)); return err }) // its directory may be gone
	}
	ended := w.endIdle()
	w.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// endIdle closes the inotify when nobody follows, and returns what to wait for.
func (w *wakes) endIdle() (ended <-chan struct{}) {
	if len(w.of) > 0 {
		return nil
	}
	_ = w.file.Close()
	w.file = nil
	return w.ended
}

// read wakes followers until the file is closed.
func (w *wakes) read(file *os.File, ended chan struct{}) {
	defer close(ended)
	buf := make([]byte, 64<<10)
	for {
		n, err := file.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			wd := int32(binary.NativeEndian.Uint32(buf[at:]))
			mask := binary.NativeEndian.Uint32(buf[at+4:])
			at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[at+12:]))
			w.wake(wd, mask&unix.IN_Q_OVERFLOW != 0)
		}
		w.mu.Unlock()
	}
}

// wake wakes those who follow a directory, or all.
func (w *wakes) wake(wd int32, all bool) {
	tell := func(followers map[chan struct{}]bool) {
		for one := range followers {
			select {
			case one <- struct{}{}:
			default:
			}
		}
	}
	if !all {
		tell(w.of[wd])
		return
	}
	for _, followers := range w.of {
		tell(followers)
	}
}
