// Package engine is the port to what runs containers.
//
// An engine works on whole tasks: a sandbox that owns the network namespace, and
// the containers in it. Every call is idempotent and may be repeated after a
// crash or a lost answer; what an engine runs outlives this process and is found
// again by List. engine/containerd is the default, engine/docker the other real
// one, engine/fake the simulated one. engine/enginetest holds all of them to
// these promises.
package engine

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound says that the engine has no such task or container.
var ErrNotFound = errors.New("not found in the engine")

// ErrUnavailable says that the engine can't be asked now (the Docker daemon is
// restarting, say). Nothing may be concluded about tasks from it.
var ErrUnavailable = errors.New("container engine unavailable")

// PullError says why an image can't be had. Its text is fit for a task's
// stoppedReason behind "CannotPullContainerError: ".
type PullError struct {
	Ref    string
	Reason string
	// NotFound: the repository or the tag does not exist. Denied: credentials are refused.
	NotFound, Denied bool
	// Busy: the registry couldn't serve it just now, which says nothing about the image.
	Busy bool
}

func (e *PullError) Error() string { return e.Reason }

// StartError says why a container can't be created or started: bad command,
// unknown user, no such working directory, a limit that the host can't give.
// Reason is the engine's own message.
type StartError struct {
	Container string
	Reason    string
}

func (e *StartError) Error() string { return e.Reason }

// Auth is a registry login; the zero value is none. It is never logged.
type Auth struct{ Username, Password string }

// Identity is a user and a group in numbers.
type Identity struct{ UID, GID int64 }

// Engine runs tasks of one Skylift instance and never touches anything else
// on the same host.
type Engine interface {
	// Pull makes the image at ref (name:tag or name@sha256:…) present and
	// returns its digest reference (name@sha256:…). A pull goes on when ctx ends
	// and a later call joins it. Errors: *PullError, ErrUnavailable.
	Pull(ctx context.Context, ref string, auth Auth) (digestRef string, err error)

	// Tidy removes images that Pull brought, and returns their names. It spares
	// those that a task has, those among kept (as Pull returned them), and those
	// that somebody pulled, or found present, within age. Errors: ErrUnavailable,
	// and errors.ErrUnsupported where the engine's images are not only its own.
	Tidy(ctx context.Context, kept []string, age time.Duration) (removed []string, err error)

	// Identity returns who a container of an image that is present runs as, when
	// its definition says user, in one of Docker's forms, or "" for the image's own.
	// Errors: *StartError where the image has no such user, ErrNotFound,
	// ErrUnavailable.
	Identity(ctx context.Context, image, user string) (Identity, error)

	// Create makes the task's sandbox and creates its containers, started or
	// not, and returns the path of the sandbox's network namespace, in which
	// only loopback is up. What exists is left as it is; a sandbox that has
	// stopped is not started again. However many processes a task starts, it gets
	// no more than a ProcessPool gives it: see there.
	// An engine that writes the environment of containers to a disk refuses Secrets.
	// Errors: *StartError, ErrUnavailable.
	Create(ctx context.Context, t Task) (netns string, err error)

	// Start starts the named containers of a created task, in order. Those that
	// were started before, even if they ended since, are left. Errors:
	// *StartError, ErrNotFound, ErrUnavailable.
	Start(ctx context.Context, taskID string, containers ...string) error

	// StartAgain starts a container that ended, with the files and the output
	// that it has, and counts that in its status. One that runs or never ran is
	// left. Errors: *StartError, ErrNotFound, ErrUnavailable.
	StartAgain(ctx context.Context, taskID, container string) error

	// Signal sends sig ("SIGTERM", "SIGKILL") to a container. One that ended, or
	// never started, is left without error. Errors: ErrNotFound, ErrUnavailable.
	Signal(ctx context.Context, taskID, container, sig string) error

	// Exec runs a command in a running container, and returns its exit code when
	// the command has ended and all its output was handed on. The command ends
	// with its container. When ctx ends, the command is killed and ctx's error
	// returned. Errors: *StartError, ErrNotFound also of a container that doesn't
	// run, ErrUnavailable.
	Exec(ctx context.Context, taskID, container string, x Exec) (exitCode int, err error)

	// Inspect returns what is true of a task now, or ErrNotFound.
	Inspect(ctx context.Context, taskID string) (Status, error)

	// Stats returns what the task uses now. Errors: ErrNotFound, ErrUnavailable.
	Stats(ctx context.Context, taskID string) (Stats, error)

	// Processes returns what the task has of the host's processes, which costs next
	// to nothing to know. Errors: ErrNotFound, ErrUnavailable, and
	// errors.ErrUnsupported where that can't be known.
	Processes(ctx context.Context, taskID string) (ProcessStats, error)

	// Storage returns how many bytes of disk the task has written: its
	// containers' files and its volumes, without images and host directories. It
	// looks at every file. Errors: ErrNotFound, ErrUnavailable, and
	// errors.ErrUnsupported where that can't be known.
	Storage(ctx context.Context, taskID string) (bytes int64, err error)

	// List returns every task of this instance that the engine has anything of.
	List(ctx context.Context) ([]Status, error)

	// Remove kills and removes everything of the task. A missing task is fine.
	Remove(ctx context.Context, taskID string) error

	// Watch calls changed with the id of each task whose status may have changed,
	// and with "" when any may have (at first, and after the engine was away),
	// until ctx ends. It reconnects by itself, and returns ctx's error. A
	// container's health is part of that status. It calls changed from one
	// goroutine at a time. changed should return at once: an engine drops events
	// of a slow one.
	Watch(ctx context.Context, changed func(taskID string)) error

	// Tail returns the last lines of a container's output, n at most, in order. A
	// container that never started has none. Errors: ErrNotFound, ErrUnavailable.
	Tail(ctx context.Context, taskID, container string, n int) ([]Line, error)

	// Logs calls emit with the container's output lines after since (zero: from
	// the first), in order; those before a restart come too. With follow it goes on until the container, which
	// need not have started yet, ended and all was read, or ctx ends. A line's
	// Time is a cursor: read again from it, come exactly the lines after that
	// one. An error of emit ends it and is returned. Errors: ErrNotFound when the
	// container is gone, ErrUnavailable.
	Logs(ctx context.Context, taskID, container string, since time.Time, follow bool, emit func(Line) error) error

	// Release says that a container's lines up to a line's time are kept elsewhere:
	// the engine needs them no longer, and Output counts them no more. Errors:
	// ErrNotFound, and errors.ErrUnsupported where output never waits and is never
	// dropped because nobody takes it.
	Release(ctx context.Context, taskID, container string, upto time.Time) error
}

