package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process names a process by its id and its start time: no other process has
// both. The zero value is none.
type process struct {
	pid   int
	start string // in the kernel's ticks since boot
}

// stat returns a process' state letter, parent and start time; false: it is gone.
func stat(pid int) (state, parent, start string, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", "", false
	}
	// The name before may have spaces and parentheses.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return "", "", "", false
	}
	return fields[0], fields[1], fields[19], true
}

func (p process) alive() bool {
	state, _, start, ok := stat(p.pid)
	return p.pid != 0 && ok && start == p.start && state != "Z" && state != "X"
}

func (p process) stopped() bool {
	state, _, _, _ := stat(p.pid)
	return state == "T"
}

// version asks the running program for its version: another one may be installed
// by now.
func (p process) version(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, fmt.Sprintf("/proc/%d/exe", p.pid), "--version").Output()
	// containerd github.com/containerd/containerd 1.6.20~ds1 …
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 2 {
		return strings.TrimPrefix(fields[2], "v")
	}
	return "unknown"
}

// processes returns those that fit, by their id and their parent's.
func processes(fits func(pid int, parent string) bool) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent, start, ok := stat(pid); ok && fits(pid, parent) {
			found = append(found, process{pid, start})
		}
	}
	return found, nil
}

// called returns the processes whose arguments fit, and that are in our process
// namespace: what runs in a container can call itself anything.
func called(fits func(args []string) bool) ([]process, error) {
	ours, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil, err
	}
	return processes(func(pid int, _ string) bool {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !fits(strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00")) {
			return false
		}
		ns, err := os.Readlink(filepath.Join(dir, "ns/pid"))
		return err == nil && ns == ours
	})
}

// find returns the containerd that has our configuration.
func (d *Containerd) find() (process, error) {
	found, err := called(func(args []string) bool {
		return len(args) == 3 && filepath.Base(args[0]) == "containerd" && args[1] == "--config" && args[2] == d.configPath()
	})
	for _, p := range found {
		if p.alive() {
			return p, err
		}
	}
	return process{}, err
}

// shims returns the shims that this containerd started.
func (d *Containerd) shims() ([]process, error) {
	return called(func(args []string) bool {
		i := slices.Index(args, "-address")
		return strings.HasPrefix(filepath.Base(args[0]), "containerd-shim") && i > 0 && i+1 < len(args) && args[i+1] == d.Address()
	})
}

// start starts a containerd.
func (d *Containerd) start(programs Programs) (process, error) {
	log, err := os.OpenFile(d.logPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return process{}, fmt.Errorf("open containerd's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(programs.Containerd, "--config", d.configPath())
	path := []string{filepath.Dir(programs.Shim), filepath.Dir(programs.Runc), searchPath}
	cmd.Env = []string{"PATH=" + strings.Join(path, ":")} // nothing else of ours is its business
	if d.memory != "" {
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+d.memory) // where shims have their temporary files
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("start containerd: %w", err)
	}
	if err := Leave(cmd.Process.Pid); err != nil {
		d.log.Warn("containerd stays in the service's control group, and ends with the service unless its KillMode is process", "err", err)
	}
	_, _, start, _ := stat(cmd.Process.Pid)
	p := process{cmd.Process.Pid, start}
	go func() { _ = cmd.Wait() }() // the watch sees that it ended
	return p, nil
}

// probe asks a gRPC server whether it answers: it must send its HTTP/2 settings,
// which takes more than the kernel's accepting a connection.
func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
	if _, err := conn.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings...)); err != nil {
		return err
	}
	var header [9]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return err
	}
	if header[3] != 4 {
		return errors.New("not a gRPC server")
	}
	return nil
}
