package fake_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
	"github.com/skylift/skylift/internal/engine/fake"
)

// app scripts what enginetest's program does.
func app(c engine.Container) fake.Behaviour {
	b := program(c)
	b.Memory = 1 << 20
	if c.PseudoTerminal {
		for i := range b.Output {
			b.Output[i].Stderr = false
		}
	}
	if h := c.HealthCheck; h != nil && len(h.Command) > 3 {
		b.HealthOutput = h.Command[3] + "\n"
		b.Unhealthy = h.Command[4] != "0"
	}
	return b
}

func program(c engine.Container) fake.Behaviour {
	if c.EntryPoint != nil {
		return fake.Behaviour{StartError: "exec: " + c.EntryPoint[0] + ": no such file or directory"}
	}
	argument := append(slices.Clone(c.Command), "")[1]
	n, _ := strconv.Atoi(argument)
	ready := []engine.Line{{Text: "ready"}}
	switch c.Command[0] {
	case "exit":
		return fake.Behaviour{Exits: true, ExitAfter: time.Millisecond, ExitCode: n}
	case "trap":
		return fake.Behaviour{Output: ready}
	case "deaf":
		return fake.Behaviour{Output: ready, IgnoreTerm: true}
	case "lines":
		var lines []engine.Line
		for i := range n {
			lines = append(lines, engine.Line{Stderr: i%2 == 1, Text: fmt.Sprintf("line %d", i)})
		}
		return fake.Behaviour{Output: lines, Exits: true}
	case "long":
		return fake.Behaviour{Output: []engine.Line{{Text: strings.Repeat("x", n)}, {Text: "tail"}}, Exits: true}
	case "dial":
		return fake.Behaviour{Exits: true, ExitAfter: time.Millisecond}
	case "write":
		return fake.Behaviour{Exits: true, ExitCode: writeCode(c, argument)}
	case "fill":
		megabytes, _ := strconv.Atoi(c.Command[2])
		return fake.Behaviour{Storage: int64(megabytes) << 20, Exits: true}
	case "who":
		return fake.Behaviour{Output: []engine.Line{{Text: who(c)}}, Exits: true}
	case "fork":
		return fake.Behaviour{Processes: n, Output: ready, TermCode: 143}
	case "read":
		return fake.Behaviour{Output: []engine.Line{{Text: "hello"}}, Exits: true}
	default:
		return fake.Behaviour{Output: ready, TermCode: 143, TermTime: time.Millisecond}
	}
}

// execute scripts what enginetest's program does as a command in a container.
func execute(ctx context.Context, _ engine.Container, x engine.Exec) (int, error) {
	if len(x.Command) < 2 || x.Command[0] != "/app" {
		return 0, &engine.StartError{Container: "run", Reason: "no such program"}
	}
	switch x.Command[1] {
	case "say":
		fmt.Fprintln(x.Stdout, x.Command[2])
		return strconv.Atoi(x.Command[3])
	case "echo":
		_, err := io.Copy(x.Stdout, x.Stdin)
		fmt.Fprintln(x.Stderr, "end")
		return 3, err
	default:
		fmt.Fprintln(x.Stdout, "ready")
		<-ctx.Done()
		return 0, ctx.Err()
	}
}

// writeCode is 0 when c may write the file.
func writeCode(c engine.Container, file string) int {
	readOnly := c.ReadonlyRootFilesystem
	for _, m := range c.Mounts {
		if strings.HasPrefix(file, m.Target+"/") {
			readOnly = m.ReadOnly
		}
	}
	for _, m := range c.Tmpfs {
		readOnly = readOnly && !strings.HasPrefix(file, m.Target+"/")
	}
	if readOnly {
		return 1
	}
	return 0
}

// accounts are those of the image "users".
var accounts = map[string]engine.Identity{"app": {UID: 1001, GID: 1002}, "db": {UID: 999, GID: 998}}

// who is the identity that the tests of the port expect of a container.
func who(c engine.Container) string {
	users := fake.New(fake.Config{Users: map[string]fake.Users{"users": {Default: "app", Accounts: accounts}}})
	id, err := users.Identity(context.Background(), c.Image, c.User)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d:%d", id.UID, id.GID)
}

