package containerd

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strings"
)

// longestID is that of containerd's ids.
const longestID = 76

var (
	taskForm = regexp.MustCompile(`^[0-9a-f]+$`)
	idForm   = regexp.MustCompile(`^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$`) // containerd's
)

// containerID is containerd's id of a task's container; that of the task's init
// process, where it has one, is the task's own.
func containerID(task, name string) string {
	if id := task + "-" + name; len(id) <= longestID && idForm.MatchString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(name))
	return task + "." + hex.EncodeToString(sum[:12])
}

// taskOf is the task that a container's id names.
func taskOf(id string) string {
	if at := strings.IndexAny(id, "-."); at >= 0 {
		return id[:at]
	}
	return id
}

// The directories of namespaces in the run directory.
const (
	netnsDir = "netns"
	pidnsDir = "pidns"
)

// netnsPath is where a task's network namespace is.
func (e *Engine) netnsPath(task string) string { return filepath.Join(e.run, netnsDir, task) }

// pidnsPath is where a task's process namespace is, if it has one.
func (e *Engine) pidnsPath(task string) string { return filepath.Join(e.run, pidnsDir, task) }

// cgroupPath is the cgroup of a container, as runc takes it.
func (e *Engine) cgroupPath(task, id string) string {
	parent := e.cgroups.Parent(task)
	if strings.HasSuffix(parent, ".slice") {
		return parent + ":skylift:" + id
	}
	return filepath.Join("/", parent, id)
}

// volumeDir is where a volume of a task is.
func (e *Engine) volumeDir(task, volume string) string {
	sum := sha256.Sum256([]byte(volume))
	return filepath.Join(e.records.Dir(task), "volumes", hex.EncodeToString(sum[:12]))
}