// Task describes a whole task.
type Task struct {
	ID         string // 32 hex digits
	Hostname   string
	Containers []Container
	CPU        int   // CPU units (1024 = one vCPU) for the whole task; 0: no limit
	Memory     int64 // MiB for the whole task; 0: no limit
	Labels     map[string]string
	Hosts      map[string]string // extra /etc/hosts entries: name → address
	DNS        []string          // resolvers; empty: the host's
	Search     []string          // domains that are tried behind a short name; empty: the host's

	// PIDMode "task" puts all containers in one process namespace, in which the
	// sandbox is the init process; with "" each container has its own.
	PIDMode string
	// Volumes are the names of empty directories that live as long as the task,
	// for its containers to mount. One takes over what the image has where its
	// first container mounts it, owner and mode too.
	Volumes []string
}

// Container describes one container of a task.
type Container struct {
	Name              string
	Image             string // as Pull returned it
	Command           []string
	EntryPoint        []string
	Env               []string // "KEY=value"
	Secrets           Secrets  `json:",omitempty"` // over Env; they are on no disk in the clear
	WorkingDirectory  string
	User              string
	CPU               int   // CPU units, a share
	Memory            int64 // MiB, hard limit; 0: none
	MemoryReservation int64 // MiB, soft limit; 0: none

	Labels                 map[string]string // beside the engine's own, which win
	ReadonlyRootFilesystem bool
	Interactive            bool // standard input stays open
	PseudoTerminal         bool // its output is then one stream, standard output
	Output                 Output

	// Init puts an init process before the command, which reaps and hands on
	// signals. In a task with one process namespace the sandbox is that already.
	Init    bool
	CapAdd  []string // "SYS_PTRACE"; "ALL"
	CapDrop []string
	Ulimits []Ulimit
	// Sysctls are namespaced kernel parameters: "net.core.somaxconn" → value.
	// Those of the network are the whole task's; of two values the later
	// container's is taken.
	Sysctls map[string]string

	Mounts      []Mount
	VolumesFrom []VolumesFrom
	Tmpfs       []Tmpfs
	HealthCheck *HealthCheck // nil: none, whatever the image says
}

// Output says what becomes of a container's output when more of it waits to be
// released than Buffer, in bytes. An engine may take more for it, to have room for
// a line. The zero value is for output that nobody releases.
type Output struct {
	Mode   OutputMode
	Buffer int64 // 0: the engine's choice
}

// OutputMode is what is done about output that nobody takes.
type OutputMode string

// The modes of output.
const (
	// OutputRolls loses the oldest lines.
	OutputRolls OutputMode = ""
	// OutputBlocks has the container wait when it writes.
	OutputBlocks OutputMode = "blocks"
	// OutputDrops loses the newest lines, and a line says how many (Dropped).
	OutputDrops OutputMode = "drops"
)

// Ulimit is a limit on each process; -1 is unlimited. The name is that of
// setrlimit's in lower case: "nofile". That of processes, "nproc", is one on the
// whole container: its hard limit.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Mount shows a directory to a container.
type Mount struct {
	Source   string // an existing directory of the host by its absolute path, or one of the task's Volumes
	Target   string
	ReadOnly bool
}

// VolumesFrom mounts all that another container of the task mounts, at the same
// paths.
type VolumesFrom struct {
	Container string
	ReadOnly  bool
}

// Tmpfs is a directory in memory, which counts as the container's memory.
type Tmpfs struct {
	Target  string
	Size    int64    // MiB
	Options []string // of mount(8): "noexec", "mode=1777"
}

// Status is what is true of a task in the engine.
type Status struct {
	ID         string
	NetNS      string // "" when the sandbox isn't running
	Sandbox    bool   // the sandbox is running: without it the task has no network
	Containers []ContainerStatus
}

// ContainerState is where a container is in its life.
type ContainerState string

// The states of a container.
const (
	Created ContainerState = "created"
	Running ContainerState = "running"
	Exited  ContainerState = "exited"
)

// ContainerStatus is what is true of one container.
type ContainerStatus struct {
	Name       string
	RuntimeID  string // the engine's own id
	State      ContainerState
	ExitCode   int // of an exited container: 128+n when killed by signal n
	OOMKilled  bool
	Error      string // the engine's message when it could not run
	CreatedAt  time.Time
	StartedAt  time.Time
	FinishedAt time.Time
	Restarts   int    // how often StartAgain did
	Health     Health // of a running container with a health check
	HealthLog  string // what its last health check said, also after its end
}

// Line is one line of a container's output, without its newline.
type Line struct {
	Time   time.Time // when the container wrote it, nanoseconds; strictly increasing within a container
	Stderr bool
	Text   string
}
