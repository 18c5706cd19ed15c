package program

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// write makes a program that can be run here.
func write(t *testing.T, of func(string) ([]byte, error), goarch string) string {
	t.Helper()
	text, err := of(goarch)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, text, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// machines are how programs of each architecture are run here: by the kernel, or
// by an emulator where there is one.
func machines(t *testing.T, test func(t *testing.T, goarch string, prefix []string)) {
	t.Helper()
	for goarch, emulator := range map[string]string{"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"} {
		t.Run(goarch, func(t *testing.T) {
			t.Parallel()
			if goarch == runtime.GOARCH {
				test(t, goarch, nil)
				return
			}
			path, err := exec.LookPath(emulator)
			if err != nil {
				t.Skip(err)
			}
			test(t, goarch, []string{path})
		})
	}
}

func TestInitRunsItsCommand(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	machines(t, func(t *testing.T, goarch string, prefix []string) {
		program := write(t, Init, goarch)
		for _, tc := range []struct {
			args []string
			code int
			out  string
		}{
			{[]string{sh, "", "sh", "-c", "echo $0 $1; exit 3", "zero", "one"}, 3, "zero one\n"},
			{[]string{none, sh, "", "sh", "-c", "echo $VALUE"}, 0, "given\n"},
			{[]string{sh, "", "sh", "-c", "kill -TERM $$"}, 143, ""},
			{[]string{sh, "", "sh", "-c", "kill -KILL $$"}, 137, ""},
			{[]string{sh, "", "sh", "-c", "(sleep 0.1; exit 9) & exit 4"}, 4, ""},
			{[]string{none, "", "none"}, 127, initMessage},
			{[]string{filepath.Join(dir, "text"), none, "", "text"}, 126, initMessage},
			{[]string{none}, 127, initMessage},
			{nil, 127, initMessage},
		} {
			cmd := exec.CommandContext(t.Context(), program, tc.args...)
			if prefix != nil {
				cmd = exec.CommandContext(t.Context(), prefix[0], append([]string{program}, tc.args...)...)
			}
			cmd.Env = []string{"VALUE=given", "PATH=" + os.Getenv("PATH")}
			out, err := cmd.CombinedOutput()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != tc.code || string(out) != tc.out {
				t.Errorf("%q: exit code %d, output %q, want %d, %q", tc.args, code, out, tc.code, tc.out)
			}
		}
	})
}

func TestInitHandsSignalsOn(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	machines(t, func(t *testing.T, goarch string, prefix []string) {
		script := "trap 'echo usr1' USR1; trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"
		args := append(prefix, write(t, Init, goarch), sh, "", "sh", "-c", script)
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var seen bytes.Buffer
		for _, step := range []struct {
			line string
			sig  os.Signal
		}{{"ready\n", syscall.SIGUSR1}, {"usr1\n", syscall.SIGTERM}} {
			buf := make([]byte, 100)
			for !strings.HasSuffix(seen.String(), step.line) {
				n, err := out.Read(buf)
				if err != nil {
					t.Fatalf("%v after %q", err, seen.String())
				}
				seen.Write(buf[:n])
			}
			if err := cmd.Process.Signal(step.sig); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("ended with %v, want exit code 7", err)
		}
	})
}

func TestPauseEndsAtSIGTERM(t *testing.T) {
	t.Parallel()
	machines(t, func(t *testing.T, goarch string, prefix []string) {
		args := append(prefix, write(t, Pause, goarch))
		for wait := time.Millisecond; wait < 5*time.Second; wait *= 2 {
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(wait) // it says nothing when it is ready
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if err == nil {
				return
			}
			exit, ok := errors.AsType[*exec.ExitError](err)
			if status, isStatus := exit.Sys().(syscall.WaitStatus); !ok || !isStatus || status.Signal() != syscall.SIGTERM {
				t.Fatalf("ended with %v", err)
			}
			// The signal came before its handler.
		}
		t.Error("it never handles SIGTERM")
	})
}

func TestArchitecturesWithoutPrograms(t *testing.T) {
	t.Parallel()
	for _, of := range []func(string) ([]byte, error){Pause, Init} {
		if _, err := of("riscv64"); err == nil {
			t.Error("there is a program for riscv64")
		}
	}
}
