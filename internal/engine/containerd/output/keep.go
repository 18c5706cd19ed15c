package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine/containerd/supervise"
)

// Keep sees to it that a keeper works and one stands by, until ctx ends, and
// returns ctx's error. Keepers outlive this process. command starts one when the
// store's directory is appended: our own binary and Command.
func (s *Store) Keep(ctx context.Context, command []string, log *slog.Logger) error {
	said := ""
	for {
		if err := s.startStandby(command, log); err != nil && said != err.Error() {
			said = err.Error()
			log.Error("output keeper can't be started: containers that write wait", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// startStandby starts a keeper unless one stands by.
func (s *Store) startStandby(command []string, why *slog.Logger) error {
	free, err := s.free(standbyLock)
	if err != nil || !free {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.root, keeperLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil && info.Size() > 1<<20 {
		_ = log.Truncate(0) // it is only for people
	}
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], s.root)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start output keeper: %w", err)
	}
	if err := supervise.Leave(cmd.Process.Pid); err != nil {
		why.Warn("output keeper stays in the service's control group, and ends with the service unless its KillMode is process", "err", err)
	}
	go func() { _ = cmd.Wait() }() // it has said in its log why it ended
	for range 100 {
		if free, err := s.free(standbyLock); err != nil || !free {
			return err
		}
		if free, err := s.free(workLock); err != nil || !free {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil
}

// free tells whether nobody has a lock.
func (s *Store) free(name string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(s.root, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Stop ends the keepers, once Keep has returned. Containers that write then wait.
func (s *Store) Stop(ctx context.Context) error {
	for {
		busy := false
		// The one that stands by goes first, else it would take over.
		for _, name := range []string{standbyLock, workLock} {
			free, err := s.free(name)
			if err != nil {
				return fmt.Errorf("stop output keeper: %w", err)
			}
			if !free {
				busy = true
				if pid := s.owner(name); pid > 0 {
					_ = unix.Kill(pid, unix.SIGKILL) // gone: the next look tells
				}
			}
		}
		if !busy {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop output keeper: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// owner returns the process that has a lock; 0: it isn't a keeper of this store.
func (s *Store) owner(name string) int {
	text, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || pid <= 1 {
		return 0
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(line, []byte(s.root)) {
		return 0
	}
	return pid
}