func TestContract(t *testing.T) {
	t.Parallel()
	open := func(*testing.T) engine.Engine {
		return fake.New(fake.Config{Behave: app, Exec: execute, Users: map[string]fake.Users{"users": {Default: "app", Accounts: accounts}}, Pull: func(ref string) fake.Pull {
			if strings.HasSuffix(ref, ":none") {
				return fake.Pull{Err: &engine.PullError{Ref: ref, Reason: ref + ": not found", NotFound: true}}
			}
			return fake.Pull{Time: time.Millisecond}
		}})
	}
	enginetest.Run(t, open, enginetest.Images{App: "app", Program: "/app", Pull: "registry:5000/app:v1", Missing: "registry:5000/app:none", Users: "users"})
}

// task has one container called app.
func task(id string) engine.Task {
	return engine.Task{ID: id, Containers: []engine.Container{{Name: "app", Image: "app"}}}
}

func TestLostAnswersDoTheWork(t *testing.T) {
	t.Parallel()
	e := fake.New(fake.Config{})
	e.LoseAnswers("Create", 1)
	if _, err := e.Create(t.Context(), task("a")); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("create: %v, want its answer lost", err)
	}
	if _, err := e.Inspect(t.Context(), "a"); err != nil {
		t.Errorf("inspect: %v, want the task made", err)
	}
	if _, err := e.Create(t.Context(), task("a")); err != nil {
		t.Errorf("create again: %v", err)
	}
}

func TestAwayAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := fake.New(fake.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var told []string
		go func() { _ = e.Watch(ctx, func(id string) { told = append(told, id) }) }()
		synctest.Wait()
		if _, err := e.Create(ctx, task("a")); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(ctx, "a", "app"); err != nil {
			t.Fatal(err)
		}
		logs := make(chan error, 1)
		go func() {
			logs <- e.Logs(ctx, "a", "app", time.Time{}, true, func(engine.Line) error { return nil })
		}()
		synctest.Wait()
		told = nil
		e.GoAway()
		if _, err := e.Inspect(ctx, "a"); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("inspect: %v, want ErrUnavailable", err)
		}
		if err := <-logs; !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("logs: %v, want ErrUnavailable", err)
		}
		e.Restart()
		e.ComeBack()
		synctest.Wait()
		if len(told) != 1 || told[0] != "" {
			t.Errorf("told %q, want once that any may have changed", told)
		}
		status, err := e.Inspect(ctx, "a")
		if err != nil || status.Sandbox || status.Containers[0].State != engine.Exited {
			t.Errorf("status %+v, %v, want all of it ended", status, err)
		}
	})
}

func TestScriptedTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		e := fake.New(fake.Config{
			Behave: func(engine.Container) fake.Behaviour {
				return fake.Behaviour{StartTime: time.Second, Exits: true, ExitAfter: time.Minute, OOM: true}
			},
			Pull: func(string) fake.Pull { return fake.Pull{Time: time.Hour} },
		})
		early, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := e.Pull(early, "app:v1", engine.Auth{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("pull: %v, want it to take longer", err)
		}
		before, err := e.Pull(t.Context(), "app:v1", engine.Auth{})
		if got := time.Since(begin); err != nil || got != time.Hour {
			t.Errorf("pulls took %v, %v, want the second to join the first", got, err)
		}
		if after := e.Push("app:v1"); after == before || !strings.HasPrefix(after, "app@sha256:") {
			t.Errorf("digest %q after a push, was %q", after, before)
		}
		if _, err := e.Create(t.Context(), task("a")); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(t.Context(), "a", "app"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		status, err := e.Inspect(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if c := status.Containers[0]; !c.OOMKilled || c.ExitCode != 137 || c.FinishedAt.Sub(c.StartedAt) != time.Minute {
			t.Errorf("container %+v, want an OOM kill after a minute", c)
		}
	})
}

func TestThousandsOfTasks(t *testing.T) {
	t.Parallel()
	const n = 5000
	e := fake.New(fake.Config{})
	for i := range n {
		id := fmt.Sprintf("%032x", i)
		if _, err := e.Create(t.Context(), task(id)); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(t.Context(), id, "app"); err != nil {
			t.Fatal(err)
		}
	}
	all, err := e.List(t.Context())
	if err != nil || len(all) != n {
		t.Errorf("%d tasks, %v, want %d", len(all), err, n)
	}
}
