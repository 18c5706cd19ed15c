// Package enginetest states what every engine promises, as tests.
//
// It is one package of more than 1,500 lines because an engine is held to all of
// its promises by one call, and their tests share how they wait and read.
package enginetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// patience bounds what waits for a container; it is only reached by failures.
const patience = 60 * time.Second

// Images are what the tests run.
//
// App's entry point is the program in enginetest/app, or does as it does. Its
// commands: "exit N"; "run" (prints "ready", at SIGTERM exits with 143);
// "trap" (prints "ready", at SIGTERM exits with 0); "deaf" (prints "ready",
// ignores SIGTERM); "lines N" (prints "line 0" …, every other line to standard
// error); "long N" (prints N times x as a line, then "tail" without newline);
// "serve" (prints "ready", listens on localhost); "dial" (exits with 0 if it
// reaches serve on localhost); "write FILE" (creates it with the text "hello",
// exits with 1 if it can't); "read FILE" (prints it, exits with 1 if it can't);
// "fill FILE N" (creates it with N MiB); "fork N" (tries to have N processes,
// prints "ready" with those that it has or can't have, and waits for SIGTERM); "say TEXT N" (prints TEXT, exits with N);
// "who" (prints uid:gid); "effective" (prints the effective ones);
// "flood N" (prints N lines as fast as it can); "echo" (prints its standard input, and at its end "end" to standard error; exits
// with 3); "window" (prints rows and columns of its terminal, again when they
// change, and exits with 0 when they are 50 and 132).
type Images struct {
	App     string // as Create takes it
	Program string // path of the program in it
	Pull    string // name:tag in a registry
	Missing string // name:tag that a registry doesn't have
	// Users is App with accounts: user and group app, 1001:1002, which is the
	// image's own user, and db, 999:998.
	Users string
}

// Run holds the engines that open returns, each an empty instance of its own
// on the same host, to the promises of the port.
func Run(t *testing.T, open func(*testing.T) engine.Engine, images Images) {
	s := suite{open: open, images: images}
	tests := []struct {
		name string
		test func(*testing.T, suite)
	}{
		{"Create is idempotent and starts nothing", testCreate},
		{"Start starts what never ran, once", testStart},
		{"Start says why a container can't run", testStartError},
		{"what is missing is said to be missing", testMissing},
		{"exit codes are the container's", testExitCodes},
		{"Signal reaches the container", testSignal},
		{"Signal leaves ended and created containers", testSignalEnded},
		{"Remove leaves nothing and may be repeated", testRemove},
		{"List shows this instance only", testList},
		{"Watch tells of changes", testWatch},
		{"containers share localhost", testLocalhost},
		{"Pull returns a digest and leaves it at that", testPull},
		{"Pull says what isn't there", testPullMissing},
		{"Pull goes on when its caller is gone", testPullLost},
		{"Tidy removes images that nobody uses", testTidy},
		{"Logs resume without loss or doubling", testLogsResume},
		{"Logs keep long lines and an end without newline", testLogsLong},
		{"Logs follow to the end", testLogsFollow},
		{"Tail returns the end", testTail},
		{"Logs of a terminal are lines too", testLogsTerminal},
		{"Logs go on after a restart", testLogsRestarted},
		{"output that isn't released blocks, or is dropped and counted", testRelease},
		{"Exec runs a command to its end", testExec},
		{"Exec ends with its container and its caller", testExecEnds},
		{"Exec says what can't be", testExecRefused},
		{"StartAgain starts what ended, and counts", testStartAgain},
		{"StartAgain leaves what runs or never ran", testStartAgainLeaves},
		{"health is told when it is known", testHealth},
		{"health is that of a check only", testNoHealth},
		{"health is starting while failures don't count", testStartPeriod},
		{"Create refuses what can't be", testRefused},
		{"volumes are shared", testVolumes},
		{"a read-only file system is", testReadOnly},
		{"Stats measures what runs", testStats},
		{"Storage is what was written", testStorage},
		{"a task has no more processes than are its own", testProcesses},
		{"nproc is the whole container's", testProcessLimit},
		{"Identity is who runs", testIdentity},
		{"settings keep a task from nothing", testSettings},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.test(t, s)
		})
	}
}

type suite struct {
	open   func(*testing.T) engine.Engine
	images Images
}

// NewID returns a new id for a task.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// task describes a task with one container for each command, called by its
// first word.
func (s suite) task(commands ...string) engine.Task {
	t := engine.Task{ID: NewID(), Hostname: "enginetest"}
	for _, c := range commands {
		words := strings.Fields(c)
		t.Containers = append(t.Containers, engine.Container{Name: words[0], Image: s.images.App, Command: words})
	}
	return t
}

// running opens an engine with a task that has all its containers started.
func (s suite) running(t *testing.T, commands ...string) (engine.Engine, string) {
	t.Helper()
	e, task := s.open(t), s.task(commands...)
	start(t, e, task)
	return e, task.ID
}

// start creates and starts all of a task.
func start(t *testing.T, e engine.Engine, task engine.Task) {
	t.Helper()
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatalf("create: %v", err)
	}
	var names []string
	for _, c := range task.Containers {
		names = append(names, c.Name)
	}
	if err := e.Start(t.Context(), task.ID, names...); err != nil {
		t.Fatalf("start: %v", err)
	}
}

// await watches the engine until the task's status is as wanted.
func await(t *testing.T, e engine.Engine, id string, wanted func(engine.Status) bool) engine.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	changes := watch(ctx, e)
	for {
		select {
		case <-changes:
		case <-ctx.Done():
			t.Fatalf("task %s never came to be as wanted", id)
		}
		status, err := e.Inspect(ctx, id)
		if err != nil {
			t.Fatalf("inspect: %v", err)
		}
		if wanted(status) {
			return status
		}
	}
}

// watch returns a channel that holds the ids that Watch tells.
func watch(ctx context.Context, e engine.Engine) <-chan string {
	changes := make(chan string, 100)
	go func() {
		_ = e.Watch(ctx, func(id string) { // its error is ctx's
			select {
			case changes <- id:
			case <-ctx.Done():
			}
		})
	}()
	return changes
}

// container returns the status of one container.
func container(s engine.Status, name string) engine.ContainerStatus {
	for _, c := range s.Containers {
		if c.Name == name {
			return c
		}
	}
	return engine.ContainerStatus{}
}

// awaitState waits until a container is in a state.
func awaitState(t *testing.T, e engine.Engine, id, name string, want engine.ContainerState) engine.ContainerStatus {
	t.Helper()
	s := await(t, e, id, func(s engine.Status) bool { return container(s, name).State == want })
	return container(s, name)
}

var errEnough = errors.New("enough")

// awaitReady waits for the line "ready".
func awaitReady(t *testing.T, e engine.Engine, id, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := e.Logs(ctx, id, name, time.Time{}, true, func(l engine.Line) error {
		if l.Text == "ready" {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("waiting for %q of %s: %v", "ready", name, err)
	}
}
