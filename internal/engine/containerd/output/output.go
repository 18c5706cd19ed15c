// Package output keeps what containers write, line by line and each line once.
//
// A container's standard output and error are two FIFOs in a directory of its
// own, which containerd's shim opens at both ends and copies to. One process for
// the whole instance, the keeper (see Main), moves the bytes from the FIFOs to
// segment files and notes when they came. Store is the other side: it makes and
// removes the directories, reads lines by cursor and releases what was shipped.
//
// No kill loses or doubles a line. The keeper moves bytes with splice(2), which
// writes them to the file and takes them from the FIFO in one system call, so a
// kill can't come between. While no keeper runs, the shim holds the FIFO and the
// container waits. A second keeper stands by with every FIFO open, and goes on
// the moment the first is gone. What is left is a machine that loses its power
// (files aren't flushed), and a shim that is killed while it holds up to 32 KiB.
//
// A logging program as containerd's binary:// starts it can't promise that: the
// shim closes its own read end of the pipe, so the container gets SIGPIPE when
// the program is killed, and it costs a process for each container.
//
// It is one package of more than 1,500 lines because who writes the segments and
// who reads them while they are written depend on each other's every step.
package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
)

// Mode says what happens when nobody reads a container's output fast enough.
type Mode string

// The modes.
const (
	// Block makes the container wait, as mode=blocking of the awslogs driver.
	Block Mode = "block"
	// Drop loses new lines and counts them, as mode=non-blocking.
	Drop Mode = "drop"
	// Roll loses the oldest lines, as a log file that is rotated. It is for output
	// that nobody ships.
	Roll Mode = "roll"
)

// Options say how a container's output is kept.
type Options struct {
	Mode Mode
	// Unread is how many bytes may wait to be released before the mode decides;
	// 0 is 64 MiB, and less than 512 KiB is taken as that: a line must fit.
	Unread int64
	// Segment is how many bytes a segment has, and Age how long it is written to,
	// before the next begins; 0 is 16 MiB and an hour.
	Segment int64
	Age     time.Duration
	// Terminal: lines end in a carriage return too, which isn't theirs.
	Terminal bool
}

const (
	minUnread      = 512 << 10
	defaultUnread  = 64 << 20
	defaultSegment = 16 << 20
	defaultAge     = time.Hour
)

func (o Options) withDefaults() Options {
	if o.Mode == "" {
		o.Mode = Block
	}
	if o.Unread == 0 {
		o.Unread = defaultUnread
	}
	o.Unread = max(o.Unread, minUnread)
	if o.Segment == 0 {
		o.Segment = defaultSegment
	}
	if o.Mode == Roll {
		o.Segment = min(o.Segment, o.Unread/4) // it rolls by whole segments
	}
	if o.Age == 0 {
		o.Age = defaultAge
	}
	return o
}

// State says what became of a container's output.
type State struct {
	DroppedLines, DroppedBytes int64
	// ToldLines and ToldBytes are those of them that a line in the output tells
	// of.
	ToldLines, ToldBytes int64
	// DiskFull is since when the disk has had no room for it; zero: it has.
	DiskFull time.Time
}

// Store is a directory of containers' output. Its methods may be called at once
// and by several processes.
type Store struct {
	root  string
	wakes wakes

	mu   sync.Mutex
	held map[string][2]*os.File // FIFOs that Prepare opened: no keeper needs to be there for a container to end
}

// New returns the store at root, which is made, mode 0700.
func New(root string) (*Store, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make output directory: %w", err)
	}
	return &Store{root: root, held: map[string][2]*os.File{}}, nil
}

const (
	optionsFile  = "options"
	stateFile    = "state"
	releasedFile = "released"
)

// fifoNames are the names of the FIFOs, by stream.
var fifoNames = [2]string{"stdout", "stderr"}

func (s *Store) dir(id string) string { return filepath.Join(s.root, id) }

// Prepare makes the place for a container's output and returns the paths of its
// FIFOs, for the task's IO configuration. If it exists, it stays as it is: a
// container that starts again goes on with its output. id is one path element.
// The store holds the FIFOs open until Remove, so that no output is lost where
// the container ends before a keeper has seen it.
func (s *Store) Prepare(id string, o Options) (stdout, stderr string, err error) {
	dir := s.dir(id)
	err = s.make(dir, o.withDefaults())
	if err == nil {
		err = s.hold(id)
	}
	if err != nil {
		return "", "", fmt.Errorf("prepare output of %s: %w", id, err)
	}
	return filepath.Join(dir, fifoNames[0]), filepath.Join(dir, fifoNames[1]), nil
}

// hold opens a container's FIFOs, unless they are open.
func (s *Store) hold(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.held[id]; ok {
		return nil
	}
	fifo, err := openFIFOs(s.dir(id))
	if err == nil {
		s.held[id] = fifo
	}
	return err
}

// letGo closes a container's FIFOs.
func (s *Store) letGo(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	closeAll(s.held[id])
	delete(s.held, id)
}

// make fills a temporary directory and then puts it in place at once.
func (s *Store) make(dir string, o Options) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	temp, err := os.MkdirTemp(s.root, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for _, name := range fifoNames {
		if err := unix.Mkfifo(filepath.Join(temp, name), 0o600); err != nil {
			return &os.PathError{Op: "mkfifo", Path: name, Err: err}
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		optionsFile:  text,
		stateFile:    State{}.encode(),
		releasedFile: make([]byte, 8),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(temp, name), content, 0o600); err != nil {
			return err
		}
	}
	err = os.Rename(temp, dir)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTEMPTY) {
		return nil // another call made it
	}
	return err
}

// Remove removes a container's output. One that isn't there is fine.
func (s *Store) Remove(id string) error {
	s.letGo(id)
	// The name goes first, so that a new container under it has a place.
	gone := filepath.Join(s.root, ".gone-"+id)
	if err := os.Rename(s.dir(id), gone); err != nil && !errors.Is(err, os.ErrNotExist) {
		if err := os.RemoveAll(gone); err != nil {
			return fmt.Errorf("remove output of %s: %w", id, err)
		}
		if err := os.Rename(s.dir(id), gone); err != nil {
			return fmt.Errorf("remove output of %s: %w", id, err)
		}
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("remove output of %s: %w", id, err)
	}
	return nil
}

// State returns what became of a container's output. Errors: engine.ErrNotFound.
func (s *Store) State(id string) (State, error) {
	var st State
	text, err := os.ReadFile(filepath.Join(s.dir(id), stateFile))
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	return st, told(id, err)
}

// stateSize is how many bytes a state file has, always: it is written over in
// place, for which a full disk has room.
const stateSize = 256

func (st State) encode() []byte {
	text, _ := json.Marshal(st) // numbers and a time can be encoded
	padded := make([]byte, stateSize)
	for i := copy(padded, text); i < stateSize; i++ {
		padded[i] = ' '
	}
	return padded
}

func readOptions(dir string) (Options, error) {
	var o Options
	text, err := os.ReadFile(filepath.Join(dir, optionsFile))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	return o.withDefaults(), err
}

// told says whose output an error is about.
func told(id string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("output of %s: %w", id, engine.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("output of %s: %w", id, err)
	}
	return nil
}
