package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// exec runs the test program in a container and returns what it wrote.
func (s suite) exec(t *testing.T, e engine.Engine, id, name string, x engine.Exec, command ...string) (code int, out, diag string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	x.Command, x.Stdout, x.Stderr = append([]string{s.images.Program}, command...), &stdout, &stderr
	code, err := e.Exec(t.Context(), id, name, x)
	if err != nil {
		t.Fatalf("exec %q: %v", command, err)
	}
	return code, stdout.String(), stderr.String()
}

func testExec(t *testing.T, s suite) {
	e, id := s.running(t, "run")
	if code, out, diag := s.exec(t, e, id, "run", engine.Exec{}, "say", "hello", "7"); code != 7 || out != "hello\n" || diag != "" {
		t.Errorf("exited with %d, wrote %q and %q", code, out, diag)
	}
	text := strings.Repeat("some input\n", 20_000)
	in := engine.Exec{Stdin: strings.NewReader(text)}
	if code, out, diag := s.exec(t, e, id, "run", in, "echo"); code != 3 || out != text || diag != "end\n" {
		t.Errorf("exited with %d, wrote %d bytes of %d, and %q", code, len(out), len(text), diag)
	}
	if st, err := e.Inspect(t.Context(), id); err != nil || container(st, "run").State != engine.Running {
		t.Errorf("the container is %+v, %v", st, err)
	}
}

func testExecEnds(t *testing.T, s suite) {
	e, id := s.running(t, "run", "trap")
	// begin runs a command that waits, and returns when it waits.
	begin := func(ctx context.Context, name string) <-chan error {
		out, writes := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			code, err := e.Exec(ctx, id, name, engine.Exec{Command: []string{s.images.Program, "deaf"}, Stdout: writes})
			if err == nil && code == 0 {
				err = errors.New("it exited with 0")
			}
			ended <- err
			_ = writes.Close()
		}()
		line := make([]byte, len("ready\n"))
		if _, err := io.ReadFull(out, line); err != nil || string(line) != "ready\n" {
			t.Fatalf("the command wrote %q, %v", line, err)
		}
		return ended
	}
	within := func(what string, ended <-chan error) error {
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			t.Fatalf("%s, and the command goes on", what)
			return nil
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := begin(ctx, "run")
	cancel()
	if err := within("the caller is gone", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with its caller it ended with %v", err)
	}
	ended = begin(t.Context(), "trap")
	if err := e.Signal(t.Context(), id, "trap", "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	if err := within("the container ended", ended); err != nil && !errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("with its container it ended with %v", err)
	}
	if st, err := e.Inspect(t.Context(), id); err != nil || container(st, "run").State != engine.Running {
		t.Errorf("the other container is %+v, %v", st, err)
	}
}

func testExecRefused(t *testing.T, s suite) {
	e, id := s.running(t, "run", "exit 0")
	awaitState(t, e, id, "exit", engine.Exited)
	for name, want := range map[string]error{"none": engine.ErrNotFound, "exit": engine.ErrNotFound} {
		if _, err := e.Exec(t.Context(), id, name, engine.Exec{Command: []string{s.images.Program, "exit", "0"}}); !errors.Is(err, want) {
			t.Errorf("exec in %s: %v, want %v", name, err, want)
		}
	}
	for _, command := range [][]string{nil, {"/no/such/program"}} {
		_, err := e.Exec(t.Context(), id, "run", engine.Exec{Command: command})
		if refused, ok := errors.AsType[*engine.StartError](err); !ok || refused.Container != "run" || refused.Reason == "" {
			t.Errorf("exec of %q: %v, want a StartError", command, err)
		}
	}
}

func testExecSettings(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "run")
	task.Hostname = "exec"
	task.Containers[0].Env = []string{"GREETING=hello", "OTHER=x"}
	start(t, e, task)
	var out bytes.Buffer
	code, err := e.Exec(t.Context(), task.ID, "app", engine.Exec{
		Command: []string{"/app", "env"}, Env: []string{"GREETING=goodbye"}, WorkingDirectory: "/proc", User: "1234:5", Stdout: &out,
	})
	if err != nil || code != 0 || out.String() != "exec goodbye /proc 1234 false false\n" {
		t.Errorf("exited with %d, %v, and saw %q", code, err, out.String())
	}
}

func testExecTerminal(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "run")
	start(t, e, task)
	sizes := make(chan engine.TerminalSize)
	out, writes := io.Pipe()
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		_, err := e.Exec(ctx, task.ID, "app", engine.Exec{
			Command: []string{"/app", "window"}, Terminal: true, Sizes: sizes, Stdin: neverRead{ctx}, Stdout: writes,
		})
		_ = writes.Close()
		ended <- err
	}()
	sizes <- engine.TerminalSize{Rows: 24, Columns: 80}
	var said []byte
	buf := make([]byte, 100)
	for !bytes.Contains(said, []byte("24 80\r\n")) {
		n, err := out.Read(buf)
		if said = append(said, buf[:n]...); err != nil {
			t.Fatalf("the command wrote %q, %v", said, err)
		}
	}
	sizes <- engine.TerminalSize{Rows: 50, Columns: 132}
	rest, err := io.ReadAll(out)
	if err = errors.Join(err, <-ended); err != nil || !bytes.HasSuffix(rest, []byte("50 132\r\n")) {
		t.Errorf("the command wrote %q, then %q, %v", said, rest, err)
	}
}

// neverRead is an input from which nothing comes until ctx ends.
type neverRead struct{ context.Context }

func (r neverRead) Read([]byte) (int, error) {
	<-r.Done()
	return 0, io.EOF
}

// testExecOutput has a fast command and a reader that is slow at first.
func testExecOutput(t *testing.T, e engine.Engine, p Programs) {
	task := AppTask(p.App, "run")
	start(t, e, task)
	const n = 8 << 20
	slow := &slowWriter{}
	code, err := e.Exec(t.Context(), task.ID, "app", engine.Exec{Command: []string{"/app", "long", "8388608"}, Stdout: slow})
	if err != nil || code != 0 || slow.size != n+len("\ntail") {
		t.Errorf("exited with %d, %v, and %d bytes of %d came", code, err, slow.size, n+len("\ntail"))
	}
}

// slowWriter takes its time for the first and the last of what comes.
type slowWriter struct{ size int }

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.size == 0 || w.size > 7<<20 && w.size < 7<<20+64<<10 {
		time.Sleep(3 * time.Second) //nolint:forbidigo // that is what is tested
	}
	w.size += len(p)
	return len(p), nil
}
