// Package secrets keeps the specifications of containers that have secrets in memory only.
//
// containerd writes what it knows of a container into its database, and its shim what a container is made of into a
// directory, and both may be on a disk. So containerd is told a specification without the secrets. The whole one is a
// file in a file system in memory, and a program that stands in for runc has runc read that when it makes the container.
package secrets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine/containerd/record"
)

// Store is a directory in memory with the specifications.
type Store struct{ dir, program string }

// Open makes the directory dir, in memory, and in programs the program that stands in for runc.
func Open(dir, programs string) (*Store, error) {
	if err := inMemory(dir); err != nil {
		return nil, fmt.Errorf("make a directory in memory: %w", err)
	}
	s := &Store{dir: dir}
	if err := s.sweep("*.json.new"); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := standIn.Execute(&text, quoted(dir)); err != nil {
		return nil, fmt.Errorf("write the program that runs containers with secrets: %w", err)
	}
	// It is called by what is in it, so that one that runs is never written over.
	sum := sha256.Sum256(text.Bytes())
	s.program = filepath.Join(programs, "runc-"+hex.EncodeToString(sum[:6]))
	if had, err := os.ReadFile(s.program); err == nil && bytes.Equal(had, text.Bytes()) {
		return s, nil
	}
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of programs: %w", err)
	}
	return s, record.Replace(s.program, text.Bytes(), 0o555)
}

// inMemory makes a directory in memory: where /run is none, as in some containers, a file system is mounted there.
func inMemory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC {
		return nil
	}
	if err := unix.Mount("skylift", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}

// Clear gives back what Open has of the host: the directory can then be removed.
func Clear(dir string) error {
	err := unix.Unmount(dir, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // nothing is mounted there
		return nil
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// standIn is the program. runc is called with the bundle's directory behind --bundle, and with the container's id as the last word.
var standIn = template.Must(template.New("runc").Parse(`#!/bin/sh
# Written by Skylift. It stands in for runc for containers with secrets: what such a container is made of is in memory only.
bundle= making= last=
for word; do
	if [ "$last" = --bundle ]; then bundle=$word; fi
	if [ "$word" = create ]; then making=yes; fi
	last=$word
done
if [ -n "$making" ] && [ -n "$bundle" ]; then
	ln -sf {{.}}/"$last".json "$bundle"/config.json || exit 1
fi
exec runc "$@"
`))

// quoted is a word for a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// Program is the path of the program that stands in for runc.
func (s *Store) Program() string { return s.program }

func (s *Store) file(id string) string { return filepath.Join(s.dir, id+".json") }

// Put keeps the specification of the container with an id.
func (s *Store) Put(id string, is *specs.Spec) error {
	text, err := json.Marshal(is)
	if err != nil {
		return fmt.Errorf("encode the specification of container %s: %w", id, err)
	}
	return record.Replace(s.file(id), text, 0o600)
}

// Get returns the specification of a container; ok is false for one without secrets.
func (s *Store) Get(id string) (is specs.Spec, ok bool, err error) {
	text, err := os.ReadFile(s.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return is, false, nil
	}
	if err != nil {
		return is, false, fmt.Errorf("read the specification of container %s: %w", id, err)
	}
	if json.Unmarshal(text, &is) != nil { // its error may have a secret in it
		return is, false, fmt.Errorf("the specification of container %s in memory can't be read", id)
	}
	return is, true, nil
}

// Remove forgets a container's specification, if there is one.
func (s *Store) Remove(id string) error {
	for _, file := range []string{s.file(id), s.file(id) + ".new"} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the specification of container %s: %w", id, err)
		}
	}
	return s.sweep("")
}

// left is how long ago a shim wrote the file of a command's process that it left behind: it removes one in use within moments.
const left = time.Minute

// sweep removes what a kill left: files that a pattern matches, and those in which shims give runc a command's process, with its environment.
func (s *Store) sweep(pattern string) error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("look for what was left in memory: %w", err)
	}
	for _, n := range names {
		ours, _ := filepath.Match(pattern, n.Name()) // the pattern is good
		if !ours {
			is, err := n.Info()
			ours = strings.HasPrefix(n.Name(), "runc-process") && err == nil && time.Since(is.ModTime()) > left
		}
		if !ours {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, n.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what was left in memory: %w", err)
		}
	}
	return nil
}
