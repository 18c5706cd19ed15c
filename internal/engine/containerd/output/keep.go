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

// Keep makes sure that one keeper works and one stands by, until ctx ends, and
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
// Keepers are found by their command lines, since one that was just started has no
// lock yet; a lock that another process holds is waited for.
func (s *Store) Stop(ctx context.Context) error {
	for {
		keepers := s.keepers()
		for _, pid := range keepers {
			_ = unix.Kill(pid, unix.SIGKILL) // gone: the next look tells
		}
		standby, err := s.free(standbyLock)
		work, err2 := s.free(workLock)
		if err := errors.Join(err, err2); err != nil {
			return fmt.Errorf("stop output keeper: %w", err)
		}
		if len(keepers) == 0 && standby && work {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop output keeper: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// keepers returns the processes that Keep has started for this store.
func (s *Store) keepers() (pids []int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is right
	for _, file := range lines {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && pid != os.Getpid() && s.isKeeper(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isKeeper says whether a process's command line ends with the words that Keep
// starts a keeper with.
func (s *Store) isKeeper(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.HasSuffix(line, []byte("\x00"+Command+"\x00"+s.root+"\x00"))
}
