package supervise

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Stop ends the containerd, after Run has returned, and everything of its shims:
// the shims, their containers' processes and control groups, what runc knows of
// them, and mounts below its directories. Files stay. It may be called again.
// Errors: what could not be ended; ctx's.
func (d *Containerd) Stop(ctx context.Context) error {
	lock, err := d.lock()
	if err != nil {
		return fmt.Errorf("stop containerd: %w", err)
	}
	defer lock.Close()
	p, err := d.find()
	if err != nil {
		return fmt.Errorf("stop containerd: %w", err)
	}
	if p.alive() {
		_ = unix.Kill(p.pid, unix.SIGCONT) // gone: end tells
		if err := end(ctx, []process{p}, unix.SIGTERM, 10*time.Second); err != nil {
			return fmt.Errorf("stop containerd: %w", err)
		}
	}
	if err := d.endShims(ctx); err != nil {
		return fmt.Errorf("stop containerd's shims: %w", err)
	}
	if err := d.forget(ctx); err != nil {
		return fmt.Errorf("remove what containerd's shims left: %w", err)
	}
	for _, dir := range []string{d.run, d.root} {
		if err := unmountBelow(dir); err != nil {
			return fmt.Errorf("unmount what containerd left: %w", err)
		}
	}
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
		_ = os.Remove(filepath.Join(hierarchy, group)) // others may be in it
	}
	return nil
}

// shared is where every containerd's shims have their sockets and runc's state,
// whatever its own directories are.
const shared = "/run/containerd"

// forget removes what runc knows of the containers, their control groups, and the
// sockets of their shims. Each has a bundle in the state directory.
func (d *Containerd) forget(ctx context.Context) error {
	bundles, err := filepath.Glob(filepath.Join(d.run, "state/io.containerd.runtime.v2.task/*/*"))
	if err != nil || len(bundles) == 0 {
		return err
	}
	programs, err := Find()
	if err != nil {
		return err
	}
	var errs []error
	for _, bundle := range bundles {
		namespace, id := filepath.Base(filepath.Dir(bundle)), filepath.Base(bundle)
		root := filepath.Join(shared, "runc", namespace)
		if _, err := os.Stat(filepath.Join(root, id)); err == nil {
			if out, err := exec.CommandContext(ctx, programs.Runc, "--root", root, "delete", "--force", id).CombinedOutput(); err != nil {
				errs = append(errs, fmt.Errorf("runc delete %s: %w: %s", id, err, bytes.TrimSpace(out)))
			}
		}
		_ = os.Remove(root) // others may be in it
		address, _ := os.ReadFile(filepath.Join(bundle, "address"))
		if socket, ok := strings.CutPrefix(strings.TrimSpace(string(address)), "unix://"); ok && filepath.Dir(socket) == shared+"/s" {
			_ = os.Remove(socket) // the shim may have done it
		}
	}
	return errors.Join(errs...)
}

// endShims kills the shims, and the containers that they are the parents of.
func (d *Containerd) endShims(ctx context.Context) error {
	shims, err := d.shims()
	if err != nil || len(shims) == 0 {
		return err
	}
	children, err := childrenOf(shims)
	if err != nil {
		return err
	}
	// The shims first: they would tell a containerd that isn't there.
	return end(ctx, append(shims, children...), unix.SIGKILL, 0)
}

func childrenOf(parents []process) ([]process, error) {
	return processes(func(_ int, parent string) bool {
		return slices.ContainsFunc(parents, func(p process) bool { return strconv.Itoa(p.pid) == parent })
	})
}

// end sends sig, sends SIGKILL to those that are still there after grace, and
// waits.
func end(ctx context.Context, all []process, sig unix.Signal, grace time.Duration) error {
	hard := time.Now().Add(grace)
	for sent := false; ; sent = true {
		living := slices.DeleteFunc(slices.Clone(all), func(p process) bool { return !p.alive() })
		if len(living) == 0 {
			return nil
		}
		for _, p := range living {
			if !sent {
				_ = unix.Kill(p.pid, sig) // the next look tells
			} else if time.Now().After(hard) {
				_ = unix.Kill(p.pid, unix.SIGKILL)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d processes live, as %d: %w", len(living), living[0].pid, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// unmountBelow unmounts what is mounted below dir, the last first.
func unmountBelow(dir string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	var points []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // an overlay of many layers has a long line
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 {
			if point := unescape(fields[4]); strings.HasPrefix(point, dir+"/") {
				points = append(points, point)
			}
		}
	}
	errs := []error{lines.Err()}
	for _, point := range slices.Backward(points) {
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(errs...)
}

// unescape undoes what the kernel does to spaces in paths.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
