// Package record remembers of each task what containerd forgets: when a container
// began, how often it was started again, how it ended, what its health is.
//
// A task is a directory that its first step makes and its last step removes, so
// none is ever forgotten. A record is replaced as a whole. It isn't flushed to the
// disk: a machine that loses its power loses what the record is about as well,
// and a record that can't be read then says that the container ended.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// Container is what is remembered of a container.
type Container struct {
	Name        string
	Created     time.Time
	Terminal    bool                `json:",omitzero"`
	Interactive bool                `json:",omitzero"`
	Output      engine.Output       `json:",omitzero"`
	Check       *engine.HealthCheck `json:",omitempty"`
	Shell       []string            `json:",omitempty"` // that of the image, for a check of the form CMD-SHELL

	Started  time.Time `json:",omitzero"` // of its latest run
	Restarts int       `json:",omitzero"`
	Error    string    `json:",omitzero"`  // why it could not run
	Exit     *Exit     `json:",omitempty"` // of its latest run
	Health   Health    `json:",omitzero"`
}

// Exit is how a container ended.
type Exit struct {
	Code int
	At   time.Time
	OOM  bool `json:",omitzero"`
}

// Health is what the health check has said in this run.
type Health struct {
	Status   engine.Health `json:",omitzero"`
	Log      string        `json:",omitzero"`
	Failures int           `json:",omitzero"` // in a row
}

// Store is a directory of records.
type Store struct {
	root string
	mu   sync.Mutex // one change at a time: a change is two system calls
}

// New returns the records below root, which is made.
func New(root string) (*Store, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of tasks: %w", err)
	}
	return &Store{root: root}, nil
}

// Dir is a task's directory. The engine keeps in it what lives as long as the
// task.
func (s *Store) Dir(task string) string { return filepath.Join(s.root, task) }

const (
	suffix  = ".json"
	made    = "sandbox" // a file that is there once the sandbox was made
	records = "containers"
)

// Make makes a task's directory.
func (s *Store) Make(task string) error {
	for _, dir := range []string{records, making} {
		if err := os.MkdirAll(filepath.Join(s.Dir(task), dir), 0o700); err != nil {
			return fmt.Errorf("make the directory of task %s: %w", task, err)
		}
	}
	return nil
}

// Tasks returns the ids of all tasks, sorted.
func (s *Store) Tasks() ([]string, error) {
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	var list []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			list = append(list, e.Name())
		}
	}
	return list, nil
}

// Has reports whether there is something of a task.
func (s *Store) Has(task string) bool {
	_, err := os.Stat(s.Dir(task))
	return err == nil
}

// Remove forgets a task.
func (s *Store) Remove(task string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.RemoveAll(s.Dir(task)); err != nil {
		return fmt.Errorf("remove the directory of task %s: %w", task, err)
	}
	return nil
}

// making is a directory with a file for each process that is being made.
const making = "making"

// Making reports whether a process of a task was being made when Skylift was
// killed.
func (s *Store) Making(task, id string) bool {
	_, err := os.Stat(filepath.Join(s.Dir(task), making, id))
	return err == nil
}

// SetMaking remembers that a process of a task is being made, or forgets that.
func (s *Store) SetMaking(task, id string, is bool) error {
	file := filepath.Join(s.Dir(task), making, id)
	var err error
	if is {
		err = os.WriteFile(file, nil, 0o600)
	} else if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("remember what is made: %w", err)
	}
	return nil
}

// Sandbox is what is remembered of a task's sandbox once it was made.
type Sandbox struct {
	PIDMode string `json:",omitzero"`
}

// Sandbox returns what is remembered of a task's sandbox, and whether it was made.
func (s *Store) Sandbox(task string) (box Sandbox, ok bool) {
	text, err := os.ReadFile(filepath.Join(s.Dir(task), made))
	if err != nil {
		return box, false
	}
	_ = json.Unmarshal(text, &box) // a torn one is of a machine that lost its power, and its sandboxes
	return box, true
}

// SandboxMade remembers that a task's sandbox was made, so that it isn't made
// again once it has stopped.
func (s *Store) SandboxMade(task string, box Sandbox) error {
	return s.write(filepath.Join(s.Dir(task), made), box)
}

func (s *Store) file(task, id string) string {
	return filepath.Join(s.Dir(task), records, id+suffix)
}

// Get returns what is remembered of the container with an id. Errors:
// fs.ErrNotExist.
func (s *Store) Get(task, id string) (Container, error) {
	text, err := os.ReadFile(s.file(task, id))
	if err != nil {
		return Container{}, fmt.Errorf("read the record of container %s: %w", id, err)
	}
	var c Container
	if err := json.Unmarshal(text, &c); err != nil {
		lost := Container{Started: time.Unix(0, 0), Exit: &Exit{Code: 255, At: time.Unix(0, 0)}, Error: "its record was lost"}
		return lost, nil //nolint:nilerr // see the package's comment
	}
	return c, nil
}

// Put remembers a container, unless it is remembered already.
func (s *Store) Put(task, id string, c Container) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(s.file(task, id)); err == nil {
		return nil
	}
	return s.write(s.file(task, id), c)
}

// Update changes what is remembered of a container. False: change said that
// nothing changes. Errors: fs.ErrNotExist.
func (s *Store) Update(task, id string, change func(*Container) bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.Get(task, id)
	if err != nil || !change(&c) {
		return false, err
	}
	return true, s.write(s.file(task, id), c)
}

// All returns what is remembered of a task's containers, by id.
func (s *Store) All(task string) (map[string]Container, error) {
	entries, err := os.ReadDir(filepath.Join(s.Dir(task), records))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the containers of task %s: %w", task, err)
	}
	all := map[string]Container{}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		c, err := s.Get(task, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the task is being removed
		}
		if err != nil {
			return nil, err
		}
		all[id] = c
	}
	return all, nil
}

// write replaces a file.
func (s *Store) write(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return Replace(file, text, 0o600)
}

// Replace replaces a file as a whole.
func Replace(file string, text []byte, mode os.FileMode) error {
	temp := file + ".new"
	if err := os.WriteFile(temp, text, mode); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(temp, file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
